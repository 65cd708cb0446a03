"""What the pictures share: new figures, colour maps, checks of their arguments, values on the host."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groupscat.backend import Array, backend_of
from groupscat.errors import ArgumentError, ShapeError
from groupscat.scattering import Scattering
from groupscat.scattering.operator import Operator

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: A filter is drawn as far as it exceeds this fraction of the largest value in its row.
VISIBLE = 0.02
#: Diverging for signed filters, sequential for what is never negative.
SIGNED, POSITIVE = "RdBu_r", "magma"


def new_figure(figure: Figure | None, width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('Pictures need matplotlib: pip install "groupscat[plot]"') from error
    if figure is not None:
        return figure
    new: Figure = Figure(figsize=(width, height), layout="constrained", dpi=120)
    return new


def check_dimension(S: Operator, name: str, known: tuple[int, ...]) -> int:
    d = len(S.shape)
    S = getattr(S, "operator", S)  # a framework's module holds its operator
    if not isinstance(S, Scattering) or d not in known:
        wanted = " or ".join(f"Scattering{k}D" for k in known)
        raise ArgumentError(f"plot.{name} draws a {wanted}, got {type(S).__name__} of shape {S.shape}.")
    return d


def direction(xi: Any) -> float:
    """The angle at which a wavelet oscillates in a picture whose rows run downwards, radians."""
    down, right = xi
    return math.atan2(-down, right)


def on_host(x: Array) -> NDArray[Any]:
    return np.asarray(backend_of(x).to_numpy(x))


def one_signal(S: Operator, y: Array) -> NDArray[Any]:
    """Coefficients of one signal on the host, shape (paths, *grid)."""
    if isinstance(y, list | dict):
        raise ArgumentError(f"The picture needs coefficients in one array; this operator has {S.out_type=}.")
    values = on_host(y)
    values = np.abs(values) if np.iscomplexobj(values) else values
    shape = tuple(S.output_shape)
    if values.shape != shape and values.shape != shape[:1]:
        raise ShapeError(
            f"The picture is of one signal, whose coefficients have shape {shape}; got {values.shape}. "
            "Of a batch pass one, for example y[0]."
        )
    return values.reshape(len(S.paths), -1)


def averaged(S: Operator, y: Array) -> NDArray[Any]:
    return np.asarray(one_signal(S, y).mean(axis=1))


def windowed(row: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Pictures of one size cut to the part, square about the middle, where one of them is visible."""
    stack = np.abs(np.stack(row))
    middle = [n // 2 for n in stack.shape[1:]]
    seen = np.argwhere(stack.max(axis=0) > VISIBLE * stack.max())
    reach = int(np.abs(seen - middle).max())
    part = tuple(slice(max(0, m - reach), m + reach + 1) for m in middle)
    return [w[part] for w in row]


def signed_image(ax: Axes, values: NDArray[Any]) -> None:
    """A picture whose colours are symmetric about 0."""
    top = np.abs(values).max()
    ax.imshow(values, cmap=SIGNED, vmin=-top, vmax=top)
