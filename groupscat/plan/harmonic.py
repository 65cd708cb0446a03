"""Lowering of solid harmonic scattering: per degree l a cascade over scales, then integrals of powers.

U_1 = (Σ_m |x ⋆ ψ_{l,m,j1}|²)^{1/2}, U_2 = (Σ_m |U_1 ⋆ ψ_{l,m,j2}|²)^{1/2} with j2 > j1, S = ∫ U^q.
Source: Eickenberg et al. 2017, section 3.
"""

from __future__ import annotations

import math
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

#: For real x the responses to m and −m have the same modulus, so m ≥ 0 is enough, but for the Nyquist
#: bins of even sides, which have no mirror image. They are ignored where less than this fraction of the
#: filter is left there.
NYQUIST = 1e-6


@dataclass(frozen=True)
class HarmonicBlock:
    """Complex spectra of one :class:`SolidHarmonic`, over the number of samples, shape (M, *sizes)."""

    filter: SolidHarmonic
    sizes: tuple[int, ...]
    kind: ClassVar[ConstantKind] = "complex_filter"

    @property
    def size(self) -> int:
        return 2 * len(self.filter.orders) * math.prod(self.sizes)

    def build(self) -> NDArray[np.complex128]:
        spectra = self.filter.hat(fft_frequencies(self.sizes))
        spectra /= math.prod(self.sizes)
        return spectra


@dataclass(frozen=True)
class HarmonicModulus(Op):
    """The modulus over all m of one degree (srcs[1]), from the spectrum of x (srcs[0])."""

    def __call__(self, xp: Backend, *args: Array) -> Array:
        spectrum, filters = args
        return xp.harmonic_modulus(spectrum, filters)


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

    def wavelet(j: int, l: int) -> SolidHarmonic:
        if not rotation_covariant:
            return SolidHarmonic(j, l, sigma_0 * 2**j, "first")
        psi = SolidHarmonic(j, l, sigma_0 * 2**j)
        mirrored = all(n % 2 for n in sizes) or psi.at_nyquist() < NYQUIST
        return replace(psi, which="half") if mirrored else psi

    def expand(node: Node, l: int, spectrum: str) -> None:
        for psi in (wavelet(j, l) for j in range(node.j + 1, J + 1)):
            block = low.builder.constant(HarmonicBlock(psi, sizes))
            op = HarmonicModulus((spectrum, block), low.name("U"))
            child = Node(low.emit(op, 1, full), (node.paths[0].extended(psi),), full, psi.j)
            collect(child)
            if psi.j < J and child.paths[0].order < max_order:
                expand(child, l, low.spectrum(child))

    root = low.pad_input("circular", False)
    if order_0:
        collect(root)
    spectrum = low.spectrum(root)
    for l in range(L + 1):
        expand(root, l, spectrum)
    return low.finish(None)
