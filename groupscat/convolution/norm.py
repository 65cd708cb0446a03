"""Batch normalisation of fibers: per channel, over the batch, the elements of a group and the base alike."""

from __future__ import annotations

import math

from groupscat.backend import Array, Backend
from groupscat.checks import positive
from groupscat.convolution.arguments import HALF, PRECISION, same_framework
from groupscat.errors import DtypeError, ShapeError
from groupscat.plan.nn_ops import channel_mean


def fiber_statistics(x: Array) -> tuple[Array, Array]:
    """The mean and the variance of every channel, over the batch and all other axes.

    No element of a group changes them where it maps the grid to itself, so normalising by them commutes with
    it.

    Parameters
    ----------
    x : array, shape (batch, channels, ...), real, of any framework.

    Returns
    -------
    mean, variance : arrays, shape (channels,); the variance divides by the number of values. float32 for half
        precision.

    Raises
    ------
    ShapeError : x has no channels, or is empty. DtypeError : x is complex, or no array of floats.

    >>> import numpy as np
    >>> mean, variance = fiber_statistics(np.arange(8.0).reshape(2, 2, 2))
    >>> mean.tolist(), variance.tolist()
    ([2.5, 4.5], [4.25, 4.25])
    """
    backend = _checked(x)
    with backend.scope(x):
        x = backend.cast(x, PRECISION[backend.dtype(x)])
        channels, *rest = backend.shape(x)[1:]
        if 0 in backend.shape(x):
            raise ShapeError(
                f"x has shape {tuple(backend.shape(x))}: no values have no mean. Leave out empty batches, or "
                "normalise by running statistics: fiber_batch_norm."
            )
        x = backend.reshape(x, (-1, channels, math.prod(rest)))
        mean = channel_mean(backend, x)
        deviation = x - backend.reshape(mean, (1, -1, 1))
        return mean, channel_mean(backend, deviation * deviation)


def fiber_batch_norm(
    x: Array,
    mean: Array,
    variance: Array,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Array:
    """(x − mean) / √(variance + eps) · weight + bias, per channel.

    Parameters
    ----------
    x : array, shape (batch, channels, ...), real, of any framework.
    mean, variance : of this batch (:func:`fiber_statistics`) or running ones, shape (channels,).
    weight, bias : shape (channels,); None: 1 and 0.
    eps : > 0, added to the variance.

    Returns
    -------
    array of the shape and the element type of x; half precision is computed in float32.

    Raises
    ------
    ShapeError : not one number per channel. DtypeError, DeviceError : the arrays do not fit together, or are
        complex. ArgumentError : eps is not positive.

    Source: Ioffe & Szegedy 2015, algorithm 1; per fiber as in Cohen & Welling 2016, section 6.2.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(3, 2, (10, 4, 8, 9, 9))
    >>> y = fiber_batch_norm(x, *fiber_statistics(x), eps=1e-12)
    >>> mean, variance = fiber_statistics(y)
    >>> bool(abs(mean).max() < 1e-12), bool(abs(variance - 1).max() < 1e-9)
    (True, True)
    """
    per_channel = {"mean": mean, "variance": variance, "weight": weight, "bias": bias}
    given = {name: a for name, a in per_channel.items() if a is not None}
    positive("eps", eps)
    backend = _checked(x)
    kept = backend.dtype(x)
    precision = PRECISION[kept]
    with backend.scope(x):
        if kept in HALF:
            x = backend.cast(x, precision)
            half = {name for name, a in given.items() if backend.owns(a) and backend.dtype(a) in HALF}
            given |= {name: backend.cast(given[name], precision) for name in half}
        same_framework(x, **given)
        shape = tuple(backend.shape(x))
        for name, a in given.items():
            if backend.is_complex(a):
                raise DtypeError(f"{name} is {backend.dtype(a)}; expected real numbers, as x has.")
            if tuple(backend.shape(a)) != shape[1:2]:
                raise ShapeError(
                    f"{name} has shape {tuple(backend.shape(a))} and x {shape}: expected one number for each "
                    f"of the {shape[1]} channels."
                )
        scale = backend.power(given["variance"] + eps, -0.5)
        scale = scale * given["weight"] if "weight" in given else scale
        alone = (1, -1) + (1,) * (len(shape) - 2)
        # Centred first: a mean far above the deviation would leave no digits.
        y = (x - backend.reshape(given["mean"], alone)) * backend.reshape(scale, alone)
        y = y + backend.reshape(given["bias"], alone) if "bias" in given else y
        return backend.cast(y, kept) if kept in HALF else y


def _checked(x: Array) -> Backend:
    backend = same_framework(x)
    if backend.is_complex(x):
        raise DtypeError(
            f"x is {backend.dtype(x)}; variances are those of real numbers. Pass its modulus, or real and "
            "imaginary parts as channels."
        )
    if len(backend.shape(x)) < 2:
        raise ShapeError(f"x has shape {tuple(backend.shape(x))}; expected (batch, channels, ...).")
    return backend
