"""The definition oracle of time-frequency scattering: direct sums over time and over log-frequency."""

from __future__ import annotations

import math

import numpy as np

import groupscat as gs
from tests.oracle import Array, Gaussian, circulant, coarser, grids, lowpass, pad, wavelets_1d


def coefficients(S: gs.TimeFrequencyScattering, x: Array) -> dict[tuple[int, ...], Array]:
    """(batch, rows, time) by (n_fr,) and (n2, n_fr), all rows of the padded axis; order 0 by ()."""
    (grid,) = grids(S.time)
    stride = S.time.output.stride
    smooth = stride if S.T != 0 else (stride or 2**S.J)
    psi1, psi2 = wavelets_1d(S.J, S.Q[0]), wavelets_1d(S.J, S.Q[1])
    phi = lowpass(1, S.T if isinstance(S.T, int) and S.T else 2**S.J)

    def log2(j: int) -> int:
        wanted = max(0, j - S.time.oversampling)
        while grid.padded % 2**wanted or (stride is not None and 2**wanted > stride):
            wanted -= 1
        return wanted

    def convolved(u: Array, f: Gaussian, given: int, wanted: int) -> Array:
        rows = np.arange(0, grid.padded >> given, 2 ** (wanted - given))
        return u @ circulant(coarser(f.sampled((grid.padded,)), (given,), crop=False), (rows,)).T

    def averaged(u: Array, given: int, apart: int | None, keep: bool) -> Array:
        if S.T == "global":
            return u[..., grid.outputs(2**given) // 2**given].mean(-1, keepdims=True)
        if keep:
            return u[..., grid.outputs(apart or 2**given) // 2**given]
        assert apart is not None
        rows = grid.outputs(apart) // 2**given
        return (u @ circulant(coarser(phi.sampled((grid.padded,)), (given,), crop=False), (rows,)).T).real

    u0 = pad(x, (grid,), S.time.padding)
    found = {(): averaged(u0, 0, stride, keep=S.T == 0)[:, None]}
    u1 = [np.abs(convolved(u0, psi, 0, log2(psi.j))) for psi in psi1]
    first = [averaged(u, log2(psi.j), smooth, keep=False) for u, psi in zip(u1, psi1, strict=True)]
    for n, z in along(S, np.stack(first, axis=-2)).items():
        found[n,] = z
    for n2, psi in enumerate(psi2):
        seen = [n1 for n1 in range(len(psi1)) if psi1[n1].j < psi.j]
        if not seen:
            continue
        end = log2(psi.j)
        y = np.stack([convolved(u1[n1], psi, log2(psi1[n1].j), end) for n1 in seen], axis=-2)
        if S.separable:
            for n, z in along(S, averaged(np.abs(y), end, stride, keep=S.T == 0)).items():
                found[n2, n] = z
        else:
            for n, z in along(S, y).items():
                found[n2, n] = averaged(z, end, stride, keep=S.T == 0)
    return found


def along(S: gs.TimeFrequencyScattering, y: Array) -> dict[int, Array]:
    """|y ⋆ ψ| ⋆ φ along the rows of y, (batch, rows, time), by n_fr; real y has no spin −1."""
    width = S.F if isinstance(S.F, int) and S.F else 2**S.J_fr
    multiple = max(2**S.J_fr, S.stride_fr or 1)
    period = ((S.J + 1) * S.Q[0] + 8 * min(width, 2**S.J_fr)) // multiple * multiple
    padded = np.zeros((y.shape[0], period, y.shape[-1]), y.dtype)
    padded[:, : y.shape[1]] = y
    low, wavelets = lowpass(1, 2**S.J_fr), wavelets_1d(S.J_fr, S.Q_fr, negative=np.iscomplexobj(y))

    def convolved(f: Array, u: Array, step: int) -> Array:
        return np.einsum("ov,bvt->bot", circulant(f, (np.arange(0, len(f), step),)), u)

    def averaged(u: Array, log2: int) -> Array:
        if S.F == "global":
            return u.mean(1, keepdims=True)
        phi = coarser(lowpass(1, width).sampled((period,)), (log2,), crop=False).real
        return convolved(phi, u, S.stride_fr >> log2)

    found = {}
    for n, (psi, j) in enumerate([(low, S.J_fr), *[(psi, psi.j) for psi in wavelets]]):
        log2 = j if S.stride_fr is None else min(j, int(math.log2(S.stride_fr)))
        u = np.abs(convolved(psi.sampled((period,)), padded, 2**log2))
        if S.F == "global" or (S.F and (n or 2**S.J_fr < S.F)):
            u = averaged(u, log2)
        elif S.stride_fr:
            u = u[:, :: S.stride_fr >> log2]
        found[n] = u
    return found
