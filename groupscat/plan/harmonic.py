"""Lowering of solid harmonic scattering: per degree l a cascade over scales, then integrals of powers.

U_1 = (Σ_m |x ⋆ ψ_{l,m,j1}|²)^{1/2}, U_2 = (Σ_m |U_1 ⋆ ψ_{l,m,j2}|²)^{1/2} with j2 > j1, S = ∫ U^q.
Source: Eickenberg et al. 2017, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from groupscat.backend.base import Array, Backend, ConstantKind
from groupscat.plan.geometry import AxisGeometry
from groupscat.plan.ops import Op, Power
from groupscat.plan.plan import Plan
from groupscat.plan.translation import Lowering, Node, Output
from groupscat.wavelets.bank import fft_frequencies
from groupscat.wavelets.harmonic import SolidHarmonic
from groupscat.wavelets.morlet import Gabor

#: The response to a harmonic is real but for the Nyquist bins of even sides, which have no mirror image.
#: Where less than this fraction of the filter is left there, real transforms do the work, twice as fast.
NYQUIST = 1e-6


@dataclass(frozen=True)
class HarmonicBlock:
    """Spectra of one :class:`SolidHarmonic`, on the full grid or on its non-negative half."""

    filter: SolidHarmonic
    sizes: tuple[int, ...]
    half: bool
    kind: ClassVar[ConstantKind] = "filter"

    @property
    def size(self) -> int:
        first, second, last = self.sizes
        return self.filter.count * first * second * (last // 2 + 1 if self.half else last)

    def build(self) -> NDArray[np.float64]:
        freqs = fft_frequencies(self.sizes)
        if self.half:
            freqs[-1] = np.abs(freqs[-1][: self.sizes[-1] // 2 + 1])
        return self.filter.hat(freqs)


@dataclass(frozen=True)
class HarmonicModulus(Op):
    """The modulus over all m of one degree, from the spectrum of x (srcs[0])."""

    odd: bool
    size: int | None
    paired: bool

    def __call__(self, xp: Backend, *args: Array) -> Array:
        spectrum, filters = args
        return xp.harmonic_modulus(spectrum, filters, self.odd, self.size, self.paired)


@dataclass(frozen=True)
class SignedPower(Op):
    """Order 0: x^q for an integer q, |x|^q otherwise (the same for the densities this is meant for)."""

    q: float

    def __call__(self, xp: Backend, *args: Array) -> Array:
        x = args[0]
        if self.q == int(self.q) and self.q >= 1:
            power = x
            for _ in range(int(self.q) - 1):
                power = power * x
            return power
        return xp.power(xp.modulus(x), self.q)


def harmonic_plan(
    axes: tuple[AxisGeometry, ...],
    phi: Gabor,
    *,
    J: int,
    L: int,
    sigma_0: float,
    max_order: int,
    rotation_covariant: bool,
    powers: tuple[float, ...],
    order_0: bool,
    output: Output,
) -> Plan:
    """The plan of solid harmonic scattering on a periodic volume."""
    low = Lowering(axes, phi, "crop", output)
    full = (0, 0, 0)
    sizes = low.sizes(full)

    def collect(node: Node) -> None:
        (path,) = node.paths
        for q in powers:
            register = node.register
            if q != 1:
                power = SignedPower if path.order == 0 else Power
                register = low.emit(power((register,), low.name("P"), q), 1, full)
            low.collect(Node(register, (replace(path, power=q),), full, node.j))

    def bank(l: int, above: int) -> list[SolidHarmonic]:
        return [
            SolidHarmonic(j, l, sigma_0 * 2**j, single=not rotation_covariant)
            for j in range(above + 1, J + 1)
        ]

    def is_half(psi: SolidHarmonic) -> bool:
        return all(n % 2 for n in sizes) or psi.at_nyquist() < NYQUIST

    def expand(node: Node, l: int, spectra: dict[bool, str]) -> None:
        if node.paths[0].order == max_order:
            return
        for psi in bank(l, node.j):
            half = is_half(psi)
            if half not in spectra:
                spectra[half] = low.spectrum(node, half)
            block = low.builder.constant(HarmonicBlock(psi, sizes, half))
            size = sizes[-1] if half else None
            op = HarmonicModulus((spectra[half], block), low.name("U"), l % 2 == 1, size, psi.single)
            child = Node(low.emit(op, 1, full), (node.paths[0].extended(psi),), full, psi.j)
            collect(child)
            expand(child, l, {})

    root = low.pad_input("circular", False)
    if order_0:
        collect(root)
    spectra: dict[bool, str] = {}
    for l in range(L + 1):
        expand(root, l, spectra)
    return low.finish(None)
