"""Lowering of time-frequency scattering: the time cascade, filtered along log-frequency before its modulus.

For each wavelet ψ_μ of the second order, ||x ⋆ ψ_λ| ⋆ ψ_μ ψ_ℓ(±λ)| ⋆ φ_T φ_F: one response in time for all
rows λ, then real matrices along them. Source: Andén, Lostanlen & Mallat 2019, section III.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from groupscat.plan.along import AlongMatrix, LowModulus, Planar, SpinModulus, Unfold, reached
from groupscat.plan.geometry import AxisGeometry, Padding
from groupscat.plan.joint_paths import JointPath
from groupscat.plan.plan import Plan
from groupscat.plan.rho import Linear, Modulus
from groupscat.plan.translation import LARGEST, Lowering, Node, Output, bandpass, sampling, split
from groupscat.space import Axis, Space
from groupscat.wavelets.bank import Bank
from groupscat.wavelets.frequential import FrequentialBank
from groupscat.wavelets.morlet import Gabor, Morlet


@dataclass(frozen=True)
class RowAxis:
    """Log-frequency as an axis: ``count`` rows, the first-order wavelets, in a period of ``period``.

    Parameters
    ----------
    mode : how coefficients are averaged over rows: locally, over the whole period, or not at all.
    stride : rows between outputs; None where each filter keeps its own sampling.
    keep : the rows of the output: all of the period, the ``count`` first ones, or those of the path itself
        (a wavelet ψ_μ sees only the rows λ of a finer scale).
    """

    count: int
    period: int
    mode: Literal["local", "mean", "none"]
    stride: int | None
    keep: Literal["period", "all", "own"]

    def outputs(self, rows: int, step: int) -> tuple[int, ...]:
        """The output rows of a path that sees the first ``rows``, filtered to every ``step``-th."""
        if self.mode == "mean":
            return (0,)
        last = {"period": self.period, "all": self.count, "own": rows}[self.keep]
        return tuple(range(0, last, self.stride or step))

    def step(self, psi: Gabor) -> int:
        """Rows between the samples of a response to ψ."""
        own: int = 2**psi.j
        return own if self.stride is None else min(own, self.stride)


@dataclass
class TimeFrequency:
    """What the orders have in common; ``spread``: a coefficient is a (row, time) array, not one row of it."""

    low: Lowering
    bank: FrequentialBank
    rows: RowAxis
    spread: bool
    first: list[Morlet] = field(default_factory=list)

    def filtered(self, parts: list[Node], psi2: Morlet | None, over_time: bool) -> None:
        """Coefficients of the modulus of all filters along the rows that ``parts`` are, in order.

        ``over_time``: the modulus has not been averaged in time yet.
        """
        first, *_ = parts
        registers = self.low.builder.registers
        space = registers[first.register].space
        rows = sum(len(part.paths) for part in parts)
        is_complex = registers[first.register].is_complex
        x = self.low.builder.emit(
            Planar(tuple(part.register for part in parts), self.low.name("Y")),
            Space(
                (Axis("part", 2 if is_complex else 1, kind="fiber"), Axis("lambda", rows), *space.axes[1:])
            ),
        )
        spins = (1, -1) if is_complex else (1,)
        for filters in ((self.bank.low,), *zip(self.bank.up, self.bank.down, strict=True)):
            self._filter(
                x, rows, space.axes[1:], filters[: len(spins)], psi2, first.log2 if over_time else None
            )

    def _filter(
        self,
        x: str,
        rows: int,
        time: tuple[Axis, ...],
        filters: tuple[Gabor, ...],
        psi2: Morlet | None,
        log2: tuple[int, ...] | None,
    ) -> None:
        low, axis, psi = self.low, self.rows, filters[0]
        step = axis.step(psi)
        outputs = axis.outputs(rows, step)
        # What a low-pass as wide as φ_F has averaged is not averaged again.
        wide = psi is self.bank.low and self.bank.phi.sigma[0] >= psi.sigma[0]
        averages = axis.mode == "mean" or (axis.mode == "local" and not wide)
        inputs = reached(psi, rows, axis.period, step) if averages else outputs
        planar = psi is not self.bank.low
        matrix = AlongMatrix(psi, axis.period, tuple(range(rows)), inputs, planar=planar)
        srcs = [x, low.builder.constant(matrix)]
        if averages:
            phi = self.bank.phi if axis.mode == "local" else None
            srcs.append(low.builder.constant(AlongMatrix(phi, axis.period, inputs, outputs, gain=step)))
        name = low.name("U")
        spins = (1, -1)[: len(filters)]
        op = SpinModulus(tuple(srcs), name, spins) if planar else LowModulus(tuple(srcs), name)
        channels = len(filters) * len(outputs)
        register = low.builder.emit(op, Space((Axis("path", channels, kind="fiber"), *time)))
        paths = tuple(self._path(n, psi2, f, rows) for f in filters for n in outputs)
        if log2 is not None:
            register = low.average(Node(register, paths, log2, 0))
        if self.spread:
            register = self._unfold(register, len(outputs))
            paths = paths[:: len(outputs)]
        low.outputs.append((register, paths))

    def _path(self, n: int, psi2: Morlet | None, frequential: Gabor, rows: int) -> JointPath:
        second = () if psi2 is None else (psi2,)
        wavelets = second if self.spread else (self.first[n], *second)
        seen = tuple(self.first[:rows]) if self.spread else ()
        return JointPath(wavelets, (0,) * len(wavelets), depth=1 + len(second), along=frequential, seen=seen)

    def _unfold(self, register: str, rows: int) -> str:
        path, *time = self.low.builder.registers[register].space.axes
        axes = (Axis("path", path.size // rows, kind="fiber"), Axis("lambda", rows), *time)
        return self.low.builder.emit(Unfold((register,), self.low.name("S"), rows), Space(axes))


def time_frequency_plan(
    bank: Bank,
    frequential: FrequentialBank,
    axis: AxisGeometry,
    rows: RowAxis,
    *,
    padding: Padding,
    output: Output,
    smooth: Output,
    spread: bool,
    order_0: bool,
    separable: bool = False,
    oversampling: int = 0,
    rate: float | None = None,
) -> Plan:
    """The plan of a time-frequency scattering transform, orders 0 to 2.

    Parameters
    ----------
    bank, frequential : wavelets in time and along the rows. axis, rows : the two axes.
    output, smooth : averages in time of the coefficients, and of the first order before it is filtered along
        rows (there has to be one even where coefficients are not averaged).
    spread : a coefficient is an array (rows, time); else each of its rows is a coefficient.
    order_0 : whether there is an order 0.
    separable : scattering in time, then along rows: |(||x ⋆ ψ_λ| ⋆ ψ_μ| ⋆ φ_T) ⋆ ψ_ℓ(λ)| ⋆ φ_F.
    oversampling, rate : as in :func:`groupscat.plan.translation.translation_plan`.
    """
    low = Lowering((axis,), bank.phi, bank.alias, smooth)
    joint = TimeFrequency(low, frequential, rows, spread)
    cap = output.log2_cap
    x = low.pad_input(padding, False)
    x = Node(x.register, (JointPath(),), x.log2, x.j)
    spectrum = low.spectrum(x)
    averaged: list[Node] = []
    responses: dict[Morlet, list[Node]] = {psi: [] for psi in bank.wavelets(2)}
    blocks = bank.by_scale(1)
    for k, block in enumerate(blocks):
        joint.first.extend(block)
        log2 = sampling(low, x, block[0].j - oversampling, cap)
        for part in split(len(block), math.prod(low.sizes(log2)), LARGEST[1]):
            u = bandpass(low, spectrum, x, block, part, Modulus(), log2)
            averaged.append(Node(low.average(u), u.paths, u.log2, u.j))
            coarser = [psi for psi in responses if psi.j > u.j]
            u_hat = low.spectrum(u) if coarser else ""
            for psi in coarser:
                fine = sampling(low, u, psi.j - oversampling, cap)
                rho = Modulus() if separable else Linear()
                responses[psi].append(bandpass(low, u_hat, u, (psi,), (0, 1), rho, fine))
        following = blocks[k + 1][0].j if k + 1 < len(blocks) else math.inf
        low.output = output
        for psi in [psi for psi in responses if psi.j <= following]:
            parts = responses.pop(psi)
            if parts and separable:
                means = [Node(low.average(part), part.paths, part.log2, part.j) for part in parts]
                joint.filtered(means, psi, over_time=False)
            elif parts:
                joint.filtered(parts, psi, over_time=True)
        low.output = smooth
    joint.filtered(averaged, None, over_time=False)
    if order_0:
        low.output = output
        low.collect(x)
    return low.finish(rate)
