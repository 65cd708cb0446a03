"""Tiny transforms computed straight from their definition, by the oracle of the test suite.

The oracle sums over samples, without a fast transform and without code of the library. Added here: the
fast filter bank against one convolution per path with the filters that it is equivalent to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.signal
from numpy.typing import NDArray

import groupscat as gs
from groupscat.scattering import Operator
from tests import oracle

Real = NDArray[np.float64]
Case = tuple[Operator, Real, Real]


@dataclass(frozen=True)
class Definition:
    """A name, and a function that gives an operator, an input and the coefficients it must give."""

    name: str
    case: Callable[[], Case]
    #: Largest error in float64. Even sides of solid harmonics deviate: the Nyquist bins of filters that have
    #: decayed to 1e-6 there are taken to be symmetric (groupscat.plan.harmonic.NYQUIST).
    exact: float = 1e-12


def _translation(S: gs.Scattering) -> Case:
    x = _noise(S.shape)
    return S, x, np.stack(list(oracle.translation(S, x).values()))


def _taps(S: gs.Scattering) -> Case:
    x = _noise(S.shape)
    return S, x, np.stack(list(oracle.cascade(S, x).values()))


def _equivalent(S: gs.Scattering) -> Case:
    x = _noise(S.shape)
    return S, x, cascade_by_equivalent_filters(S, x)


def _harmonic(shape: tuple[int, int, int]) -> Case:
    S = gs.HarmonicScattering3D(1, shape, L=3, order_0=True)
    x = _noise(shape) ** 2
    return S, x, np.stack([value for _, value in oracle.harmonic(S, x)])


def _noise(shape: tuple[int, ...]) -> Real:
    return np.random.default_rng(0).standard_normal(shape)


# ------------------------------------------------------------------- equivalent filters of the cascade


def cascade_by_equivalent_filters(S: gs.Scattering, x: Real) -> Real:
    """φ_j = w_0 ⋆ φ_{j−1} and ψ_{j,k} = w_k ⋆ φ_{j−1} as one filter each, convolved directly; periodic x.

    Source: Mallat 2016, eq. 18.
    """
    low, band, J = S.cascade.low, S.cascade.band, S.J
    found: dict[tuple[int, ...], Real] = {}

    def visit(u: Real, level: int, path: tuple[int, ...]) -> None:
        found[path] = _convolve(u, _cascaded(low, low, J - level), 2 ** (J - level)).real
        if len(path) == S.max_order:
            return
        for layers in range(1, J - level + 1):
            for k, w in enumerate(band):
                z = _convolve(u, _cascaded(low, w, layers), 2**layers)
                visit(np.abs(z), level + layers, (*path, (level + layers - 1) * len(band) + k))

    visit(x, 0, ())
    return np.stack([found[key] for key in sorted(found, key=lambda key: (len(key), key))])


def _cascaded(low: Real, last: NDArray[Any], layers: int) -> NDArray[Any]:
    """w_0 of all layers but the last and then ``last``, as one filter; layer i is spread by 2^{i−1}."""
    total: NDArray[Any] = np.ones((1,) * low.ndim)
    for i in range(layers):
        w = last if i == layers - 1 else low
        spread = np.zeros([(n - 1) * 2**i + 1 for n in w.shape], w.dtype)
        spread[(slice(None, None, 2**i),) * w.ndim] = w
        total = scipy.signal.convolve(total, spread, method="direct")
    return total


def _convolve(x: Real, h: NDArray[Any], stride: int) -> NDArray[np.complex128]:
    """Σ_t h(t) x(stride·u − t) on a periodic grid, h centred and of odd sizes."""
    y = np.zeros([math.ceil(n / stride) for n in x.shape], complex)
    for tap in np.ndindex(*h.shape):
        shift = [t - n // 2 for t, n in zip(tap, h.shape, strict=True)]
        y += h[tap] * np.roll(x, shift, tuple(range(x.ndim)))[(slice(None, None, stride),) * x.ndim]
    return y


DEFINITIONS = (
    Definition(
        "1-D definition, 40, J=3, Q=2, order 3",
        lambda: _translation(gs.Scattering1D(3, 40, Q=2, max_order=3, exact_padding=True)),
    ),
    Definition("2-D definition, 9×12, J=2, L=3", lambda: _translation(gs.Scattering2D(2, (9, 12), L=3))),
    Definition(
        "3-D definition, 8×4×12, circular, J=2, L=3",
        lambda: _translation(gs.Scattering3D(2, (8, 4, 12), L=3, padding="circular")),
    ),
    Definition("3-D harmonic definition, 7³, J=1, L=3", lambda: _harmonic((7, 7, 7))),
    Definition("3-D harmonic definition, 6×8×7, J=1, L=3", lambda: _harmonic((6, 8, 7)), exact=1e-10),
    Definition(
        "1-D cascade tap by tap, 40, J=3, Q=2",
        lambda: _taps(gs.Scattering1D(3, 40, Q=2, method="cascade")),
    ),
    Definition(
        "1-D cascade, equivalent filters, 32, J=3, Q=2",
        lambda: _equivalent(gs.Scattering1D(3, 32, Q=2, method="cascade", padding="circular")),
    ),
    Definition(
        "2-D cascade, equivalent filters, 16×8, J=2, L=4",
        lambda: _equivalent(gs.Scattering2D(2, (16, 8), L=4, method="cascade", padding="circular")),
    ),
)
