"""Lowering of scale-rotation-translation scattering: filters along θ1 and along j1 before the last modulus.

V_α(u, θ, j1) = U1(·, j1, θ) ⋆ ψ_{j2, θ+α} for all j1 < j2, sampled alike, and U2 = |V ⋆ ψ̃(θ) ψ̃(j1)|; V is
zero where there is no scale. Source: Sifre & Mallat 2013, sections 3 and 4; Mallat 2016, section 7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import ConstantKind
from groupscat.plan.angular import AngularAxis, AngularModulus, Mix, planar
from groupscat.plan.angular_paths import AngularPath, Orbit
from groupscat.plan.constants import Order
from groupscat.plan.ops import Concat, Op, Take
from groupscat.plan.plan import Plan
from groupscat.plan.roto_translation import Angles, Layers, along
from groupscat.plan.translation import LARGEST, Lowering, Node, split
from groupscat.wavelets.angular import ScaleBank, spin
from groupscat.wavelets.morlet import Gabor


@dataclass(frozen=True)
class ScaleAxis:
    """The samples of V(θ, j1), j1 = 0 … scales−1, and those of V ⋆ ψ̃(θ) ψ̃(j1)."""

    angles: AngularAxis
    bank: ScaleBank
    scales: int

    @property
    def inputs(self) -> int:
        return self.scales * self.angles.inputs

    @cached_property
    def samples(self) -> tuple[tuple[int, Gabor, int], ...]:
        """(row of the filters along θ, filter along j1, j) of every sample."""
        return tuple(
            (row, across, j)
            for across in self.bank.filters
            for j in range(self.scales)
            for row, (i, _) in enumerate(self.angles.samples)
            if not self._repeated(self.angles.filters[i], across)
        )

    def _repeated(self, w: Gabor, across: Gabor) -> bool:
        """For V(θ+π) = V̄(θ) an average along θ meets the two signs along j1 half a turn apart."""
        return self.angles.half and spin(w) == 0 and spin(across) < 0

    @cached_property
    def kept(self) -> tuple[tuple[Gabor, Gabor, int], ...]:
        """(filter along θ, filter along j1, j) of what an average over θ leaves."""
        return tuple(dict.fromkeys(self._kept(sample) for sample in self.samples))

    def _kept(self, sample: tuple[int, Gabor, int]) -> tuple[Gabor, Gabor, int]:
        row, across, j = sample
        return self.angles.filters[self.angles.samples[row][0]], across, j

    @cached_property
    def member(self) -> NDArray[np.bool_]:
        """Whether a sample belongs to what is kept, shape (kept, samples)."""
        place = {kept: k for k, kept in enumerate(self.kept)}
        of_sample = np.array([place[self._kept(sample)] for sample in self.samples])
        return np.asarray(of_sample == np.arange(len(place))[:, None])


@dataclass(frozen=True)
class ScaleAngularMatrix:
    """V ↦ V ⋆ ψ̃(θ) ψ̃(j1), shape (groups, 2·samples, 2·inputs); inputs are (j1, θ).

    ``signs``: as for an :class:`~groupscat.plan.angular.AngularMatrix`.
    """

    axis: ScaleAxis
    signs: tuple[tuple[int, ...], ...]
    kind: ClassVar[ConstantKind] = "matrix"

    @property
    def size(self) -> int:
        return len(self.signs) * 4 * len(self.axis.samples) * self.axis.inputs

    def build(self) -> NDArray[np.float64]:
        axis = self.axis
        taps = {across: axis.bank.taps(across, axis.scales) for across in axis.bank.filters}
        weights = np.stack([taps[across][j] for _, across, j in axis.samples])
        rows = [row for row, _, _ in axis.samples]
        re, im = (
            (weights[:, :, None] * part[rows][:, None]).reshape(len(rows), -1)
            for part in axis.angles.coefficients
        )
        return np.stack([planar(re, im * np.tile(signs, axis.scales)) for signs in self.signs])


@dataclass(frozen=True)
class ScaleAngularMean:
    """The mean over θ for each filter and each j, shape (kept, samples)."""

    axis: ScaleAxis
    kind: ClassVar[ConstantKind] = "matrix"

    @property
    def size(self) -> int:
        return len(self.axis.kept) * len(self.axis.samples)

    def build(self) -> NDArray[np.float64]:
        member = self.axis.member.astype(float)
        return np.asarray(member / member.sum(1, keepdims=True))


def scale_rotation_plan(layers: Layers, angles: Angles, bank: ScaleBank) -> Plan:
    """The plan of orders 0 to 2, ordered by the coarser scale."""
    low = layers.lowering()
    first = list(layers.first(low, angles))
    for block in layers.bank.by_scale(2):
        finer = [(node, spectrum) for node, spectrum in first if node.j < block[0].j]
        responses = [layers.second(low, node, spectrum, block) for node, spectrum in finer]
        if not responses:
            continue
        # A conjugate turns the sign along j1, so that half a turn does not repeat an average along θ there.
        axis = ScaleAxis(replace(angles.axis, whole=True), bank, len(responses))
        samples = len(axis.samples) * math.prod(low.sizes(responses[0].log2))
        for part in split(angles.L, samples, LARGEST[low.ndim]):
            low.collect(_order_2(low, responses, range(*part), axis, angles))
    return low.finish(layers.rate, layers.complex_input)


def _order_2(low: Lowering, responses: list[Node], part: range, axis: ScaleAxis, angles: Angles) -> Node:
    """|V ⋆ ψ̃(θ) ψ̃(j1)| for some α, averaged over θ."""
    builder = low.builder
    channels = len(responses[0].paths)
    joined = responses[0].register
    if len(responses) > 1:
        op: Op = Concat(tuple(node.register for node in responses), low.name("V"))
        joined = along(low, op, channels * len(responses), True)
    index = Order(
        tuple(
            j * channels + angles.channel(g, t)
            for g in part
            for j in range(axis.scales)
            for t in range(angles.inputs)
        )
    )
    grouped = along(low, Take((joined, builder.constant(index)), low.name("V")), len(index.positions), True)
    matrix = builder.constant(ScaleAngularMatrix(axis, angles.signs(part)))
    op = AngularModulus((grouped, matrix), low.name("U"), axis.inputs)
    moduli = along(low, op, len(part) * len(axis.samples))
    op = Mix((moduli, builder.constant(ScaleAngularMean(axis))), low.name("M"), len(axis.samples))
    register = along(low, op, len(part) * len(axis.kept))
    pairs: list[Any] = [node.paths[0].wavelets for node in responses]
    orbits = [(Orbit(first), Orbit(second)) for first, second in pairs]
    paths = tuple(
        AngularPath(orbits[j], (0, 0), depth=2, along=w, alpha=alpha, across=across)
        for alpha in part
        for w, across, j in axis.kept
    )
    return Node(register, paths, responses[0].log2, responses[0].j)
