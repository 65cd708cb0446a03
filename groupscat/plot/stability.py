"""The picture of a measurement of stability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from groupscat.deformation.result import Stability
from groupscat.plot.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = ("o", "s", "^", "D", "v", "P")


def stability(found: Stability, figure: Figure | None = None) -> Figure:
    """Left, changes over m‖x‖ against the size |g| of the deformations, below the line C·|g|; right, how far
    pairs of signals are moved apart, and the frame bound.
    """
    figure = new_figure(figure, 9.6, 3.8)
    changes, ratios = figure.subplots(1, 2, width_ratios=(1.5, 1))
    for marker, (name, constant) in zip(MARKERS * 9, found.constants.items(), strict=False):
        rows = [row for row in found.rows if row.deformation == name]
        sizes = [row.norm for row in rows]
        label = f"{name}, C = {constant:.3g}"
        changes.loglog(sizes, [row.ratio * row.norm for row in rows], marker=marker, label=label)
    ends = np.array([min(row.norm for row in found.rows), max(row.norm for row in found.rows)])
    changes.loglog(ends, found.C * ends, "--", color="0.4", lw=1, label=f"C·|g|, C = {found.C:.3g}")
    changes.set(xlabel="|g| = 2$^{-J}$‖g‖∞ + ‖∇g‖∞", ylabel="‖S(x$_g$) − S(x)‖ / m‖x‖")
    changes.grid(alpha=0.3)
    changes.legend(fontsize=8)
    places = np.arange(len(found.pairs))
    ratios.barh(places, [pair.ratio for pair in found.pairs], color="#0072b2", height=0.6)
    ratios.set_yticks(places, [pair.kind for pair in found.pairs])
    ratios.invert_yaxis()
    if found.bound is not None:
        ratios.axvline(found.bound, color="0.3", ls="--", lw=1, label=f"frame bound {found.bound:.3g}")
        ratios.legend(fontsize=8, loc="lower right")
    ratios.set_xlabel("‖S(x) − S(y)‖ / ‖x − y‖")
    return figure
