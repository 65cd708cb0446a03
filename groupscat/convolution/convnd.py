"""n-d convolution: any number of axes, in every framework, fast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from groupscat.backend import Array, Backend
from groupscat.convolution.arguments import (
    HALF,
    PRECISION,
    axes_of,
    check_groups,
    operands,
    same_framework,
)
from groupscat.execute import ConstantCache, run_batched
from groupscat.plan.convnd import ConvShape, convolution_plan
from groupscat.plan.plan import Plan
from groupscat.plan.strategy import check_strategy

#: Constants of functions, in numbers: half a gigabyte in float32.
CONSTANTS = ConstantCache(1 << 27)
#: An intermediate array larger than this is computed a part of the batch at a time.
MEMORY = 1 << 28


def convnd(
    x: Array,
    w: Array,
    stride: int | Sequence[int] = 1,
    dilation: int | Sequence[int] = 1,
    padding: str | Sequence[str] = "zero",
    groups: int = 1,
    *,
    strategy: str | None = None,
) -> Array:
    """Cross-correlation along any number of axes.

    y_o(u) = Σ_c Σ_k x_c(stride·u + dilation·k − before) w_{o,c}(k)

    Parameters
    ----------
    x : array, shape (batch, channels, n_1, …, n_d), real or complex, of any framework.
    w : array, shape (channels out, channels / groups, k_1, …, k_d), of the same framework, device and
        precision.
    stride, dilation : samples, for all axes or one each.
    padding : for all axes or one each. "zero", "circular", "reflect" (without repeating the border) and
        "edge" keep the size: ⌈n/stride⌉ outputs, of a total padding max((⌈n/s⌉−1)s + (k−1)d + 1 − n, 0)
        the odd sample comes after. Axes shorter than the filter wrap or reflect as often as it takes.
        "none" keeps what the filter covers, ⌊(n − (k−1)d − 1)/s⌋ + 1 outputs.
    groups : outputs of a group see the channels of the same group.
    strategy : "native" (the framework's convolution), "fft" (short axes by DFT matrices, one native group per
        frequency), "toeplitz" (short axes as channels), "taps" (their taps as channels); None: the
        fastest, a function of the shapes alone. All give the same result.

    Returns
    -------
    array, shape (batch, channels out, m_1, …, m_d), complex if x or w is. Half precision is computed
    in float32 and returned as it came.

    Raises
    ------
    ShapeError, ArgumentError, DtypeError, DeviceError.

    Source: Mallat 2016, eq. 27, for a group of translations.

    >>> import numpy as np
    >>> x, w = np.ones((1, 1, 5, 5, 5, 5)), np.ones((2, 1, 3, 3, 3, 3))
    >>> y = convnd(x, w)
    >>> y.shape, round(float(y[0, 0, 2, 2, 2, 2]), 9), round(float(y[0, 0, 0, 0, 0, 0]), 9)
    ((1, 2, 5, 5, 5, 5), 81.0, 16.0)
    """
    backend = same_framework(x, w=w)
    with backend.scope(x):
        check_strategy(strategy)
        channels, sizes, outputs, depth, taps = operands(x, w, backend)
        groups = check_groups(groups, channels, outputs, depth)
        shape = ConvShape(channels, outputs, axes_of(sizes, taps, stride, dilation, padding), groups)
        plan = convolution_plan(shape, strategy, backend.is_complex(x), backend.is_complex(w))
        return compute(plan, x, {"w": w}, backend)


def compute(plan: Plan, x: Array, parameters: dict[str, Array], backend: Backend) -> Any:
    """Run a plan of one data input on checked arrays; half precision in float32."""
    kept = backend.dtype(x)
    precision = PRECISION[kept]
    if kept in HALF:
        x = backend.cast(x, precision)
        parameters = {name: backend.cast(w, precision) for name, w in parameters.items()}
    constants = CONSTANTS.of(plan, backend, precision, x)
    itemsize = 8 if precision == "float64" else 4
    (y,) = run_batched(plan, x, {**constants, **parameters}, backend, itemsize, MEMORY)
    return backend.cast(y, kept) if kept in HALF else y
