"""The pointwise contraction ρ that follows each wavelet convolution."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from groupscat.backend.base import Array, Backend
from groupscat.errors import ArgumentError


class Rho(Protocol):
    """Maps complex responses (B, C, …) to (B, C·phases, …)."""

    @property
    def phases(self) -> int: ...

    @property
    def is_complex(self) -> bool: ...

    def __call__(self, xp: Backend, z: Array) -> Array: ...


@dataclass(frozen=True)
class Modulus:
    """ρ(z) = |z|."""

    phases: int = 1
    is_complex: bool = False

    def __call__(self, xp: Backend, z: Array) -> Array:
        return xp.modulus(z)


@dataclass(frozen=True)
class Linear:
    """ρ(z) = z: for responses that are filtered along another axis before their modulus."""

    phases: int = 1
    is_complex: bool = True

    def __call__(self, xp: Backend, z: Array) -> Array:
        return z


@dataclass(frozen=True)
class Rectifier:
    """ρ_α(z) = max(0, Re(e^{iα} z)) for ``phases`` angles α = 2πk/phases, each a channel of its own.

    Source: Mallat 2016, eq. 14; Zarka, Guth & Mallat 2021 use four phases.
    """

    phases: int = 4
    is_complex: bool = False

    def __call__(self, xp: Backend, z: Array) -> Array:
        re, im = xp.real(z), xp.imag(z)
        turned = []
        for k in range(self.phases):
            c, s = _unit(k, self.phases)
            turned.append((c * re - s * im)[:, :, None, ...])
        y = xp.relu(xp.concat(turned, 2))
        channels, phases, *axes = xp.shape(y)[1:]
        return xp.reshape(y, (-1, channels * phases, *axes))


@dataclass(frozen=True)
class Pointwise:
    """A user's function of complex arrays, applied with the arrays of whichever backend runs."""

    function: Callable[[Any], Any]
    phases: int = 1
    is_complex: bool = True  # not known; assume the larger

    def __call__(self, xp: Backend, z: Array) -> Array:
        y = self.function(z)
        if xp.shape(y)[1:] != xp.shape(z)[1:]:
            raise ArgumentError(
                f"rho must be pointwise: it turned an array of shape {xp.shape(z)} into {xp.shape(y)}."
            )
        return y


def make_rho(rho: str | Callable[[Any], Any], phases: int = 4) -> Rho:
    """ρ from what a user writes: ``"modulus"``, ``"rectifier"`` or a pointwise function."""
    if not isinstance(phases, int) or phases < 1:
        raise ArgumentError(f"phases={phases!r}: expected an integer ≥ 1 (usually 4).")
    if rho == "rectifier":
        return Rectifier(phases)
    if phases != 4:
        raise ArgumentError(f'phases={phases!r} has a meaning with rho="rectifier" only, got rho={rho!r}.')
    if rho == "modulus":
        return Modulus()
    if callable(rho):
        return Pointwise(rho)
    raise ArgumentError(f'rho={rho!r}: expected "modulus", "rectifier" or a pointwise function.')


def _unit(k: int, n: int) -> tuple[float, float]:
    """cos and sin of 2πk/n, exact at quarter turns."""
    quarter, rest = divmod(4 * k, n)
    if rest == 0:
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[quarter % 4]
    return math.cos(2 * math.pi * k / n), math.sin(2 * math.pi * k / n)
