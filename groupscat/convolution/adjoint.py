"""The gradients of a convolution, themselves convolutions: for frameworks that do not differentiate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from groupscat.backend import Array, Backend
from groupscat.convolution.arguments import axes_of, check_groups, operands, same_framework
from groupscat.convolution.convnd import convnd
from groupscat.errors import ShapeError
from groupscat.plan.conv_axis import ConvAxis


def convnd_adjoint(
    x: Array,
    w: Array,
    y: Array,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    padding: str | Sequence[str] = "zero",
    groups: int = 1,
    *,
    strategy: str | None = None,
) -> tuple[Array, Array]:
    """The gradients of :func:`groupscat.convnd` with respect to x and w, from that of its output.

    Where a framework differentiates, it does so by itself; NumPy and CuPy do not. The adjoint operators: with
    ⟨a, b⟩ = Σ a* b and C(x, w) = convnd(x, w, …),

        ⟨y, C(dx, w)⟩ = ⟨gx, dx⟩,  ⟨y, C(x, dw)⟩ = ⟨gw, dw⟩  for all dx, dw.

    Parameters
    ----------
    x, w, stride, dilation, padding, groups, strategy : as for :func:`groupscat.convnd`.
    y : array, the shape of its output: the gradient of a loss there.

    Returns
    -------
    gx, gw : arrays of the shapes of x and w, complex if one of the arrays is.

    Raises
    ------
    ShapeError : y has another shape than the output; otherwise as :func:`groupscat.convnd`.

    >>> import numpy as np
    >>> x, w = np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3))
    >>> gx, gw = convnd_adjoint(x, w, np.ones((1, 1, 4, 4)))
    >>> gx[0, 0, 0].tolist(), gw[0, 0, 0].tolist()
    ([4.0, 6.0, 6.0, 4.0], [9.0, 12.0, 9.0])
    """
    backend = same_framework(x, w=w, y=y)
    with backend.scope(x):
        channels, sizes, outputs, depth, taps = operands(x, w, backend)
        axes = axes_of(sizes, taps, stride, dilation, padding)
        groups = check_groups(groups, channels, outputs, depth)
        wanted = (backend.shape(x)[0], outputs, *(axis.outputs for axis in axes))
        if tuple(backend.shape(y)) != wanted:
            raise ShapeError(
                f"y has shape {tuple(backend.shape(y))}; expected {wanted}, that of the output for x of "
                f"shape {tuple(backend.shape(x))}."
            )
        gx = _of_signal(w, y, axes, groups, backend, strategy)
        gw = _of_kernel(x, y, axes, groups, backend, strategy)
        return gx, gw


def _of_signal(
    w: Array, y: Array, axes: Sequence[ConvAxis], groups: int, backend: Backend, strategy: str | None
) -> Array:
    """y spread to the places of its outputs, convolved with the mirrored filters, added up where padding
    repeats samples."""
    spread = [_spread(axis) for axis in axes]
    y = _taken(y, spread, backend)
    outputs, depth, *taps = backend.shape(w)
    w = _taken(w, [np.arange(k)[::-1] for k in taps], backend)
    w = backend.reshape(_conjugate(w, backend), (groups, outputs // groups, depth, *taps))
    w = backend.permute(w, (0, 2, 1, *range(3, 3 + len(taps))))
    w = backend.reshape(w, (groups * depth, outputs // groups, *taps))
    dilation = tuple(axis.dilation for axis in axes)
    gx = convnd(y, w, 1, dilation, "none", groups, strategy=strategy)
    for k, axis in enumerate(axes):
        parts = [
            _taken(gx, [None] * k + [places] + [None] * (len(axes) - 1 - k), backend)
            for places in _readers(axis)
        ]
        gx = sum(parts[1:], parts[0])
    return gx


def _of_kernel(
    x: Array, y: Array, axes: Sequence[ConvAxis], groups: int, backend: Backend, strategy: str | None
) -> Array:
    """x convolved with y for a filter, where batch and channels have changed places."""
    d = len(axes)
    if backend.shape(x)[0] == 0:
        dtype = backend.dtype(x if backend.is_complex(x) else y)
        depth, outputs = backend.shape(x)[1] // groups, backend.shape(y)[1]
        return backend.zeros((outputs, depth, *(axis.taps for axis in axes)), dtype, x)
    x = _taken(_conjugate(x, backend), [axis.gathered()[: _used(axis)] for axis in axes], backend)
    (batch, channels, *sizes), (_, outputs, *results) = backend.shape(x), backend.shape(y)
    rest = tuple(range(3, 3 + d))
    x = backend.reshape(x, (batch, groups, channels // groups, *sizes))
    x = backend.reshape(backend.permute(x, (2, 1, 0, *rest)), (channels // groups, groups * batch, *sizes))
    y = backend.reshape(y, (batch, groups, outputs // groups, *results))
    y = backend.reshape(backend.permute(y, (1, 2, 0, *rest)), (outputs, batch, *results))
    stride, dilation = tuple(axis.dilation for axis in axes), tuple(axis.stride for axis in axes)
    gw = convnd(x, y, stride, dilation, "none", groups, strategy=strategy)
    return backend.permute(gw, (1, 0, *range(2, 2 + d)))


def _used(axis: ConvAxis) -> int:
    """Samples of the padded axis that some output reads."""
    return axis.stride * (axis.outputs - 1) + axis.span


def _spread(axis: ConvAxis) -> NDArray[np.int64]:
    """Outputs ``stride`` apart with zeros between and around: their positions, −1 for zero."""
    t = np.arange(_used(axis) + axis.span - 1) - (axis.span - 1)
    j, rest = np.divmod(t, axis.stride)
    return np.where((rest == 0) & (j >= 0) & (j < axis.outputs), j, -1)


def _readers(axis: ConvAxis) -> list[NDArray[np.int64]]:
    """The padded samples that repeat each input sample, in as many arrays as it takes; −1 for none."""
    source = axis.gathered()[: _used(axis)]
    found: list[list[int]] = [np.flatnonzero(source == i).tolist() for i in range(axis.size)]
    most = max(1, max(map(len, found)))
    return list(np.array([places + [-1] * (most - len(places)) for places in found]).T)


def _taken(x: Array, places: Sequence[NDArray[np.int64] | None], backend: Backend) -> Array:
    """Trailing axes at the given positions, −1 being a zero."""
    index = [None if p is None else backend.asarray(p.copy(), dtype="int32", like=x) for p in places]
    return backend.pad(x, index, True)


def _conjugate(z: Array, backend: Backend) -> Array:
    return backend.complex(backend.real(z), backend.imag(z) * -1.0) if backend.is_complex(z) else z
