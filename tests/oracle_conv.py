"""The definition oracle of convolutions: direct sums over samples, taps and elements of the group.

No transform, no table and no code of the library but a group's own ``mul``, ``inv``, ``act`` and ``index``.
The functions of a basis are those that tests/test_steering.py writes down by loops.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from groupscat.groups import Group
from groupscat.wavelets import Basis, steering_taps
from tests.test_steering import naive_values

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Line:
    """One axis: n samples, k taps, what an output reads."""

    n: int
    k: int
    stride: int = 1
    dilation: int = 1
    padding: str = "zero"

    @property
    def reach(self) -> int:
        """From the first to the last tap."""
        return self.dilation * (self.k - 1)

    @property
    def outputs(self) -> int:
        last = self.n - self.reach if self.padding == "none" else self.n
        return len(range(0, last, self.stride))

    @property
    def before(self) -> int:
        """Samples added before the first; where their number is odd, one more is added after the last."""
        if self.padding == "none":
            return 0
        missing = self.stride * (self.outputs - 1) + self.reach + 1 - self.n
        return max(missing, 0) // 2

    def sample(self, t: int) -> int | None:
        """Where the axis continued to every integer t takes its value from; None for zero."""
        while not 0 <= t < self.n:
            if self.padding == "zero":
                return None
            if self.padding == "circular":
                t += self.n if t < 0 else -self.n
            elif self.padding == "edge":
                t += 1 if t < 0 else -1
            else:
                assert self.padding == "reflect"
                t = 0 if self.n == 1 else -t if t < 0 else 2 * (self.n - 1) - t
        return t

    def reads(self, u: int) -> list[int | None]:
        """The samples of the taps of output u."""
        return [self.sample(self.stride * u + self.dilation * t - self.before) for t in range(self.k)]


def lines(
    sizes: Sequence[int], taps: Sequence[int], stride: Any = 1, dilation: Any = 1, padding: Any = "zero"
) -> list[Line]:
    def each(value: Any) -> Any:
        return value if isinstance(value, tuple) else (value,) * len(sizes)

    rows = zip(sizes, taps, each(stride), each(dilation), each(padding), strict=True)
    return [Line(*row) for row in rows]


def correlate(x: Array, w: Array, axes: Sequence[Line], groups: int = 1) -> Array:
    """y_o(u) = Σ_c Σ_k x_c(stride·u + dilation·k − before) w_{o,c}(k), output by output."""
    d = len(axes)
    # One zero after the samples of every axis: what place −1 reads.
    x = np.pad(x, [(0, 0)] * 2 + [(0, 1)] * d)
    outputs, depth = w.shape[:2]
    y = np.zeros((len(x), outputs, *(axis.outputs for axis in axes)), np.result_type(x, w))
    for u in itertools.product(*(range(axis.outputs) for axis in axes)):
        places = [[-1 if t is None else t for t in axis.reads(j)] for axis, j in zip(axes, u, strict=True)]
        seen = x[(slice(None), slice(None), *np.ix_(*places))]
        for o in range(outputs):
            first = o // (outputs // groups) * depth
            y[(slice(None), o, *u)] = np.tensordot(seen[:, first : first + depth], w[o], d + 1)
    return y


def convnd(
    x: Array, w: Array, stride: Any = 1, dilation: Any = 1, padding: Any = "zero", groups: int = 1
) -> Array:
    return correlate(x, w, lines(x.shape[2:], w.shape[2:], stride, dilation, padding), groups)


def moved_filters(group: Group, basis: Basis) -> list[Array]:
    """ψ_b(A_h⁻¹ x) / |det A_h| at the taps x of the moved filters, shape (*taps, size), for every h."""
    H = group.point_group
    taps = steering_taps(group, basis)
    filters = []
    for h in H.elements():
        back, volume = H.act(H.inv(h)), abs(np.linalg.det(H.act(h)))
        values = np.zeros((*taps, basis.size))
        for tap in itertools.product(*map(range, taps)):
            point = back @ [t - (k - 1) / 2 for t, k in zip(tap, taps, strict=True)]
            values[tap] = naive_values(basis, point.tolist())
        filters.append(values / volume)
    return filters


def lift(x: Array, w: Array, group: Group, basis: Basis, groups: int = 1, **axes: Any) -> Array:
    """y_o(u, h) = Σ_c Σ_{u'} x_c(u') w_{o,c}(A_h⁻¹(u' − u)) / |det A_h|."""
    w = w.reshape(*w.shape[:2], basis.size)
    along = lines(x.shape[2:], steering_taps(group, basis), **axes)
    return np.stack([correlate(x, _sum(w, psi), along, groups) for psi in moved_filters(group, basis)], 2)


def group_conv(x: Array, w: Array, group: Group, basis: Basis, groups: int = 1, **axes: Any) -> Array:
    """y_o(u, h) = Σ_c Σ_{u', h'} x_c(u', h') w_{o,c}(A_h⁻¹(u' − u), h⁻¹h') / |det A_h|."""
    H = group.point_group
    w = w.reshape(*w.shape[:3], basis.size)
    along = lines(x.shape[3:], steering_taps(group, basis), **axes)
    results = []
    for h, psi in zip(H.elements(), moved_filters(group, basis), strict=True):
        y = np.zeros((len(x), len(w), *(axis.outputs for axis in along)), np.result_type(x, w))
        for k, other in enumerate(H.elements()):
            relative = int(H.index(H.mul(H.inv(h), other)))
            if relative >= 0:  # else outside of a truncated group
                y += correlate(x[:, :, k], _sum(w[:, :, relative], psi), along, groups)
        results.append(y)
    return np.stack(results, 2)


def _sum(w: Array, psi: Array) -> Array:
    """Σ_b w_{o,c,b} ψ_b(x), shape (O, C, *taps)."""
    return np.tensordot(w, psi, ([-1], [-1]))
