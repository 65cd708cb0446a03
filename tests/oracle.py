"""The definition oracle: scattering coefficients by direct sums, straight from the definition.

No fast transform and no code of the library: filters are sampled in space from the published formulas,
convolutions are explicit sums over the periodic grid (as matrices), discrete Fourier transforms, where
the definition itself speaks of bins, are explicit matrices. Only what an operator publishes is read from
it: its arguments, and the length and the position of a tightly padded 1-D signal.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.special import sph_harm_y

import groupscat as gs

Array = np.ndarray[Any, Any]
Key = tuple[tuple[int, int], ...]


# ------------------------------------------------------------------------------------------ wavelets


@dataclass(frozen=True)
class Gaussian:
    """exp(2πi ξ·t) times a Gaussian of width ``along`` in ``direction`` and ``across`` elsewhere, samples."""

    xi: tuple[float, ...]
    direction: tuple[float, ...]
    along: float
    across: float
    j: int
    l1: bool
    zero_mean: bool

    def sampled(self, grid: tuple[int, ...]) -> Array:
        """Samples on the periodic grid, the origin at index 0."""
        if self.l1 and 9 * self.along > grid[0] / 2:
            return self._overlapping(*grid)
        wave = self._periodised(grid, self.xi)
        if self.zero_mean:
            window = self._periodised(grid, (0.0,) * len(grid))
            wave = wave - wave.sum() / window.sum() * window
        return wave / np.abs(wave).sum() if self.l1 else wave

    def _overlapping(self, n: int) -> Array:
        """The same for a 1-D filter wider than the grid.

        Its periods nearly cancel, and what is left is divided by its sum: in space 1e-16 would become as
        much as 1. By Poisson's formula the spectrum at bin k is Σ_m exp(−(k/n+m−ξ)²/2σ²), all terms positive.
        """
        wave = dft(n, 1) @ self.spectrum(n) / n
        return wave / np.abs(wave).sum()

    def spectrum(self, n: int) -> Array:
        """The spectrum of a 1-D filter at the bins of a grid of n samples, before normalisation."""
        bins = np.arange(n) / n

        def gaussian(xi: float) -> Array:
            offsets = bins[:, None] + np.arange(-3, 4) - xi
            return np.exp(-0.5 * (2 * math.pi * self.along * offsets) ** 2).sum(1)

        hat = gaussian(self.xi[0])
        if self.zero_mean:
            window = gaussian(0.0)
            hat = hat - hat[0] / window[0] * window
        return hat

    def _periodised(self, grid: tuple[int, ...], xi: tuple[float, ...]) -> Array:
        reach = math.ceil(9 * max(self.along, self.across)) + 1
        points = np.stack(
            np.meshgrid(*[np.arange(-reach, reach + 1)] * len(grid), indexing="ij"), axis=-1
        ).reshape(-1, len(grid))
        p = points @ np.array(self.direction)
        q2 = (points**2).sum(1) - p**2
        d = len(grid)
        values = np.exp(-(p**2) / (2 * self.along**2) - q2 / (2 * self.across**2))
        values = values / ((2 * math.pi) ** (d / 2) * self.along * self.across ** (d - 1))
        values = values * np.exp(2j * math.pi * (points @ np.array(xi)))
        out = np.zeros(grid, complex)
        np.add.at(out, tuple(np.mod(points, grid).T), values)
        return out


def wavelets_1d(J: int, Q: int, negative: bool = False) -> list[Gaussian]:
    """The constant-Q bank, high to low frequency; with ``negative`` its mirror image after it."""
    r = math.sqrt(0.5)

    def width(xi: float) -> float:
        return xi * (1 - 2 ** (-1 / Q)) / (1 + 2 ** (-1 / Q)) / math.sqrt(2 * math.log(1 / r))

    smallest = 0.1 / 2**J
    xi = max(1 / (1 + 2 ** (3 / Q)), 0.35)
    sigma = width(xi)
    centres = []
    elbow = sigma
    while sigma > smallest:
        centres.append((xi, sigma))
        elbow = xi
        xi, sigma = xi / 2 ** (1 / Q), sigma / 2 ** (1 / Q)
    centres += [(elbow * (1 - k / Q), smallest) for k in range(1, Q)]
    signs = (1, -1) if negative else (1,)
    return [
        Gaussian(
            xi=(sign * xi,),
            direction=(1.0,),
            along=1 / (2 * math.pi * sigma),
            across=1 / (2 * math.pi * sigma),
            j=math.floor(-math.log2(min(xi + 5 * sigma, 0.5))) - 1,
            l1=True,
            zero_mean=True,
        )
        for sign in signs
        for xi, sigma in centres
    ]


def wavelets_2d(J: int, L: int, negative: bool = False) -> list[Gaussian]:
    """J scales × L orientations; with ``negative`` the whole circle."""
    turns = range(2 * L if negative else L)
    angles = [(math.floor(L - L / 2 - 1) - t) * math.pi / L for t in turns]
    return [_oriented(j, (math.cos(a), math.sin(a)), slant=4 / L) for j in range(J) for a in angles]


def wavelets_3d(S: gs.Scattering, order: int) -> list[Gaussian]:
    """As in the plane, along the axes that the operator publishes."""
    slant = 4 / math.pi * math.sqrt(2 * math.pi / S.L)
    bank = S.bank.psi[min(order, len(S.bank.psi)) - 1]
    return [_oriented(w.j, tuple(np.array(w.xi) / np.linalg.norm(w.xi)), slant) for w in bank]


def _oriented(j: int, direction: tuple[float, ...], slant: float) -> Gaussian:
    xi = 0.375 / 2**j
    along = 0.8 * 2**j
    return Gaussian(
        xi=tuple(xi * c for c in direction),
        direction=direction,
        along=along,
        across=along / slant,
        j=j,
        l1=False,
        zero_mean=True,
    )


def lowpass(ndim: int, T: float) -> Gaussian:
    """φ: in 1-D of frequency width 0.1/T with Σφ = 1, in more dimensions 0.8·T/2 samples wide."""
    width = T / (2 * math.pi * 0.1) if ndim == 1 else 0.4 * T
    return Gaussian((0.0,) * ndim, (1.0,) + (0.0,) * (ndim - 1), width, width, 0, ndim == 1, False)


# ------------------------------------------------------------------------------------------ geometry


@dataclass(frozen=True)
class Grid:
    """One padded axis: ``size`` samples from ``left`` on, in ``padded`` periodic ones."""

    size: int
    padded: int
    left: int
    partial: bool

    def outputs(self, stride: int) -> Array:
        """Positions of the outputs on the padded axis."""
        first = math.ceil(self.left / stride)
        count = self.size // stride
        if self.partial or stride > self.size:
            count = max(1, math.ceil((self.left + self.size) / stride) - first)
        return stride * (first + np.arange(count))


def grids(S: gs.Scattering) -> tuple[Grid, ...]:
    """The padding of every axis."""
    one_d = len(S.shape) == 1
    if S.padding == "circular":
        return tuple(Grid(n, n, 0, one_d) for n in S.shape)
    coarsest = max(S.J, int(math.log2(_stride(S) or 1)))
    if not one_d:
        step = 2**coarsest
        padded = [((n + step) // step + 1) * step for n in S.shape]
        return tuple(Grid(n, m, (m - n) // 2, False) for n, m in zip(S.shape, padded, strict=True))
    (n,) = S.shape
    if not S.exact_padding:  # any length will do that keeps the borders out of reach
        (axis,) = S.axes
        return (Grid(n, axis.padded, axis.left, True),)
    width = S.T if isinstance(S.T, int) and S.T else 2**S.J
    phi = np.abs(lowpass(1, width).sampled((4096 * width,)))[: 2048 * width]
    tails = phi[::-1].cumsum()[::-1]
    reach = int(np.flatnonzero(tails <= 1e-3)[0])
    padded = min(2 ** math.ceil(math.log2(n + 6 * reach)), 2 ** math.floor(math.log2(max(1, 3 * n - 2))))
    padded = max(padded, 2**coarsest)
    return (Grid(n, padded, (padded - n) // 2, True),)


def pad(x: Array, axes: Sequence[Grid], padding: str) -> Array:
    """Extend the trailing axes one sample at a time."""
    for k, grid in enumerate(axes):
        x = np.moveaxis(x, k - len(axes), 0)
        columns = []
        for t in range(-grid.left, grid.padded - grid.left):
            if padding == "zero" and not 0 <= t < grid.size:
                columns.append(np.zeros_like(x[0]))
            elif padding == "edge":
                columns.append(x[min(max(t, 0), grid.size - 1)])
            else:
                while not 0 <= t < grid.size and grid.size > 1:
                    if padding == "circular":
                        t += grid.size if t < 0 else -grid.size
                    else:
                        t = -t if t < 0 else 2 * (grid.size - 1) - t
                columns.append(x[t if grid.size > 1 else 0])
        x = np.moveaxis(np.stack(columns), 0, k - len(axes))
    return x


def _stride(S: gs.Scattering) -> int | None:
    """Samples between outputs, None where nothing fixes them."""
    if S.T == "global":
        return None
    stride = S.config.get("stride")
    if stride is not None or S.T == 0:
        return stride
    return max(1, 2 ** int(math.log2(S.T)) // 2**S.oversampling)


# ------------------------------------------------------------------------------------- direct sums


def circulant(f: Array, rows: Sequence[Array]) -> Array:
    """The matrix of y(u) = Σ_v f(u − v) x(v) for the positions u on the grid spanned by ``rows``."""
    d = f.ndim
    index = []
    for k, (n, u) in enumerate(zip(f.shape, rows, strict=True)):
        lag = np.mod(u[:, None] - np.arange(n), n)
        shape = [1] * (2 * d)
        shape[k], shape[d + k] = lag.shape
        index.append(lag.reshape(shape))
    matrix = f[tuple(index)]
    return matrix.reshape(math.prod(len(u) for u in rows), -1)


def coarser(f: Array, log2: Sequence[int], crop: bool) -> Array:
    """A filter on the grid subsampled by 2^log2 per axis.

    In one dimension it is sampled there (times the stride). In more, by convention, its discrete Fourier
    transform is cropped to the bins −n/2 … n/2−1 of the coarser grid.
    """
    if not crop:
        return f[tuple(slice(None, None, 2**r) for r in log2)] * 2 ** sum(log2)
    for axis, r in enumerate(log2):
        f = np.moveaxis(np.tensordot(_crop_matrix(f.shape[axis], r), f, (1, axis)), 0, axis)
    return f


@cache
def _crop_matrix(n: int, r: int) -> Array:
    small = n >> r
    bins = np.arange(small) - small // 2
    forward = np.exp(-2j * math.pi * np.outer(bins, np.arange(n)) / n)
    return np.exp(2j * math.pi * np.outer(np.arange(small), bins) / small) @ forward / small


def dft(n: int, sign: int) -> Array:
    """exp(sign·2πi kn/N), the bins in the order 0, 1, …, −1."""
    return np.exp(sign * 2j * math.pi * np.outer(np.arange(n), np.arange(n)) / n)


# ------------------------------------------------------------------------------ translation scattering


def translation(S: gs.Scattering, x: Array) -> dict[Key, Array]:
    """Coefficients (batch…, *grid) of every path, keyed by the (index, phase) of its wavelets, in order."""
    d = len(S.shape)
    axes = grids(S)
    full = tuple(a.padded for a in axes)
    banks = [_bank(S, order) for order in (1, 2)]
    width = S.T if isinstance(S.T, int) and S.T else 2**S.J
    stride = _stride(S)
    rho = pointwise(S)
    gains = _gains(S)

    @cache
    def filter_at(order: int, n: int, log2: tuple[int, ...]) -> Array:
        spec = lowpass(d, width) if order == 0 else banks[order - 1][n]
        gain = gains[order][n]
        return gain * coarser(spec.sampled(full), log2, crop=d > 1)

    @cache
    def operator(order: int, n: int, log2: tuple[int, ...], out: tuple[int, ...]) -> Array:
        rows = [np.arange(0, m >> r, 2 ** (o - r)) for m, r, o in zip(full, log2, out, strict=True)]
        return circulant(filter_at(order, n, log2), rows)

    @cache
    def averaging(log2: tuple[int, ...]) -> tuple[Array, tuple[int, ...]]:
        assert stride is not None
        rows = [a.outputs(stride) // 2**r for a, r in zip(axes, log2, strict=True)]
        phi = filter_at(0, 0, log2)
        return circulant(phi, rows), tuple(len(r) for r in rows)

    def average(u: Array, log2: tuple[int, ...]) -> Array:
        if S.T == "global":
            inside = [a.outputs(2**r) // 2**r for a, r in zip(axes, log2, strict=True)]
            mean = u[(..., *np.ix_(*inside))].mean(tuple(range(-d, 0)))
            return mean[(..., *[None] * d)]
        if S.T == 0:
            at = [a.outputs(stride or 2**r) // 2**r for a, r in zip(axes, log2, strict=True)]
            return u[(..., *np.ix_(*at))]
        matrix, counts = averaging(log2)
        y = u.reshape(*u.shape[:-d], -1) @ matrix.T
        y = y if np.iscomplexobj(u) else y.real
        return y.reshape(*u.shape[:-d], *counts)

    found: dict[Key, Array] = {}

    def visit(u: Array, key: Key, log2: tuple[int, ...], last: int) -> None:
        found[key] = average(u, log2)
        order = len(key) + 1
        if order > S.max_order:
            return
        level = min(order, 2)
        for n, psi in enumerate(banks[level - 1]):
            if psi.j <= last:
                continue
            target = max(0, psi.j - S.oversampling)
            if stride is not None:
                target = min(target, int(math.log2(stride)))
            out = tuple(max(r, min(target, _twos(m))) for r, m in zip(log2, full, strict=True))
            z = u.reshape(*u.shape[:-d], -1) @ operator(level, n, log2, out).T
            z = z.reshape(*u.shape[:-d], *(m >> o for m, o in zip(full, out, strict=True)))
            for phase, v in enumerate(rho(z)):
                visit(v, (*key, (n, phase)), out, psi.j)

    visit(pad(x, axes, S.padding), (), (0,) * d, -1)
    return {key: found[key] for key in sorted(found, key=lambda k: (len(k), k))}


def resolution(S: gs.Scattering) -> float:
    """How much the bins of the grid see of the 1-D wavelet that falls most between them, at most 1.

    Dividing by Σ|ψ| amplifies every error of that filter by the inverse.
    """
    if len(S.shape) > 1 or S.max_order == 0 or S.method == "cascade":
        return 1.0
    (grid,) = grids(S)
    seen = [np.abs(w.spectrum(grid.padded)).max() for order in (1, 2) for w in _bank(S, order)]
    return float(min(1.0, *seen)) if seen else 1.0


def pointwise(S: gs.Scattering) -> Callable[[Array], list[Array]]:
    """ρ as a function from the complex response to one array per phase."""
    rho = S.config.get("rho", "modulus")
    if rho == "modulus":
        return lambda z: [np.sqrt(z.real**2 + z.imag**2)]
    if rho == "rectifier":
        count = S.config.get("phases", 4)
        return lambda z: [np.maximum(0, (z * np.exp(2j * math.pi * k / count)).real) for k in range(count)]
    return lambda z: [rho(z)]


def _bank(S: gs.Scattering, order: int) -> list[Gaussian]:
    negative = S.complex_input and order == 1
    if len(S.shape) == 1:
        return wavelets_1d(S.J, S.Q[order - 1], negative)
    if len(S.shape) == 2:
        return wavelets_2d(S.J, S.L, negative)
    return wavelets_3d(S, order)


def _gains(S: gs.Scattering) -> list[list[float]]:
    """The published gain of every filter: 1 unless the operator is normalised."""
    return [[S.bank.phi.gain], *[[w.gain for w in order] for order in S.bank.psi]]


def _twos(n: int) -> int:
    return (n & -n).bit_length() - 1


# ---------------------------------------------------------------------------------- fast filter bank


def cascade(S: gs.Scattering, x: Array) -> dict[Key, Array]:
    """The cascade of small filters, tap by tap: y(u) = Σ_t w(t) x(2u − t), t from the filter's centre."""
    d = len(S.shape)
    axes = grids(S)
    low, band = S.cascade.low, S.cascade.band
    rho = pointwise(S)

    def step(u: Array, w: Array) -> Array:
        y: Array | float = 0.0
        for tap in itertools.product(*map(range, w.shape)):
            shifted = u
            for axis, (t, size) in enumerate(zip(tap, w.shape, strict=True), start=-d):
                shifted = np.roll(shifted, t - size // 2, axis)
            y = y + w[tap] * shifted[(..., *[slice(None, None, 2)] * d)]
        return np.asarray(y)

    averages: dict[Key, Array] = {(): pad(x, axes, S.padding)}
    unaveraged = [(0, (), averages[()])]
    for level in range(S.J):
        found = {}
        for key, a in averages.items():
            found[key] = step(a, low)
            for k, w in enumerate(band):
                if len(key) == S.max_order:
                    continue
                for phase, u in enumerate(rho(step(a, w))):
                    new = (*key, (level * len(band) + k, phase))
                    found[new] = u
                    unaveraged.append((level + 1, new, u))
        averages = found
    if S.T == 0:
        found = {key: u[(..., *_inside(axes, level))] for level, key, u in unaveraged}
    else:
        found = {key: a[(..., *_inside(axes, S.J))] for key, a in averages.items()}
        if S.T == "global":
            found = {k: a.mean(tuple(range(-d, 0)), keepdims=True) for k, a in found.items()}
    return {key: found[key] for key in sorted(found, key=lambda k: (len(k), k))}


def _inside(axes: Sequence[Grid], log2: int) -> tuple[Array, ...]:
    return np.ix_(*[a.outputs(2**log2) // 2**log2 for a in axes])


# ---------------------------------------------------------------------------- solid harmonic scattering


def harmonic(S: gs.HarmonicScattering3D, x: Array) -> Iterator[tuple[tuple[Any, ...], Array]]:
    """((order, scales, l, q), coefficient (batch…)) for every path, in the flat order of the golden files."""
    shape = S.shape
    freqs = [2 * math.pi * (np.mod(np.arange(n) + n // 2, n) - n // 2) / n for n in shape]
    c, b, a = np.meshgrid(*freqs, indexing="ij")
    rho = np.sqrt(a**2 + b**2)
    r, polar, azimuth = np.sqrt(a**2 + b**2 + c**2), np.arctan2(c, rho) + math.pi / 2, np.arctan2(b, a)

    def filters(j: int, l: int) -> list[Array]:
        width = 1 / (S.sigma_0 * 2**j)
        factor = (
            math.pi * math.sqrt(2) / (math.sqrt(2 * l + 1) * 2 ** ((l + 1) / 2) * math.gamma((l + 3) / 2))
        )
        radial = factor * (-1j) ** l * (r / width) ** l * np.exp(-((r / width) ** 2) / 2)
        degrees = range(-l, l + 1) if S.rotation_covariant else [-l]
        return [radial * sph_harm_y(l, m, polar, azimuth) for m in degrees]

    def transform(u: Array, sign: int) -> Array:
        for axis in (-3, -2, -1):
            u = np.moveaxis(np.tensordot(u, dft(u.shape[axis], sign), (axis, 1)), -1, axis)
        return u

    def response(u: Array, j: int, l: int) -> Array:
        hat = transform(u, -1)
        size = math.prod(shape)
        return np.sqrt(sum(np.abs(transform(hat * f, 1) / size) ** 2 for f in filters(j, l)))

    def integrals(u: Array, order: int, scales: tuple[int, ...], l: int) -> Iterator[Any]:
        for q in S.integral_powers:
            yield (order, scales, l, q), (u**q).sum((-3, -2, -1))

    if S.order_0:
        for q in S.integral_powers:
            power = x ** int(q) if q == int(q) else np.abs(x) ** q
            yield (0, (), 0, q), power.sum((-3, -2, -1))
    layers: dict[tuple[tuple[int, ...], int], Array] = {((), l): x for l in range(S.L + 1)}
    for order in range(1, S.max_order + 1):
        layers = {
            ((*scales, j), l): response(u, j, l)
            for (scales, l), u in layers.items()
            for j in range((scales[-1] + 1) if scales else 0, S.J + 1)
        }
        for scales, l in sorted(layers):
            yield from integrals(layers[scales, l], order, scales, l)
