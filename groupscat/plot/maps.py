"""The coefficients of an image or a volume in space, one picture per wavelet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from groupscat.backend import Array
from groupscat.errors import ArgumentError, ShapeError
from groupscat.plot.figures import POSITIVE, check_dimension, direction, new_figure, one_signal
from groupscat.scattering import Scattering

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def maps(S: Scattering, y: Array, figure: Figure | None = None) -> Figure:
    """The coefficients of orders 0 and 1 of one image in space: a row per scale, a column per orientation.

    Pictures of order 1 share one colour scale, the square root of the coefficients. Of a volume the middle
    slice of its first axis is drawn, and columns are the wavelets' axes.

    Parameters
    ----------
    y : coefficients of one signal with their grid, shape (paths, *grid), of any framework.

    Raises
    ------
    ArgumentError : S is neither 2-D nor 3-D, has no order 1, or its coefficients have no grid.
    ShapeError : y is not one signal's.
    """
    d = check_dimension(S, "maps", (2, 3))
    grid = tuple(S.output_shape[1:])
    if math.prod(grid) == 1 or S.output.stride is None:
        raise ArgumentError('maps draws coefficients in space: a T other than "global" and some samples.')
    flat = one_signal(S, y)
    if flat.shape[1] != math.prod(grid):
        raise ShapeError(f"maps needs coefficients with their grid {grid}, shape {tuple(S.output_shape)}.")
    values = flat.reshape(-1, *grid)
    values = values[:, grid[0] // 2] if d == 3 else values
    rows = S.paths.select(order=1)
    if not rows:
        raise ArgumentError("maps needs paths of order 1; this operator has max_order=0.")
    scales = sorted({S.paths[k].j[0] for k in rows})
    columns = max(sum(S.paths[k].j[0] == j for k in rows) for j in scales)
    figure = new_figure(figure, 0.95 * (columns + 1) + 1.0, 1.0 * len(scales) + 0.7)
    panels = figure.subplots(len(scales), columns + 1, squeeze=False)
    for ax in panels.flat:
        ax.set(xticks=[], yticks=[])
    for ax in panels[1:, 0]:
        ax.remove()
    panels[0, 0].imshow(values[0], cmap="gray")
    panels[0, 0].set_title("order 0", fontsize=9)
    from matplotlib.colors import PowerNorm

    norm = PowerNorm(0.5, vmin=0, vmax=float(values[rows].max()) or 1.0)
    for r, j in enumerate(scales):
        for c, k in enumerate(row for row in rows if S.paths[row].j[0] == j):
            drawn = panels[r, c + 1].imshow(values[k], cmap=POSITIVE, norm=norm)
            if r == 0:
                panels[0, c + 1].set_title(_name(S, k), fontsize=9)
        panels[r, 1].set_ylabel(f"j = {j}", fontsize=9)
    figure.colorbar(drawn, ax=panels[:, 1:], label="coefficient", shrink=0.8)
    return figure


def _name(S: Scattering, row: int) -> str:
    (xi,), (theta,) = S.paths[row].xi, S.paths[row].theta
    if not isinstance(xi, tuple) or len(xi) != 2:
        return f"θ = {theta}"
    angle = round(math.degrees(direction(xi))) % (360 if S.complex_input else 180)
    return f"θ = {theta}\n{angle}°"
