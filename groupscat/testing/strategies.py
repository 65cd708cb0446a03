"""Hypothesis strategies: signals, shapes, and small operators with any combination of options."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

import groupscat as gs
from groupscat.plan.conv_axis import BOUNDARIES
from groupscat.plan.strategy import STRATEGIES

PADDINGS = ("reflect", "zero", "circular", "edge")
KINDS = ("bounded", "zero", "delta", "tone", "constant")

#: Longest side per number of axes.
LARGEST = {1: 48, 2: 12, 3: 5}

batches = st.sampled_from([(), (1,), (3,), (2, 2), (0,), (2, 0)])
paddings = st.sampled_from(PADDINGS)
#: Shapes of one to four axes, odd and size 1 included.
grids = st.lists(st.integers(1, 7), min_size=1, max_size=4).map(tuple)


@st.composite
def signals(draw: st.DrawFn, shape: tuple[int, ...], is_complex: bool = False) -> np.ndarray[Any, Any]:
    """Bounded noise, zero, one impulse, a pure tone, or a constant, at amplitudes far from and near 1."""
    kind = draw(st.sampled_from(KINDS))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    amplitude = draw(st.sampled_from([1.0, 1.0, 1e-6, 1e6]))
    x = np.zeros(shape)
    if kind == "bounded":
        x = rng.uniform(-1, 1, shape)
    elif kind == "delta" and x.size:
        x.flat[rng.integers(x.size)] = 1.0
    elif kind == "tone":
        n = shape[-1]
        x = x + np.cos(2 * math.pi * rng.integers(0, n // 2 + 1) * np.arange(n) / max(1, n))
    elif kind == "constant":
        x = x + 1.0
    if is_complex:
        x = x * np.exp(2j * math.pi * rng.uniform(0, 1, shape))
    return amplitude * x


@st.composite
def shapes(draw: st.DrawFn, ndim: int | None = None) -> tuple[int, ...]:
    """One to three axes, odd and tiny sides included."""
    d = draw(st.integers(1, 3)) if ndim is None else ndim
    return tuple(draw(st.integers(2, LARGEST[d])) for _ in range(d))


@st.composite
def arguments(draw: st.DrawFn, ndim: int | None = None) -> dict[str, Any]:
    """Valid keyword arguments of :class:`groupscat.Scattering` with method "fourier".

    Without ``ndim`` one or two axes: filters of three take a second to build.
    """
    shape = draw(shapes(draw(st.sampled_from([1, 2])) if ndim is None else ndim))
    d = len(shape)
    largest = min(shape).bit_length() - 1
    J = draw(st.integers(1, min(largest, {1: 5, 2: 3, 3: 1}[d])))
    chosen: dict[str, Any] = {"J": J, "shape": shape}
    if d == 1:
        chosen["Q"] = (draw(st.integers(1, 5)), draw(st.integers(1, 2)))
    else:
        chosen["L"] = draw(st.integers(1, {2: 4, 3: 3}[d]))
    chosen["max_order"] = draw(st.integers(0, 3 if d == 1 else 2))
    T = draw(st.sampled_from([None, 0, "global", *range(1, max(shape) + 1)]))
    if T is not None:
        chosen["T"] = T
    if T == 0:
        chosen["stride"] = draw(st.sampled_from([s for s in (1, 2, 4) if s <= min(shape)]))
    elif T != "global" and draw(st.booleans()):
        chosen["stride"] = 2 ** draw(st.integers(0, int(math.log2(T or 2**J))))
    chosen["oversampling"] = draw(st.sampled_from([0, 0, 1, 2]))
    chosen["padding"] = draw(paddings)
    chosen["rho"] = draw(st.sampled_from(["modulus", "modulus", "rectifier"]))
    if chosen["rho"] == "rectifier":
        chosen["phases"] = draw(st.integers(1, 5))
        chosen["max_order"] = min(chosen["max_order"], 2 if d == 1 else 1)
    chosen["complex_input"] = draw(st.booleans())
    chosen["exact_padding"] = draw(st.booleans())
    return chosen


@st.composite
def operators(draw: st.DrawFn, ndim: int | None = None) -> gs.Scattering:
    """A small translation scattering with any combination of options."""
    return gs.Scattering(**draw(arguments(ndim)))


@dataclass(frozen=True)
class Convolved:
    """Arrays and arguments of :func:`groupscat.convnd`."""

    x: np.ndarray[Any, Any]
    w: np.ndarray[Any, Any]
    options: dict[str, Any]

    def __repr__(self) -> str:
        return f"convnd(x {self.x.dtype} {self.x.shape}, w {self.w.dtype} {self.w.shape}, {self.options})"


@st.composite
def convolutions(draw: st.DrawFn, most: int = 600) -> Convolved:
    """Any convolution of one to five axes of one to six samples, at most about ``most`` in all."""
    sizes: list[int] = []
    taps, paddings, dilations = [], [], []
    for _ in range(draw(st.integers(1, 5))):
        n = draw(st.integers(1, max(1, min(6, most // math.prod(sizes)))))
        padding = draw(st.sampled_from(BOUNDARIES))
        k, dilation = draw(st.integers(1, 3 if len(sizes) > 2 else 4)), draw(st.sampled_from([1, 1, 2, 3]))
        if padding == "none":
            k = min(k, n)
            dilation = min(dilation, (n - 1) // (k - 1)) if k > 1 else dilation
        sizes.append(n)
        taps.append(k)
        paddings.append(padding)
        dilations.append(dilation)
    strides = [draw(st.sampled_from([1, 1, 2, 3])) for _ in sizes]
    groups, depth, outputs = (draw(st.integers(1, 2)) for _ in range(3))
    x = noise_of(draw, (draw(st.integers(0, 2)), groups * depth, *sizes))
    w = noise_of(draw, (groups * outputs, depth, *taps))
    options = {
        "stride": tuple(strides), "dilation": tuple(dilations), "padding": tuple(paddings), "groups": groups,
        "strategy": draw(st.sampled_from([None, *STRATEGIES])),
    }  # fmt: skip
    return Convolved(x, w, options)


def noise_of(draw: st.DrawFn, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """White noise, real or complex."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if draw(st.integers(0, 3)) == 0 else x
