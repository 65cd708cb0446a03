"""The coefficients of one signal as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from groupscat.backend import Array
from groupscat.plot.figures import averaged, new_figure
from groupscat.scattering.operator import Operator

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Told apart by colour-blind readers too (Okabe & Ito).
ORDER_COLOURS = ("0.45", "#0072b2", "#e69f00", "#009e73", "#cc79a7")


def coefficients(S: Operator, y: Array, ax: Axes | None = None) -> Figure:
    """The coefficients of one signal averaged over its grid, a bar per path in the order of ``S.paths``.

    The scale is logarithmic where the coefficients are positive. Colours tell the orders apart.

    Raises
    ------
    ShapeError : y is not one signal's. ImportError : matplotlib is not installed.
    """
    values = averaged(S, y)
    if ax is None:
        ax = new_figure(None, 9.0, 3.4).subplots()
    orders = np.array(S.paths.column("order"))
    for order in sorted(set(orders.tolist())):
        rows = np.flatnonzero(orders == order)
        colour = ORDER_COLOURS[order % len(ORDER_COLOURS)]
        ax.bar(rows, values[rows], width=1.0, color=colour, label=f"order {order} ({len(rows)})")
    if values.min() > 0:
        ax.set_yscale("log")
    else:
        ax.axhline(0, color="0.5", lw=0.6)
    ax.set(xlabel="path, row of S.paths", ylabel="mean coefficient", xlim=(-0.5, len(values) - 0.5))
    ax.legend(loc="upper right", ncols=3)
    return cast("Figure", ax.figure)
