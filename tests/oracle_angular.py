"""Roto-translation scattering by direct sums over positions and angles, without code of the library."""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import Any

import numpy as np

import groupscat as gs
from tests import oracle

Array = np.ndarray[Any, Any]
#: Order, scales, alpha, orientations, k, spin, then the sample along θ, or k and spin along scales.
Key = tuple[Any, ...]
#: k, spin, samples on the circle.
Filter = tuple[int, int, Array]


def key(path: Any) -> Key:
    at = path.at if path.across is None else (path.k_scale, path.spin_scale)
    return (path.order, path.j, path.alpha, path.theta, path.k, path.spin, at)


def angular(circle: int, K: int) -> list[Filter]:
    """ψ̃_k, its negative, and φ̃ at last."""

    def gaussian(k: int, sign: int) -> Array:
        width = 0.8 * 2 ** min(k, K - 1)
        wave = oracle.Gaussian((sign * 0.375 / 2**k,), (1.0,), width, width, k, False, sign != 0)
        return wave.sampled((circle,))

    filters = [(k, sign, gaussian(k, sign)) for k in range(K) for sign in (1, -1)]
    return [*filters, (K, 0, gaussian(K, 0))]


def along_scales(K: int, J: int) -> list[tuple[int, int, dict[int, complex]]]:
    """(k, spin, taps) of the filters along the scales: the same functions on an axis that does not close."""

    def taps(k: int, sign: int) -> dict[int, complex]:
        width = 0.8 * 2 ** min(k, K - 1)
        t = np.arange(-40 * 2**K, 40 * 2**K + 1)
        window = np.exp(-(t**2) / (2 * width**2)) / (math.sqrt(2 * math.pi) * width)
        wave = window * np.exp(2j * math.pi * sign * 0.375 / 2**k * t)
        if sign:
            wave = wave - wave.sum() / window.sum() * window
        return {int(d): complex(w) for d, w in zip(t, wave, strict=True) if abs(d) < J}

    filters = [(k, sign, taps(k, sign)) for k in range(K) for sign in (1, -1)]
    return [*filters, (K, 0, taps(K, 0))]


def roto_translation(S: gs.RotoTranslationScattering2D, x: Array) -> dict[Key, Array]:
    """Coefficients (batch…, *grid) of every path."""
    inner = S.translation
    L, J, joint = S.L, S.J, S.group == "joint"
    axes = oracle.grids(inner)
    full = tuple(a.padded for a in axes)
    whole_turn = inner.complex_input
    inputs = 2 * L if whole_turn else L
    circle = 2 * L if joint or whole_turn else L
    half = joint and not whole_turn
    scales = isinstance(S, gs.ScaleRotationTranslationScattering2D)
    bank = oracle.wavelets_2d(J, L, negative=True)
    phi = oracle.lowpass(2, S.T if isinstance(S.T, int) and S.T else 2**J)
    stride = oracle._stride(inner)

    @cache
    def psi(j: int, t: int, log2: tuple[int, ...], out: tuple[int, ...]) -> Array:
        """The matrix that filters with orientation t; past half a turn with the conjugate."""
        f = oracle.coarser(bank[2 * L * j + t % L].sampled(full), log2, crop=True)
        rows = [np.arange(0, m >> r, 2 ** (o - r)) for m, r, o in zip(full, log2, out, strict=True)]
        return oracle.circulant(f.conj() if t % (2 * L) >= L else f, rows)

    def filtered(u: Array, j: int, t: int, log2: tuple[int, ...], out: tuple[int, ...]) -> Array:
        z = u.reshape(*u.shape[:-2], -1) @ psi(j, t, log2, out).T
        return z.reshape(*u.shape[:-2], *(m >> o for m, o in zip(full, out, strict=True)))

    def sampled(j: int, log2: tuple[int, ...]) -> tuple[int, ...]:
        finest = max(0, j - inner.oversampling)
        finest = finest if stride is None else min(finest, int(math.log2(stride)))
        return tuple(max(r, min(finest, oracle._twos(m))) for r, m in zip(log2, full, strict=True))

    def average(u: Array, log2: tuple[int, ...]) -> Array:
        if S.T in ("global", 0):
            step = 0 if S.T == "global" else stride or 0
            at = [a.outputs(step or 2**r) // 2**r for a, r in zip(axes, log2, strict=True)]
            kept = u[(..., *np.ix_(*at))]
            return kept.mean((-2, -1))[..., None, None] if S.T == "global" else kept
        assert stride is not None
        rows = [a.outputs(stride) // 2**r for a, r in zip(axes, log2, strict=True)]
        matrix = oracle.circulant(oracle.coarser(phi.sampled(full), log2, crop=True), rows)
        y = u.reshape(*u.shape[:-2], -1) @ matrix.T
        y = y if np.iscomplexobj(u) else y.real
        return y.reshape(*u.shape[:-2], *map(len, rows))

    def step(k: int) -> int:
        cap = oracle._twos(L // 2) if L % 2 == 0 else 0
        return 1 << min(max(0, min(k, S.K - 1) - inner.oversampling), cap)

    def along(v: dict[int, Array], filters: list[Filter]) -> dict[tuple[int, int, int], Array]:
        """|Σ_t' V(t') ψ̃(t − t')| by (k, spin, t)."""
        return {
            (k, sign, t): np.abs(sum(v[s] * wave[(t - s) % circle] for s in range(circle)))
            for k, sign, wave in filters
            for t in range(0, L if half and sign == 0 and not scales else circle, step(k))
        }

    def mean(u: dict[tuple[int, int, int], Array]) -> dict[tuple[int, int], Array]:
        kinds = dict.fromkeys(name[:2] for name in u)
        return {kind: np.mean([a for name, a in u.items() if name[:2] == kind], axis=0) for kind in kinds}

    every = angular(circle, S.K)
    used = [w for w in every if w[1] >= 0] if half else every
    x = oracle.pad(x, axes, S.padding)
    layers: list[tuple[dict[int, Array], tuple[int, ...]]] = []
    found: dict[Key, Array] = {(0, (), None, (), None, None, None): average(x, (0, 0))}
    for j1 in range(J if S.max_order else 0):
        fine = sampled(j1, (0, 0))
        u1 = {t: np.abs(filtered(x, j1, t, (0, 0), fine)) for t in range(inputs)}
        s1 = {t: average(u, fine) for t, u in u1.items()}
        if S.average_angle:
            found[1, (j1,), None, (None,), None, None, None] = np.mean(list(s1.values()), axis=0)
            if S.max_order > 1 and S.T != 0:
                turned = {t: s1[t % inputs] for t in range(circle)}
                for (k, sign), y in mean(along(turned, [w for w in every if w[1] == 1])).items():
                    found[2, (j1,), None, (None,), k, sign, None] = y
        else:
            found |= {(1, (j1,), None, (t,), None, None, None): y for t, y in s1.items()}
        layers.append((u1, fine))

    def responses(j1: int, j2: int, group: int) -> tuple[dict[int, Array], tuple[int, ...]]:
        u1, fine = layers[j1]
        out = sampled(j2, fine)
        turned = {t: (t + group) if joint else group for t in range(circle)}
        return {t: filtered(u1[t % inputs], j2, s, fine, out) for t, s in turned.items()}, out

    for j1, j2, group in itertools.product(range(J), range(J), range(L if S.max_order > 1 else 0)):
        if j1 >= j2:
            continue
        if isinstance(S, gs.ScaleRotationTranslationScattering2D):
            several = [responses(j, j2, group)[0] for j in range(j2)]
            out = responses(0, j2, group)[1]
            for k_scale, sign_scale, taps in along_scales(S.K_scale, J):
                v = {
                    t: np.sum([taps[j1 - j] * several[j][t] for j in range(j2)], axis=0)
                    for t in range(circle)
                }
                for (k, sign), u in mean(along(v, used)).items():
                    if not (half and sign == 0 and sign_scale < 0):
                        name = (2, (j1, j2), group, (None, None), k, sign, (k_scale, sign_scale))
                        found[name] = average(u, out)
            continue
        v, out = responses(j1, j2, group)
        u2 = along(v, used)
        if S.average_angle:
            for (k, sign), u in mean(u2).items():
                found[2, (j1, j2), group, (None, None), k, sign, None] = average(u, out)
            continue
        for (k, sign, t), u in u2.items():
            theta = (t, (t + group) % circle if joint else group)
            found[2, (j1, j2), group if joint else None, theta, k, sign, t] = average(u, out)
    return found
