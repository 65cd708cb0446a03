"""The coefficients of an image on the disk of frequencies."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groupscat.backend import Array
from groupscat.errors import ArgumentError
from groupscat.plot.figures import POSITIVE, averaged, check_dimension, direction, new_figure, on_host
from groupscat.scattering import Scattering

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Radius of the part of the disk that φ covers, in rings.
INSIDE = 0.6
#: Steps between the labels of a horizontal colour bar, at most: more of them touch each other.
TICKS = 3


def scattering_disk(
    S: Scattering, y: Array, image: Array | None = None, figure: Figure | None = None
) -> Figure:
    """The coefficients of orders 1 and 2 of one image on the disk of frequencies, averaged over space.

    A ring is a scale, fine scales outside; a sector lies in the direction in which the wavelet oscillates,
    as one sees it in the picture, and again opposite, because the spectrum of a real image is symmetric.
    At order 2 each cell (j1, θ1) is divided along the radius by j2 (coarse inside) and along the angle by
    θ2. Colours give the mean coefficient; cells without a path are left grey.

    Parameters
    ----------
    y : coefficients of one image, shape (paths, *grid) or (paths,), of any framework.
    image : the image itself, shape (H, W), drawn beside the disks.

    Raises
    ------
    ShapeError : y is not one image's. ArgumentError : S is not 2-D. ImportError : matplotlib is missing.

    Source: Bruna & Mallat 2013, section 4; Sifre & Mallat 2013, figure 3.
    """
    check_dimension(S, "scattering_disk", (2,))
    values = averaged(S, y)
    orders = [m for m in (1, 2) if any(path.order == m for path in S.paths)]
    if not orders:
        raise ArgumentError("scattering_disk needs paths of order 1; this operator has max_order=0.")
    count = len(orders) + (image is not None)
    figure = new_figure(figure, 3.4 * count, 3.9)
    place = 1
    if image is not None:
        ax = figure.add_subplot(1, count, place)
        drawn = ax.imshow(on_host(image), cmap="gray")
        ax.set_title("image")
        ax.set(xlabel="pixel", ylabel="pixel")
        _colour_bar(drawn, ax)
        place += 1
    for order in orders:
        disk: Any = figure.add_subplot(1, count, place, projection="polar")
        _disk(S, values, order, disk)
        place += 1
    return figure


def _disk(S: Scattering, values: NDArray[Any], order: int, ax: Any) -> None:
    from matplotlib.collections import PolyCollection
    from matplotlib.patheffects import withStroke

    rows = [k for k, path in enumerate(S.paths) if path.order == order]
    rings = 1 + max(S.paths[k].j[0] for k in rows)
    cells = [cell(S, k, rings) for k in rows]
    turns = (0.0,) if S.complex_input else (0.0, math.pi)
    corners = [_sector(lo, hi, start + turn, stop + turn) for turn in turns for lo, hi, start, stop in cells]
    drawn = PolyCollection(
        corners, array=np.tile(values[rows], len(turns)), cmap=POSITIVE, edgecolors="face", lw=0.2
    )
    drawn.set_clim(0, float(values[rows].max()) or 1.0)
    ax.add_collection(drawn)
    ax.set_facecolor("0.85")
    ax.grid(visible=False)
    ax.set(ylim=(0, INSIDE + rings), yticks=[])
    ax.set_title(
        f"order {order}" + (": cells (j₁, θ₁) divided by (j₂, θ₂)" if order == 2 else ""), fontsize=9
    )
    name = "j" if order == 1 else "j₁"
    for j in range(rings):
        circle = np.linspace(0, 2 * math.pi, 181)
        ax.plot(circle, np.full(181, INSIDE + j), color="0.6", lw=0.5)
        label = ax.text(
            math.pi / 2, INSIDE + rings - j - 0.5, f"{name} = {j}", ha="center", va="center", fontsize=7
        )
        label.set(color="white", path_effects=[withStroke(linewidth=1.5, foreground="black")])
    _colour_bar(drawn, ax, "mean coefficient, units of the image")


def cell(S: Scattering, row: int, rings: int) -> tuple[float, float, float, float]:
    """Radii and angles (from, to) between which a path of order 1 or 2 is drawn."""
    path, width = S.paths[row], math.pi / S.L
    angles = [direction(xi) for xi in path.xi]
    outer = INSIDE + rings - path.j[0]
    if path.order == 1:
        return outer - 1, outer, angles[0] - width / 2, angles[0] + width / 2
    parts, part = S.J - 1 - path.j[0], path.j[1] - path.j[0]
    # θ2 − θ1 in steps of π/L, −L/2 ≤ step < L/2, each a part of the sector of θ1.
    step = (round((angles[1] - angles[0]) / width) + S.L // 2) % S.L
    start = angles[0] - width / 2 + step * width / S.L
    return outer - part / parts, outer - (part - 1) / parts, start, start + width / S.L


def _sector(lo: float, hi: float, start: float, stop: float) -> NDArray[np.float64]:
    """Corners (angle, radius) of a piece of a ring, its arcs in steps of about 2°."""
    arc = np.linspace(start, stop, 2 + round((stop - start) / math.radians(2)))
    out = np.stack([arc, np.full(len(arc), hi)], axis=1)
    back = np.stack([arc[::-1], np.full(len(arc), lo)], axis=1)
    return np.concatenate([out, back])


def _colour_bar(drawn: Any, ax: Any, label: str = "") -> None:
    from matplotlib.ticker import MaxNLocator

    ax.figure.colorbar(
        drawn, ax=ax, shrink=0.7, orientation="horizontal", label=label, ticks=MaxNLocator(TICKS)
    )
