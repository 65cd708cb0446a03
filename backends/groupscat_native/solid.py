"""Filters of solid harmonics as the kernels take them: of real signals, by real fields, only what is live.

A complex response of a real signal x is two real fields, x ⋆ h with Hermitian spectra ĥ: √(Σ_m |x ⋆ ψ_m|²) is
the norm of 2M fields. An orthogonal change of the ĥ does not change it. For m and −m it makes one of two
fields vanish, but for the Nyquist bins of even sides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat_native.bands import NEGLIGIBLE

#: Real or imaginary parts of a field below this many units of rounding of the largest number are rounding.
ROUNDING = 8
#: As in the source of the kernels.
REAL, IMAGINARY, COMPLEX = 0, 1, 2


@dataclass(frozen=True)
class Solid:
    """Tables of a degree, for vectors of ``lanes`` numbers.

    numbers: low and live of two axes, whether n/2 is live on the last, how many fields and edges.
    """

    sizes: tuple[int, ...]
    lanes: int
    numbers: NDArray[np.int64]
    blocks: NDArray[np.int32]
    kinds: NDArray[np.int32]
    filters: NDArray[Any]

    @property
    def edges(self) -> int:
        """Fields that the Nyquist bins alone make."""
        return int(self.numbers[-1])

    @property
    def addresses(self) -> tuple[int, int, int, int]:
        tables = self.numbers, self.blocks, self.kinds, self.filters
        a, b, c, d = (table.ctypes.data for table in tables)
        return a, b, c, d


def solid(filters: NDArray[Any], lanes: int) -> Solid:
    """The tables of filters (M, n_1, …, 2), complex numbers as pairs; ``lanes``: numbers of a vector."""
    sizes = filters.shape[1:-1]
    n0, n1, n2 = (1,) * (3 - len(sizes)) + sizes
    psi = filters.reshape(len(filters), n0, n1, n2, 2)
    fields = _fields(psi[..., 0] + 1j * psi[..., 1])
    eps, largest = np.finfo(filters.dtype).eps, np.abs(fields).max(initial=0)
    for part in (fields.real, fields.imag):
        part[np.abs(part).max((1, 2, 3)) <= ROUNDING * eps * largest] = 0
    fields = fields[np.abs(fields).max((1, 2, 3)) > 0]
    inner = fields[
        np.ix_(
            range(len(fields)),
            *(np.arange(m) != n / 2 for m, n in zip(fields.shape[1:], (n0, n1, n2), strict=True)),
        )
    ]
    edge = np.abs(inner).max((1, 2, 3), initial=0) == 0
    edges, fields = fields[edge], fields[~edge]
    if not len(fields):
        fields = np.zeros((1, n0, n1, n2 // 2 + 1), fields.dtype)
    columns = (n2 + 1) // 2
    live = (np.abs(fields) > NEGLIGIBLE * eps * largest).any(0)
    nyquist = columns <= n2 // 2 and bool(live[..., columns:].any())
    (first, low0), (second, low1) = _bins(live.any((1, 2))), _bins(live.any((0, 2)))
    inside = live[np.ix_(first, second)][..., :columns]
    count = np.where(inside, np.arange(1, columns + 1), 1).max((0, 2))
    blocks = -(-count // lanes)
    width = int(blocks.max()) * lanes
    kinds, packed = [], []
    for field in fields:
        kind = COMPLEX if field.real.any() and field.imag.any() else IMAGINARY if field.imag.any() else REAL
        parts = {REAL: [field.real], IMAGINARY: [field.imag], COMPLEX: [field.real, field.imag]}[kind]
        inner = np.stack(parts, -2)[np.ix_(first, second)]  # (first, second, part, last)
        kinds.append(kind)
        main = np.zeros((*inner.shape[:-1], max(width, columns)), filters.dtype)
        main[..., :columns] = inner[..., :columns]
        for j, some in enumerate(blocks):
            cut = main[:, j, :, : some * lanes].reshape(len(first), len(parts), some, lanes)
            packed.append(cut.transpose(2, 0, 1, 3).ravel())
        if nyquist:
            packed.append(inner[..., columns].transpose(1, 0, 2).ravel())
    packed += [face.ravel() for field in edges for face in _faces(field, n2)]
    numbers = [low0, len(first), low1, len(second), nyquist, len(fields), len(edges)]
    return Solid(
        sizes,
        lanes,
        np.array(numbers, np.int64),
        blocks.astype(np.int32),
        np.array(kinds, np.int32),
        np.concatenate(packed).astype(filters.dtype, copy=False),
    )


def _fields(psi: NDArray[Any]) -> NDArray[Any]:
    """Half spectra of real fields that have the sum of squares of the responses to psi (M, n_1, n_2, n_3)."""
    half = psi.shape[-1] // 2 + 1
    mirrored = np.roll(psi[:, ::-1, ::-1, ::-1], 1, (1, 2, 3))[..., :half].conj()
    psi = psi[..., :half]
    pairs = np.stack([(psi + mirrored) / 2, (psi - mirrored) / 2j])  # fields of real and of imaginary parts
    least = ROUNDING * np.finfo(psi.real.dtype).eps * np.abs(pairs).max(initial=0)
    for k in range(len(psi) // 2):
        a, b = pairs[:, k], pairs[:, -1 - k]
        turned = np.stack([a + b, a - b]) * math.sqrt(0.5)
        if (np.abs(turned) > least).sum() < sum((np.abs(x) > least).sum() for x in (a, b)):
            pairs[:, k], pairs[:, -1 - k] = turned
    return pairs.reshape(-1, *psi.shape[1:])


def _faces(field: NDArray[Any], n2: int) -> Iterator[NDArray[Any]]:
    """The planes n/2 across each axis of an edge, all bins, as pairs; where they meet, in the first alone."""
    other = np.roll(field[::-1, ::-1], 1, (0, 1))[..., (n2 - 1) // 2 : 0 : -1].conj()
    whole = np.concatenate([field, other], -1)
    for axis, n in enumerate(whole.shape):
        face = np.moveaxis(whole, axis, 0)[n // 2]
        yield np.stack([face.real, face.imag], -1) * (n % 2 == 0)
        if n % 2 == 0:
            np.moveaxis(whole, axis, 0)[n // 2] = 0


def _bins(live: NDArray[np.bool_]) -> tuple[NDArray[np.int64], int]:
    """The bins of an axis that are used, with k also −k, and how many are not negative frequencies."""
    n = len(live)
    k = np.flatnonzero(live)
    most = int(np.minimum(k, n - k).max(initial=0))
    if 2 * most + 1 >= n:
        return np.arange(n), n
    return np.concatenate([np.arange(most + 1), np.arange(n - most, n)]), most + 1
