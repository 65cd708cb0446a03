"""Lowering of the fast filter bank: a convolutional network with fixed filters, stride 2 per layer.

Every layer applies w_0 and w_1 … w_K to the averages a_m of all orders m: w_0 goes on averaging order m,
ρ(w_k) opens order m+1. Source: Mallat 2016, eq. 12 and 16-18.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import Array, Backend, ConstantKind
from groupscat.errors import ArgumentError
from groupscat.plan.geometry import AxisGeometry, Padding
from groupscat.plan.ops import Concat, Op
from groupscat.plan.paths import Path
from groupscat.plan.plan import Plan
from groupscat.plan.rho import Rho
from groupscat.plan.translation import Lowering, Node, Output
from groupscat.space import Axis, Space, signal_axes
from groupscat.wavelets.cascade import CascadeBank
from groupscat.wavelets.morlet import Gabor


@dataclass(frozen=True)
class CascadeKernels:
    """Taps of w_0, Re w_k, Im w_k, flipped: shape (1+2K, taps, …). The backend correlates."""

    bank: CascadeBank
    with_band: bool
    kind: ClassVar[ConstantKind] = "matrix"

    @property
    def size(self) -> int:
        return (1 + 2 * self.bank.voices) * self.bank.band[0].size if self.with_band else self.bank.low.size

    def build(self) -> NDArray[np.float64]:
        bank = self.bank
        if not self.with_band:
            return bank.low[None]  # symmetric: no need to flip
        border = [((n - m) // 2,) * 2 for n, m in zip(bank.band.shape[1:], bank.low.shape, strict=True)]
        kernels = np.concatenate([np.pad(bank.low, border)[None], bank.band.real, bank.band.imag])
        return np.ascontiguousarray(np.flip(kernels, axis=tuple(range(1, kernels.ndim))))


@dataclass(frozen=True)
class FilterBank(Op):
    """All filters of one layer (srcs[1]) on every channel, subsampled by 2: (B, C, filters, …)."""

    def __call__(self, xp: Backend, *args: Array) -> Array:
        if xp.is_complex(args[0]):
            raise ArgumentError('method="cascade" filters real arrays, but rho returned a complex one.')
        x, kernels = args
        return xp.filterbank(x, kernels, stride=2)


@dataclass(frozen=True)
class LowChannel(Op):
    """The response to w_0."""

    def __call__(self, xp: Backend, *args: Array) -> Array:
        return args[0][:, :, 0, ...]


@dataclass(frozen=True)
class BandChannels(Op):
    """ρ of the responses to w_1 … w_K, as channels."""

    voices: int
    rho: Rho

    def __call__(self, xp: Backend, *args: Array) -> Array:
        y = args[0]
        z = xp.complex(y[:, :, 1 : 1 + self.voices, ...], y[:, :, 1 + self.voices :, ...])
        channels, voices, *sizes = xp.shape(z)[1:]
        return self.rho(xp, xp.reshape(z, (-1, channels * voices, *sizes)))


def cascade_plan(
    bank: CascadeBank,
    axes: tuple[AxisGeometry, ...],
    *,
    J: int,
    padding: Padding,
    max_order: int,
    rho: Rho,
    output: Output,
    rate: float | None = None,
) -> Plan:
    """The plan of J layers of small filters; the last averages are the scattering coefficients."""
    no_phi = Gabor(xi=(0.0,) * bank.ndim, sigma=(1.0,) * bank.ndim)
    low = Lowering(axes, no_phi, "fold", output)
    averages: list[Node] = [low.pad_input(padding, False)]
    if output.mode == "none":
        low.collect(averages[0])
    for level in range(1, J + 1):
        opened: list[list[Node]] = [[] for _ in range(max_order + 1)]
        for order, node in enumerate(averages):
            smooth, band = _layer(low, bank, node, level, rho if order < max_order else None)
            opened[order].insert(0, smooth)
            if band is not None:
                opened[order + 1].append(band)
                if output.mode == "none":
                    low.collect(band, rho.is_complex)
        averages = [_join(low, nodes) for nodes in opened if nodes]
    if output.mode != "none":
        for node in averages:
            _collect(low, node, rho.is_complex)
    return low.finish(rate, rho.is_complex)


def _layer(
    low: Lowering, bank: CascadeBank, node: Node, level: int, rho: Rho | None
) -> tuple[Node, Node | None]:
    log2 = (level,) * bank.ndim
    kernels = low.builder.constant(CascadeKernels(bank, with_band=rho is not None))
    filters = 1 + 2 * bank.voices if rho is not None else 1
    axes = (
        Axis("path", len(node.paths), kind="fiber"),
        Axis("filter", filters, kind="fiber"),
        *signal_axes(low.sizes(log2), (2**level,) * bank.ndim),
    )
    both = low.builder.emit(FilterBank((node.register, kernels), low.name("W")), Space(axes))
    smooth = low.emit(LowChannel((both,), low.name("A")), len(node.paths), log2)
    if rho is None:
        return Node(smooth, node.paths, log2, level), None
    wavelets = bank.at_scale(level - 1)
    paths = tuple(p.extended(w, k) for p in node.paths for w in wavelets for k in range(rho.phases))
    op = BandChannels((both,), low.name("U"), bank.voices, rho)
    band = low.emit(op, len(paths), log2, rho.is_complex)
    return Node(smooth, node.paths, log2, level), Node(band, paths, log2, level)


def _join(low: Lowering, nodes: list[Node]) -> Node:
    if len(nodes) == 1:
        return nodes[0]
    paths: tuple[Path, ...] = tuple(path for node in nodes for path in node.paths)
    op = Concat(tuple(node.register for node in nodes), low.name("A"))
    return Node(low.emit(op, len(paths), nodes[0].log2), paths, nodes[0].log2, nodes[0].j)


def _collect(low: Lowering, node: Node, is_complex: bool) -> None:
    """The cascade has averaged already: only trim (local), or take the mean (global)."""
    mode = low.output.mode
    if mode == "local":
        low.output = Output("none", low.output.stride)
    low.collect(node, is_complex)
    low.output = Output(mode, low.output.stride)
