"""Lowering of roto-translation scattering: translation scattering, filtered along θ before its last modulus.

joint      V_α(u, θ) = U1(·, j1, θ) ⋆ ψ_{j2, θ+α}: a convolution on SE(2), orientations are relative
separable  V_θ2(u, θ) = U1(·, j1, θ) ⋆ ψ_{j2, θ2}: one on R² × C

and U2 = |V ⋆ ψ̃_k| along θ. The responses V are those of translation scattering, grouped by a permutation.
Source: Sifre & Mallat 2013, section 3; Oyallon & Mallat 2015, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from groupscat.plan.angular import AngularAxis, AngularMatrix, AngularMean, AngularModulus, MeanRow, Mix
from groupscat.plan.angular_paths import AngularPath, Orbit
from groupscat.plan.constants import Order
from groupscat.plan.geometry import AxisGeometry, Padding
from groupscat.plan.ops import Op, Take
from groupscat.plan.plan import Plan
from groupscat.plan.rho import Linear, Modulus
from groupscat.plan.translation import LARGEST, Lowering, Node, Output, bandpass, sampling, split
from groupscat.space import Axis, Space
from groupscat.wavelets.angular import AngularBank
from groupscat.wavelets.bank import Bank
from groupscat.wavelets.morlet import Morlet

Group = Literal["joint", "separable"]


@dataclass(frozen=True)
class Angles:
    """What is done along θ.

    Parameters
    ----------
    bank : the angular filters, on the circle of 2L ("joint") or of the orientations of order 1.
    L : orientations in half a turn. inputs : orientations of order 1, L for real signals, else 2L.
    average : the mean over θ; else coefficients keep their samples.
    oversampling : log2 of how much more finely than needed θ is sampled.
    """

    bank: AngularBank
    group: Group
    L: int
    inputs: int
    average: bool
    oversampling: int = 0

    @property
    def axis(self) -> AngularAxis:
        """θ at order 2."""
        spins = (1, 0) if self.inputs < self.bank.circle else (1, -1, 0)
        return AngularAxis(self.bank, self.inputs, spins, self._cap, self.oversampling)

    @property
    def axis_of_averages(self) -> AngularAxis:
        """θ of U1 ⋆ φ_J: it is real, so one sign is enough, and its mean is order 1."""
        return AngularAxis(self.bank, self.inputs, (1,), self._cap, self.oversampling)

    @property
    def _cap(self) -> int:
        """log2 of the coarsest step: quarter turns are whole numbers of steps."""
        return 0 if self.L % 2 else ((self.L // 2) & -(self.L // 2)).bit_length() - 1

    def channel(self, group: int, t: int) -> int:
        """Where the response to (θ1, θ2) is that V of a group has at θ = t."""
        return t * self.L + ((t + group) % self.L if self.group == "joint" else group)

    def signs(self, part: range) -> tuple[tuple[int, ...], ...]:
        """Which of them are conjugates: orientations past half a turn."""
        if self.group == "separable":
            return ()
        return tuple(tuple(1 - 2 * ((t + g) // self.L % 2) for t in range(self.inputs)) for g in part)


@dataclass(frozen=True)
class Layers:
    """The layers in space that a transform along other axes starts from.

    Parameters
    ----------
    bank, axes, padding, output, oversampling, complex_input, rate : as for a translation plan.
    max_order : 0, 1 or 2.
    """

    bank: Bank
    axes: tuple[AxisGeometry, ...]
    padding: Padding
    output: Output
    max_order: int
    oversampling: int = 0
    complex_input: bool = False
    rate: float | None = None

    def lowering(self) -> Lowering:
        return Lowering(self.axes, self.bank.phi, self.bank.alias, self.output)

    def coarser(self, node: Node) -> list[tuple[Morlet, ...]]:
        """The wavelets of order 2 after those of a node, by scale."""
        return [b for b in self.bank.by_scale(2) if b[0].j > node.j] if self.max_order > 1 else []

    def first(self, low: Lowering, angles: Angles) -> Iterator[tuple[Node, str]]:
        """Orders 0 and 1 are put out; per scale U1 and its spectrum, where there is an order 2 to it."""
        root = replace(low.pad_input(self.padding, self.complex_input), paths=(AngularPath(),))
        low.collect(root, self.complex_input)
        if self.max_order == 0:
            return
        spectrum = low.spectrum(root)
        for block in self.bank.by_scale(1):
            log2 = self.sampling(low, root, block)
            node = bandpass(low, spectrum, root, block, (0, len(block)), Modulus(), log2)
            _order_1(low, node, block, angles, along_theta=self.max_order > 1)
            if self.coarser(node):
                yield node, low.spectrum(node)

    def second(self, low: Lowering, node: Node, spectrum: str, block: tuple[Morlet, ...]) -> Node:
        """The complex responses of U1 to all wavelets of one scale, channels (θ1, θ2)."""
        log2 = self.sampling(low, node, block)
        return bandpass(low, spectrum, node, block, (0, len(block)), Linear(), log2)

    def sampling(self, low: Lowering, node: Node, block: tuple[Morlet, ...]) -> tuple[int, ...]:
        return sampling(low, node, block[0].j - self.oversampling, self.output.log2_cap)


def roto_translation_plan(layers: Layers, angles: Angles) -> Plan:
    """The plan of orders 0 to 2, depth first."""
    low = layers.lowering()
    for node, spectrum in layers.first(low, angles):
        for block in layers.coarser(node):
            responses = layers.second(low, node, spectrum, block)
            samples = len(angles.axis.samples) * math.prod(low.sizes(responses.log2))
            for part in split(angles.L, samples, LARGEST[low.ndim]):
                low.collect(_order_2(low, responses, block, range(*part), angles))
    return low.finish(layers.rate, layers.complex_input)


def along(low: Lowering, op: Op, channels: int, is_complex: bool = False) -> str:
    """Append an operation on channels alone: its result lives on the grid of its source."""
    grid = low.builder.registers[op.srcs[0]].space.axes[1:]
    return low.builder.emit(op, Space((Axis("path", channels, kind="fiber"), *grid)), is_complex)


def _order_1(low: Lowering, node: Node, block: tuple[Morlet, ...], angles: Angles, along_theta: bool) -> None:
    """U1 averaged over space; over θ too where that is asked for.

    ``along_theta``: also |U1 ⋆ φ_J ⋆ ψ̃_k|, averaged: of order 2, what the average of order 1 over θ loses.
    """
    if not angles.average:
        low.collect(replace(node, paths=tuple(AngularPath(p.wavelets, (0,), depth=1) for p in node.paths)))
        return
    builder, orbit = low.builder, Orbit(block[0])
    average = low.average(node)
    op: Op = Mix((average, builder.constant(MeanRow(angles.inputs))), low.name("S"), angles.inputs)
    low.outputs.append((along(low, op, 1), (AngularPath((orbit,), (0,), depth=1),)))
    if not along_theta or low.output.mode == "none":
        return
    axis = angles.axis_of_averages
    matrix = builder.constant(AngularMatrix(axis, real=True))
    op = AngularModulus((average, matrix), low.name("U"), angles.inputs)
    moduli = along(low, op, len(axis.samples))
    op = Mix((moduli, builder.constant(AngularMean(axis))), low.name("S"), len(axis.samples))
    paths = tuple(AngularPath((orbit,), (0,), depth=2, along=w) for w in axis.filters)
    low.outputs.append((along(low, op, len(paths)), paths))


def _order_2(low: Lowering, responses: Node, block: tuple[Morlet, ...], part: range, angles: Angles) -> Node:
    """|V ⋆ ψ̃| for some of the groups (α, or θ2), averaged over θ where that is asked for."""
    axis, builder = angles.axis, low.builder
    index = Order(tuple(angles.channel(g, t) for g in part for t in range(angles.inputs)))
    op: Op = Take((responses.register, builder.constant(index)), low.name("V"))
    grouped = along(low, op, len(index.positions), True)
    matrix = builder.constant(AngularMatrix(axis, angles.signs(part)))
    op = AngularModulus((grouped, matrix), low.name("U"), angles.inputs)
    register = along(low, op, len(part) * len(axis.samples))
    if angles.average:
        op = Mix((register, builder.constant(AngularMean(axis))), low.name("M"), len(axis.samples))
        register = along(low, op, len(part) * len(axis.filters))
    first: Any = tuple(path.wavelets[0] for path in responses.paths[:: angles.L])
    paths = tuple(path for g in part for path in _paths(first, block, g, angles))
    return Node(register, paths, responses.log2, responses.j)


def _paths(
    first: tuple[Morlet, ...], second: tuple[Morlet, ...], group: int, angles: Angles
) -> Iterator[AngularPath]:
    """The paths of one group, in the order of its channels."""
    axis = angles.axis
    alpha = group if angles.group == "joint" else None
    if angles.average:
        pair = (Orbit(first[0]), Orbit(second[0]))
        for w in axis.filters:
            yield AngularPath(pair, (0, 0), depth=2, along=w, alpha=alpha)
        return
    for i, t in axis.samples:
        theta = group if alpha is None else (t + alpha) % angles.bank.circle
        turned = (_turned(first, t), _turned(second, theta))
        yield AngularPath(turned, (0, 0), depth=2, along=axis.filters[i], alpha=alpha, at=t)


def _turned(block: tuple[Morlet, ...], theta: int) -> Morlet:
    """The wavelet of one scale at any orientation of the circle; half a turn on is its conjugate."""
    psi = block[theta % len(block)]
    sign = 1 - 2 * (theta // len(block) % 2)
    return replace(psi, xi=tuple(sign * v for v in psi.xi), theta=theta)
