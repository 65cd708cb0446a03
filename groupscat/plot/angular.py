"""The coefficients of roto-translation scattering against the angle between their two wavelets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from groupscat.backend import Array
from groupscat.errors import ArgumentError
from groupscat.plot.figures import POSITIVE, averaged, new_figure
from groupscat.scattering import RotoTranslationScattering2D

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Radius of the hole in the middle, in rings.
HOLE = 1.0


def angular_response(S: RotoTranslationScattering2D, y: Array, figure: Figure | None = None) -> Figure:
    """The order 2 of one image, a disk for each pair of scales (j₁, j₂), averaged over space.

    The angle is that of ψ_{j2} relative to ψ_{j1}, in steps α of π/L, and again opposite; at 0 the image
    changes across the lines that ψ_{j1} responds to. A ring is a scale k of the wavelet along θ: the finest
    outside, its average φ̃ inside. Colours give the mean coefficient, in each disk up to its largest.

    Parameters
    ----------
    y : coefficients of one image, shape (paths, *grid) or (paths,), of any framework.

    Raises
    ------
    ShapeError : y is not one image's. ArgumentError : S has no angles relative to each other, or no average
    over θ. ImportError : matplotlib is missing.

    Source: Sifre & Mallat 2013, section 3.
    """
    S = getattr(S, "operator", S)  # a framework's module holds its operator
    if type(S) is not RotoTranslationScattering2D or not S.average_angle:
        raise ArgumentError(
            "plot.angular_response draws a RotoTranslationScattering2D with average_angle=True (the default "
            f'of group="joint"), got {S!r}.'
        )
    values = averaged(S, y)
    rows = [k for k, path in enumerate(S.paths) if len(path.j) == 2]
    pairs = sorted({S.paths[k].j for k in rows})
    if not pairs:
        raise ArgumentError(
            "plot.angular_response needs two scales and the order 2; this operator has "
            f"J={S.J}, max_order={S.max_order}."
        )
    columns = min(3, len(pairs))
    count = -(-len(pairs) // columns)
    figure = new_figure(figure, 2.8 * columns + 0.4, 3.0 * count)
    for place, pair in enumerate(pairs, start=1):
        ax: Any = figure.add_subplot(count, columns, place, projection="polar")
        own = [k for k in rows if S.paths[k].j == pair]
        _disk(S, own, values, ax)
        ax.set_title(f"j₁ = {pair[0]}, j₂ = {pair[1]}", fontsize=9)
    return figure


def _disk(S: RotoTranslationScattering2D, rows: list[int], values: Any, ax: Any) -> None:
    from matplotlib import colormaps

    width = math.pi / S.L
    top = float(values[rows].max()) or 1.0
    paths: list[Any] = [S.paths[k] for k in rows]
    # Of both signs along θ, where there are two, the mean.
    cells: dict[tuple[int, int], list[float]] = {}
    for k, path in zip(rows, paths, strict=True):
        cells.setdefault((path.alpha, path.k), []).append(values[k] / top)
    for (alpha, k), found in cells.items():
        # θ falls as its index grows.
        angles = np.array([-alpha * width, math.pi - alpha * width])
        colour = colormaps[POSITIVE](float(np.mean(found)))
        ax.bar(angles, 1.0, width, bottom=HOLE + S.K - k, color=colour, edgecolor="white", linewidth=0.3)
    ax.set(yticks=[], ylim=(0, HOLE + S.K + 1))
    ax.set_xticks(np.arange(4) * math.pi / 4, ["0°", "45°", "90°", "135°"], fontsize=7)
    ax.grid(visible=False)
    ax.spines["polar"].set_visible(False)
