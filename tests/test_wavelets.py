"""Wavelets: the closed form equals sampling, every band-pass has zero mean, and the bank covers the plane."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import sph_harm_y

import groupscat as gs
from groupscat.groups import Cyclic
from groupscat.testing.tolerances import assert_close
from groupscat.wavelets import Gabor, Morlet, audio_bank, littlewood_paley, oriented_bank
from groupscat.wavelets.cascade import CascadeBank
from groupscat.wavelets.harmonic import SolidHarmonic
from groupscat.wavelets.sampling import spectra
from tests import oracle

BANKS: dict[str, tuple[gs.Scattering, list[list[oracle.Gaussian]]]] = {
    "1-D": (
        gs.Scattering1D(J=5, shape=100, Q=(6, 2)),
        [oracle.wavelets_1d(5, 6), oracle.wavelets_1d(5, 2)],
    ),
    "1-D, no constant-Q part": (
        gs.Scattering1D(J=1, shape=64, Q=16),
        [oracle.wavelets_1d(1, 16), oracle.wavelets_1d(1, 1)],
    ),
    "1-D, complex": (
        gs.Scattering1D(J=3, shape=64, Q=2, complex_input=True),
        [oracle.wavelets_1d(3, 2, negative=True), oracle.wavelets_1d(3, 1)],
    ),
    "2-D": (gs.Scattering2D(J=3, shape=(24, 17), L=6), [oracle.wavelets_2d(3, 6)] * 2),
    "2-D, L odd": (gs.Scattering2D(J=2, shape=(9, 8), L=5), [oracle.wavelets_2d(2, 5)] * 2),
    "2-D, L=1": (gs.Scattering2D(J=2, shape=(9, 8), L=1), [oracle.wavelets_2d(2, 1)] * 2),
    "2-D, complex": (
        gs.Scattering2D(J=2, shape=(9, 8), L=3, complex_input=True),
        [oracle.wavelets_2d(2, 3, negative=True), oracle.wavelets_2d(2, 3)],
    ),
}


@pytest.mark.parametrize("name", BANKS)
def test_parameters_are_the_published_ones(name: str) -> None:
    S, expected = BANKS[name]
    for order, wanted in enumerate(expected, start=1):
        found = S.bank.wavelets(order)
        assert [w.j for w in found] == [w.j for w in wanted]
        assert [w.n for w in found] == list(range(len(found)))
        np.testing.assert_allclose([w.xi for w in found], [w.xi for w in wanted], rtol=0, atol=1e-15)
        widths = [1 / (2 * math.pi * w.sigma[0]) for w in found]
        np.testing.assert_allclose(widths, [w.along for w in wanted], rtol=1e-14)
        across = [1 / (2 * math.pi * w.sigma[-1]) for w in found]
        np.testing.assert_allclose(across, [w.across for w in wanted], rtol=1e-14)


@pytest.mark.parametrize("name", BANKS)
def test_closed_form_equals_direct_sampling(name: str) -> None:
    S, expected = BANKS[name]
    grid = tuple(a.padded for a in S.axes)
    for order, wanted in enumerate(expected, start=1):
        direct = np.stack([w.sampled(grid) for w in wanted])
        assert_close(S.filters.psi_space(order), direct)
        spectra = direct
        for axis, n in enumerate(grid, start=1):
            spectra = np.moveaxis(np.tensordot(spectra, oracle.dft(n, -1), (axis, 1)), -1, axis)
        assert np.abs(spectra.imag).max() < 1e-12
        assert_close(S.filters.psi(order), spectra.real)


@pytest.mark.parametrize(("shape", "T"), [((100,), 8), ((100,), 11), ((24, 17), 4), ((9, 8), 7)])
def test_lowpass_equals_direct_sampling(shape: tuple[int, ...], T: int) -> None:
    S = gs.Scattering(J=2, shape=shape, T=T)
    grid = tuple(a.padded for a in S.axes)
    phi = S.filters.phi_space()
    assert_close(phi, oracle.lowpass(len(shape), T).sampled(grid).real)
    assert phi.sum() == pytest.approx(1, abs=1e-2 if T < 8 else 1e-8)  # 2-D: a sampled, narrow Gaussian


@given(
    xi=st.floats(-0.5, 0.5),
    sigma=st.floats(1e-3, 0.4),
    n=st.integers(2, 40),
    log2=st.integers(0, 2),
)
def test_any_morlet_has_zero_mean_and_folds(xi: float, sigma: float, n: int, log2: int) -> None:
    """Subsampling in space sums the aliases: closed form of the folded spectrum."""
    psi = Morlet(xi=(xi,), sigma=(sigma,))
    assert abs(psi.hat([np.zeros(1)])[0]) < 1e-15
    fine = psi.hat([np.fft.fftfreq(n << log2)])
    folded = psi.hat([np.arange(n) / (n << log2)], period=2.0**-log2)
    assert_close(folded, fine.reshape(2**log2, n).sum(0), 1.0)


def periodised(psi: Gabor, freqs: list[Any], period: float) -> Any:
    """Σ_m exp(−½ |R(f + m·period − ξ)/σ|²) at every f, less the same about 0 for a Morlet wavelet."""
    frame = np.array(psi.directions) if psi.directions else np.eye(psi.ndim)

    def gaussian(freqs: list[Any], centre: tuple[float, ...], period: float) -> Any:
        reach = math.ceil(9 * max(psi.sigma) / period) + 1
        f = np.stack(np.meshgrid(*freqs, indexing="ij"), axis=-1)
        total = np.zeros(f.shape[:-1])
        for m in itertools.product(range(-reach, reach + 1), repeat=psi.ndim):
            x = (f + period * np.array(m) - centre) @ frame.T / psi.sigma
            total += np.exp(-0.5 * (x**2).sum(-1))
        return total

    hat = gaussian(freqs, psi.xi, period)
    if not isinstance(psi, Morlet):
        return hat
    zero, origin = [np.zeros(1)] * psi.ndim, (0.0,) * psi.ndim
    K = gaussian(zero, psi.xi, 1.0) / gaussian(zero, origin, 1.0)
    return hat - K * gaussian(freqs, origin, period)


@pytest.mark.parametrize("j", [0, 1, 2, 4])
@pytest.mark.parametrize(
    ("ndim", "L", "period"), [(2, 1, 1.0), (2, 8, 1.0), (2, 16, 1.0), (2, 3, 0.5), (3, 2, 1.0), (3, 6, 1.0)]
)
def test_spectra_are_the_sums_over_all_aliases(ndim: int, L: int, period: float, j: int) -> None:
    """In two and three dimensions they are summed in frequency or, for wide bands, in space."""
    bank = oriented_bank(ndim, j + 1, L, 2 ** (j + 1))
    freqs = [np.fft.fftfreq(n) for n in ((17, 12), (7, 5, 4))[ndim - 2]]
    for psi in (bank.phi, *bank.wavelets(1)[-2:]):
        wanted = periodised(psi, freqs, period)
        out = np.full(wanted.shape, np.nan)
        found = psi.scaled(3.0).hat(freqs, period, out=out)
        assert found is out
        np.testing.assert_allclose(found / 3, wanted, rtol=0, atol=1e-14 * max(1, np.abs(wanted).max()))


@pytest.mark.parametrize("ndim", [2, 3])
def test_wide_bands_are_summed_in_space_and_narrow_ones_in_frequency(
    ndim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    freqs = [np.fft.fftfreq(8)] * ndim
    monkeypatch.setattr(Gabor, "_add_gaussian", None)
    wide, narrow = oriented_bank(ndim, 4, 2, 16).wavelets(1)[::6]
    assert (wide.j, narrow.j) == (0, 3)
    wide.hat(freqs)
    with pytest.raises(TypeError):
        narrow.hat(freqs)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("crop", [False, True])
@given(
    sizes=st.lists(st.integers(3, 14), min_size=3, max_size=3), L=st.integers(2, 8), low=st.integers(-9, 9)
)
def test_mirror_images_are_what_they_would_be_alone(
    ndim: int, crop: bool, sizes: list[int], L: int, low: int
) -> None:
    size = tuple(sizes[:ndim])
    filters: list[Gabor] = [Gabor(xi=(x,), sigma=(0.05,)) for x in (0.2, -0.2, 0.1)]
    if ndim > 1:
        filters = [psi for block in oriented_bank(ndim, 2, L, 4, negative=True).by_scale(1) for psi in block]
    bins = [np.arange(low, low + n - crop) for n in size]
    freqs = [b / n for b, n in zip(bins, size, strict=True)]
    seen = [(k, hat.copy()) for k, hat in spectra(filters, bins, size, size)]
    assert sorted(k for k, _ in seen) == list(range(len(filters)))
    for k, hat in seen:
        np.testing.assert_allclose(hat, filters[k].hat(freqs, size=size), rtol=0, atol=1e-13)


def test_of_mirror_images_one_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    computed = []
    hat = Morlet.hat
    monkeypatch.setattr(Morlet, "hat", lambda self, *a, **k: computed.append(self) or hat(self, *a, **k))
    gs.Scattering2D(1, (16, 16), L=8).plan.constants[2][1].build()
    assert len(computed) == 5


@given(t=st.integers(-3, 3), f=st.floats(-0.5, 0.5), xi=st.floats(-0.5, 0.5), sigma=st.floats(0.01, 0.3))
def test_spectra_have_period_one(t: int, f: float, xi: float, sigma: float) -> None:
    g = Gabor(xi=(xi,), sigma=(sigma,))
    assert_close(g.hat([np.array([f + t])]), g.hat([np.array([f])]), 1.0)


@pytest.mark.parametrize("eps", [1e-3, 1e-6, 1e-12])
@pytest.mark.parametrize("psi", audio_bank(4, (3, 1), 16).wavelets(1)[:6] + oriented_bank(2, 2, 3, 4).psi[0])
def test_support_holds_everything_above_eps(psi: Morlet, eps: float) -> None:
    freqs = np.linspace(-2, 2, 801)
    grid = np.stack(np.meshgrid(*[freqs[:: 1 if psi.ndim == 1 else 8]] * psi.ndim, indexing="ij"), -1)
    offset = grid - np.array(psi.xi)
    rotation = np.array(psi.directions) if psi.directions else np.eye(psi.ndim)
    deviation = ((offset @ rotation.T / np.array(psi.sigma)) ** 2).sum(-1)
    outside = np.zeros(grid.shape[:-1], bool)
    for axis, (lo, hi) in enumerate(psi.support(eps)):
        outside |= (grid[..., axis] < lo) | (grid[..., axis] > hi)
    assert outside.any()
    assert np.exp(-deviation / 2)[outside].max() <= eps


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("L", [1, 2, 3, 4, 6, 7, 8])
def test_orientations_are_frames_and_never_opposite(ndim: int, L: int) -> None:
    bank = oriented_bank(ndim, J=1, L=L, T=2)
    axes = []
    for w in bank.wavelets(1):
        frame = np.array(w.directions)
        np.testing.assert_allclose(frame @ frame.T, np.eye(ndim), atol=1e-14)
        np.testing.assert_allclose(np.array(w.xi) / 0.375, frame[0], atol=1e-14)
        axes.append(frame[0])
    cosines = np.abs(np.array(axes) @ np.array(axes).T) - np.eye(L)
    assert L == 1 or cosines.max() < 1 - 1e-3


def test_complex_input_adds_the_opposite_orientations() -> None:
    half = oriented_bank(2, J=1, L=4, T=2).wavelets(1)
    whole = oriented_bank(2, J=1, L=4, T=2, negative=True).wavelets(1)
    assert whole[:4] == half
    np.testing.assert_allclose([w.xi for w in whole[4:]], [[-v for v in w.xi] for w in half], atol=1e-15)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_cyclic_group_acts(n: int) -> None:
    G = Cyclic(n)
    for g in G.elements():
        assert G.mul(int(g), G.inv(int(g))) == 0
        for h in G.elements():
            product = G.act(G.mul(int(g), int(h)))
            np.testing.assert_allclose(G.act(int(g)) @ G.act(int(h)), product, atol=1e-14)


# --------------------------------------------------------------------------------- Littlewood-Paley


def test_littlewood_paley_range_is_the_published_one() -> None:
    """REFERENCE: .12–1.05 for Kymatio's plane bank at J=4, L=8, and 2.02 for complex input."""
    S = gs.Scattering2D(J=4, shape=(128, 128), L=8, padding="circular")
    measured = S.littlewood_paley()
    assert (round(measured.lower, 2), round(measured.upper, 2)) == (0.12, 1.05)
    assert round(littlewood_paley(S.bank, (128, 128), real_input=False).upper, 2) == 2.02


@pytest.mark.parametrize("name", BANKS)
def test_littlewood_paley_is_the_sum_of_the_published_filters(name: str) -> None:
    S, expected = BANKS[name]
    grid = tuple(a.padded for a in S.axes)
    for order, wanted in enumerate(expected, start=1):
        waves = [oracle.lowpass(len(grid), 2**S.J), *wanted]
        energies = []
        for w in waves:
            hat = w.sampled(grid)
            for axis, n in enumerate(grid):
                hat = np.moveaxis(np.tensordot(hat, oracle.dft(n, -1), (axis, 1)), -1, axis)
            energies.append(np.abs(hat) ** 2)
        total = sum(energies)
        mirrored = total[np.ix_(*[-np.arange(n) % n for n in grid])]
        whole = S.complex_input and order == 1
        assert_close(S.littlewood_paley(order).total, total if whole else (total + mirrored) / 2)


@pytest.mark.parametrize(
    "arguments",
    [
        {"J": 4, "shape": 256, "Q": 1},
        {"J": 5, "shape": 200, "Q": (8, 2)},
        {"J": 3, "shape": (32, 24)},
        {"J": 2, "shape": (17, 16), "L": 3},
        {"J": 2, "shape": (17, 16), "L": 3, "complex_input": True},
        {"J": 1, "shape": (4, 4, 2), "L": 3},
    ],
)
@pytest.mark.parametrize("padding", ["circular", "reflect"])
def test_normalised_bank_has_frame_bound_one(arguments: dict[str, Any], padding: Any) -> None:
    S = gs.Scattering(**arguments, normalize="littlewood-paley", padding=padding)
    upper = [S.littlewood_paley(order).upper for order in (1, 2)]
    assert max(upper) == pytest.approx(1, abs=1e-12)
    plain = S.replace(normalize=None)
    gain = max(plain.littlewood_paley(order).upper for order in (1, 2)) ** -0.5
    for order in (1, 2):
        assert_close(S.filters.psi(order), gain * plain.filters.psi(order))
    assert_close(S.filters.phi, gain * plain.filters.phi)


@given(J=st.integers(1, 8), Q=st.integers(1, 24), n=st.integers(2, 300))
def test_no_audio_filter_is_ever_nan(J: int, Q: int, n: int) -> None:
    bank = audio_bank(J, (Q, 1), 2**J)
    freqs = [np.fft.fftfreq(n)]
    for w in (bank.phi, *bank.wavelets(1)):
        hat = w.hat(freqs, size=(n,))
        assert np.isfinite(hat).all()
        assert np.abs(hat).max() <= 1 + 1e-12  # Σ|ψ| ≤ 1 bounds the spectrum


@given(J=st.integers(1, 5), L=st.integers(1, 12), shape=st.tuples(st.integers(1, 24), st.integers(1, 24)))
def test_no_oriented_filter_is_ever_nan(J: int, L: int, shape: tuple[int, int]) -> None:
    bank = oriented_bank(2, J, L, 2**J)
    for w in (bank.phi, *bank.wavelets(1)):
        assert np.isfinite(w.hat([np.fft.fftfreq(n) for n in shape])).all()


def test_impossible_cyclic_group_is_refused() -> None:
    with pytest.raises(gs.ArgumentError, match=r"Cyclic\(n\): n=0: expected an integer ≥ 1"):
        Cyclic(0)


# -------------------------------------------------------------------------------- other families


@pytest.mark.parametrize("l", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("which", ["all", "half", "first"])
def test_solid_harmonics_are_the_spherical_harmonics(l: int, which: Any) -> None:
    freqs = [np.fft.fftfreq(n) for n in (4, 5, 3)]
    found = SolidHarmonic(j=0, l=l, width=1.3, which=which).hat(freqs)
    c, b, a = np.meshgrid(*[2 * math.pi * 1.3 * f for f in freqs], indexing="ij")
    r = np.sqrt(a**2 + b**2 + c**2)
    factor = math.pi * math.sqrt(2 / (2 * l + 1)) / (2 ** ((l + 1) / 2) * math.gamma((l + 3) / 2))
    radial = factor * (-1j) ** l * r**l * np.exp(-(r**2) / 2)
    degrees = {"all": range(-l, l + 1), "half": range(l + 1), "first": [-l]}[which]
    polar = np.arctan2(c, np.hypot(a, b)) + math.pi / 2
    wanted = np.stack([radial * sph_harm_y(l, m, polar, np.arctan2(b, a)) for m in degrees])
    if which == "half":
        wanted[1:] *= math.sqrt(2)
    assert_close(found, wanted)


@pytest.mark.parametrize(("ndim", "voices"), [(1, 1), (1, 4), (2, 3), (3, 3)])
def test_cascade_filters_are_samples_of_the_wavelets(ndim: int, voices: int) -> None:
    bank = CascadeBank(ndim, voices)
    radius = bank.band.shape[1] // 2
    points = np.stack(np.meshgrid(*[np.arange(-radius, radius + 1)] * ndim, indexing="ij"), -1)
    for w, taps in zip(bank.wavelets, bank.band, strict=True):
        frame = np.array(w.directions) if w.directions else np.eye(ndim)
        widths = 1 / (2 * math.pi * np.array(w.sigma))
        window = np.exp(-(((points @ frame.T) / widths) ** 2).sum(-1) / 2)
        window /= (2 * math.pi) ** (ndim / 2) * math.prod(widths)
        wave = window * np.exp(2j * math.pi * (points @ np.array(w.xi)))
        assert_close(taps, wave - wave.sum() / window.sum() * window)
    low = np.exp(-((np.arange(bank.low.shape[0]) - bank.low.shape[0] // 2) ** 2) / (2 * 0.48))
    wanted = low / low.sum()
    for _ in range(ndim - 1):
        wanted = np.multiply.outer(wanted, low / low.sum())
    assert_close(bank.low, wanted)


def test_cascade_labels_are_dilated_wavelets() -> None:
    S = gs.Scattering2D(J=3, shape=(32, 32), L=4, method="cascade", max_order=1)
    for path in S.paths[1:]:
        (w,) = path.wavelets
        first = S.cascade.wavelets[w.theta]
        np.testing.assert_allclose(np.array(w.xi) * 2**w.j, first.xi, rtol=1e-14)
        np.testing.assert_allclose(np.array(w.sigma) * 2**w.j, first.sigma, rtol=1e-14)


@pytest.mark.parametrize("shape", [(256,), (64, 64)])
def test_equivalent_cascade_filters_peak_where_they_are_labelled(shape: tuple[int, ...]) -> None:
    S = gs.Scattering(J=2, shape=shape, method="cascade", max_order=1)
    for level in (1, 2):
        _, psi = S.cascade.equivalent(level)
        for w, taps in zip(S.cascade.at_scale(level - 1), psi, strict=True):
            hat = np.abs(np.fft.fftn(taps, shape, tuple(range(len(shape)))))
            peak = np.array(np.unravel_index(hat.argmax(), shape)) / np.array(shape)
            peak = (peak + 0.5) % 1 - 0.5
            assert np.linalg.norm(peak - np.array(w.xi)) < 0.1 / 2 ** (level - 1)
