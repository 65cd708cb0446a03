"""Displacement fields g of the deformations x(u) ↦ x(u − g(u)), one family each."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from groupscat.errors import ArgumentError
from groupscat.groups import diffeomorphism_norm

Field = NDArray[np.float64]
#: Cycles over the signal of the finest undulation of a random diffeomorphism, and how many waves it has.
FINEST, WAVES = 2.0, 8


def translation(shape: tuple[int, ...], strength: float, J: float, rng: np.random.Generator) -> Field:
    """By ``strength``·2^J samples in a random direction."""
    direction = rng.standard_normal(len(shape))
    direction *= strength * 2.0**J / np.linalg.norm(direction)
    return np.broadcast_to(direction, (*shape, len(shape)))


def rotation(shape: tuple[int, ...], strength: float, J: float, rng: np.random.Generator) -> Field:
    """About the middle, in the plane of the last two axes; 2 sin(angle/2) = ``strength``."""
    if strength > 2:
        raise ArgumentError(
            f"strengths={strength:g}: rotations have ‖∇g‖∞ ≤ 2, half a turn; use smaller ones, or leave "
            "'rotation' out of families."
        )
    angle = 2 * math.asin(strength / 2)
    back = np.eye(len(shape))
    c, s = math.cos(angle), math.sin(angle)
    back[-2:, -2:] = [[c, s], [-s, c]]
    u = _centred(shape)
    return u - u @ back.T


def dilation(shape: tuple[int, ...], strength: float, J: float, rng: np.random.Generator) -> Field:
    """About the middle: x(u) ↦ x((1 − ``strength``) u)."""
    return strength * _centred(shape)


def diffeomorphism(shape: tuple[int, ...], strength: float, J: float, rng: np.random.Generator) -> Field:
    """A few random waves, at most two cycles over the signal, with ‖∇g‖∞ = ``strength``."""
    d = len(shape)
    u = _centred(shape)
    k = 2 * math.pi * FINEST * rng.uniform(-1, 1, (WAVES, d)) / np.array(shape)
    waves = np.cos(u @ k.T + rng.uniform(0, 2 * math.pi, WAVES))
    g: Field = waves @ rng.standard_normal((WAVES, d))
    return g * (strength / diffeomorphism_norm(g, math.inf))


#: Families by name. Their ``strength`` is ‖∇g‖∞; of translations, whose ∇g is 0, 2^{-J}‖g‖∞.
FAMILIES: dict[str, Callable[[tuple[int, ...], float, float, np.random.Generator], Field]] = {
    "translation": translation,
    "rotation": rotation,
    "dilation": dilation,
    "diffeomorphism": diffeomorphism,
}


def _centred(shape: tuple[int, ...]) -> Field:
    """The samples' coordinates from the middle, (N_1, …, N_d, d)."""
    u = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return np.asarray(u - (np.array(shape) - 1) / 2)
