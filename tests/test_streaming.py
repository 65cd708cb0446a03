"""Signals longer than memory: windows give the coefficients of one long transform."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import groupscat as gs
from groupscat.errors import ArgumentError, DataError, DtypeError, ShapeError
from groupscat.streaming import error_bound, reach, windows
from groupscat.testing.base import noise
from tests.frameworks import needs

#: Of coefficients relative to the largest |x|: the error asked for, and rounding.
TOLERANCE = 3e-12


def joined(*arguments, **options):
    return np.concatenate([np.asarray(y) for y in gs.stream(*arguments, **options)], -1)


def long(S, n):
    """The operator for the whole signal, the one to agree with."""
    if hasattr(S, "operator"):
        return S.operator.replace(shape=n).restrict(S.rows)
    return S.replace(shape=n)


def blocks(x, *lengths):
    """x cut into blocks whose lengths repeat."""
    start = 0
    for length in itertools.cycle(lengths):
        if start >= x.shape[-1]:
            return
        yield x[..., start : start + length]
        start += length


def difference(found, wanted, x):
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    return np.abs(found - wanted).max() / np.abs(x).max()


S1 = gs.Scattering1D(J=4, shape=256, Q=4)
CASES = {
    "plain": S1,
    "zero": S1.replace(padding="zero"),
    "edge": S1.replace(padding="edge"),
    "wide average": S1.replace(T=100),
    "narrow average": S1.replace(T=4),
    "no average": S1.replace(T=0, stride=4),
    "coarse stride": S1.replace(T=64, stride=64),
    "oversampled": S1.replace(oversampling=2),
    "three orders": S1.replace(max_order=3),
    "order 0": S1.replace(max_order=0),
    "rectifier": S1.replace(rho="rectifier"),
    "complex": S1.replace(complex_input=True),
    "cascade": S1.replace(method="cascade", Q=2),
    "exact padding": S1.replace(exact_padding=True),
    "any rank": gs.Scattering(J=3, shape=(128,), Q=2),
    "some paths": S1.restrict([3, 20, 0]),
    "time-frequency": gs.TimeFrequencyScattering(J=5, J_fr=2, shape=256, Q=4),
    "time-frequency, joint": gs.TimeFrequencyScattering(J=5, J_fr=2, shape=256, Q=4, format="joint"),
    "time-frequency, T=0": gs.TimeFrequencyScattering(J=5, J_fr=2, shape=256, Q=4, T=0, stride=8),
    "time-frequency, separable": gs.TimeFrequencyScattering(J=5, J_fr=2, shape=256, Q=4, separable=True),
}


class TestTheSameCoefficients:
    @pytest.mark.parametrize("name", CASES)
    @pytest.mark.parametrize("n", [20_000, 20_013])
    def test_as_one_long_transform(self, name, n):
        S = CASES[name]
        x = noise((2, n), is_complex=S.complex_input)
        assert len(list(gs.stream(S, x))) > 2
        assert difference(joined(S, x), long(S, n)(x), x) < TOLERANCE

    @pytest.mark.parametrize(
        "name", ["plain", "zero", "edge", "no average", "cascade", "time-frequency, joint"]
    )
    def test_of_blocks(self, name):
        S, n = CASES[name], 20_013
        x = noise((n,))
        found = joined(S, blocks(x, 777, 1, 0, 4096), length=n)
        wanted = long(S, n)(x)
        ends = 4 * reach(S) // (n // wanted.shape[-1])
        assert difference(found[..., ends:-ends], wanted[..., ends:-ends], x) < TOLERANCE
        # There the two paddings of the long transform meet, and those of blocks do not.
        assert difference(found, wanted, x) < 1e-7

    def test_of_blocks_of_unknown_length(self):
        """They are sampled where those of the operator are: here at multiples of the stride."""
        x = noise((20_000 + 32 * 7,))
        found = joined(S1, blocks(x, 500))
        assert difference(found, long(S1, x.shape[-1])(x), x) < 1e-7
        odd = joined(S1, blocks(x[:-1], 500))
        assert difference(odd[..., :-90], found[..., :-90], x) < TOLERANCE

    def test_circular(self):
        S, n = S1.replace(padding="circular"), 20_480
        x = noise((n,))
        assert difference(joined(S, x), long(S, n)(x), x) < TOLERANCE
        turned = joined(S, np.roll(x, 160))
        assert difference(np.roll(turned, -10, -1), long(S, n)(x), x) < TOLERANCE

    @pytest.mark.parametrize("n", [16, 17, 300, 2000])
    def test_what_fits_in_a_window_is_transformed_at_once(self, n):
        x = noise((3, n))
        for signal in (x, blocks(x, 7)):
            (found,) = gs.stream(S1, signal)
            np.testing.assert_array_equal(found, S1.replace(shape=n)(x))

    @given(st.integers(2_000, 9_000), st.lists(st.integers(1, 3_000), min_size=1, max_size=4), st.data())
    def test_any_length_and_blocks(self, n, lengths, data):
        padding = data.draw(st.sampled_from(["reflect", "zero", "edge"]))
        S = gs.Scattering1D(J=2, shape=data.draw(st.integers(4, 600)), padding=padding)
        x = noise((n,), n)
        wanted = long(S, n)(x)
        assert difference(joined(S, x), wanted, x) < TOLERANCE
        assert difference(joined(S, blocks(x, *lengths), length=n), wanted, x) < 1e-7

    def test_less_error_takes_more_overlap(self):
        x = noise((40_000,))
        wanted, overlaps = long(S1, 40_000)(x), []
        for error in (1e-3, 1e-6, 1e-9, 1e-12):
            parts = gs.stream(S1, x, error=error)
            overlaps.append(parts.overlap)
            assert difference(np.concatenate(list(parts), -1), wanted, x) < error + TOLERANCE
        assert overlaps == sorted(set(overlaps))

    def test_every_type(self):
        x = np.rint(1000 * noise((9_000,)))
        for kind in ("float32", "int16", ">i2", ">f8", "int32", "float16"):
            values = x.astype(kind)
            for signal in (values, blocks(values, 1000)):
                found, wanted = joined(S1, signal, length=9_000), long(S1, 9_000)(values)
                limit = {"float64": TOLERANCE, "float32": 1e-5, "float16": 1e-3}[wanted.dtype.name]
                assert difference(found, wanted, values) < max(limit, 1e-7)


class TestFrameworks:
    def agree(self, S, signal, wanted, x):
        parts = list(gs.stream(S, signal))
        assert type(parts[0]) is type(signal)
        assert difference(np.concatenate([np.asarray(y) for y in parts], -1), wanted, x) < TOLERANCE

    @needs("torch")
    def test_torch(self):
        import torch

        import groupscat.torch

        x = noise((2, 9_000))
        wanted = long(S1, 9_000)(x)
        self.agree(S1, torch.asarray(x), wanted, x)
        self.agree(groupscat.torch.Scattering1D(**S1.config), torch.asarray(x), wanted, x)
        assert isinstance(next(iter(gs.stream(S1, x, backend="torch"))), torch.Tensor)
        assert difference(joined(S1, blocks(x, 999), length=9_000, backend="torch"), wanted, x) < 1e-7

    @needs("jax")
    def test_jax(self):
        import jax

        import groupscat.jax

        with jax.enable_x64(True):
            x = noise((9_000,))
            wanted = long(S1, 9_000)(x)
            self.agree(S1, jax.numpy.asarray(x), wanted, x)
            self.agree(groupscat.jax.Scattering1D(**S1.config), jax.numpy.asarray(x), wanted, x)

    @needs("tensorflow")
    def test_tensorflow(self):
        import tensorflow as tf

        x = noise((9_000,))
        self.agree(S1.replace(padding="zero"), tf.constant(x), S1.replace(padding="zero", shape=9_000)(x), x)


class TestFiles:
    def test_memory_map_and_npy(self, tmp_path):
        x = noise((2, 9_000)).astype(np.float32)
        np.save(tmp_path / "x.npy", x)
        wanted = long(S1, 9_000)(x)
        for signal in (
            np.load(tmp_path / "x.npy", mmap_mode="r"),
            tmp_path / "x.npy",
            str(tmp_path / "x.npy"),
        ):
            (first, *_) = parts = list(gs.stream(S1, signal))
            assert type(first) is np.ndarray
            assert difference(np.concatenate(parts, -1), wanted, x) < 1e-5

    @pytest.mark.parametrize("channels", [1, 2])
    def test_recording(self, tmp_path, channels):
        soundfile = pytest.importorskip("soundfile")
        x = np.clip(0.2 * noise((9_000, channels)), -1, 1)
        soundfile.write(tmp_path / "x.wav", x, 8000, subtype="DOUBLE")
        values = x[:, 0] if channels == 1 else x.T
        assert difference(joined(S1, tmp_path / "x.wav"), long(S1, 9_000)(values), values) < TOLERANCE

    def test_what_is_no_signal(self, tmp_path):
        (tmp_path / "x.npy").write_bytes(b"no")
        (tmp_path / "x.txt").write_text("no", encoding="utf-8")
        for name in ("x.npy", "missing.npy", "missing.wav"):
            with pytest.raises(DataError, match=f"Cannot read .*{name}"):
                joined(S1, tmp_path / name)
        pytest.importorskip("soundfile")
        with pytest.raises(DataError, match=r"Cannot read .*x\.txt"):
            joined(S1, tmp_path / "x.txt")


class Watched:
    """A signal of zeros of any length that remembers what is read of it."""

    def __init__(self, n):
        self.shape, self.read = (n,), []

    def __getitem__(self, at):
        start, stop, _ = at[-1].indices(self.shape[0])
        self.read.append((start, stop))
        return np.zeros(stop - start)


class TestMemory:
    def test_does_not_grow_with_the_length(self):
        peaks = []
        for n in (50_000, 800_000):
            x = (np.zeros(5_000) for _ in range(n // 5_000))
            tracemalloc.start()
            frames = sum(y.shape[-1] for y in gs.stream(S1, x))
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert frames == n // 16
        assert peaks[1] < 1.2 * peaks[0]

    def test_a_terabyte_begins_at_once(self):
        x = Watched(1 << 37)
        parts = gs.stream(S1, x)
        first = next(iter(parts))
        assert first.shape[-1] == parts.step // 16
        assert sum(stop - start for start, stop in x.read) <= parts.window

    def test_each_sample_is_read_once_and_in_the_overlaps(self):
        x = Watched(100_000)
        parts = gs.stream(S1, x)
        count = len(list(parts))
        assert sum(stop - start for start, stop in x.read) <= count * parts.window
        assert count * parts.window < 1.5 * 100_000
        assert max(stop - start for start, stop in x.read) <= parts.window

    def test_blocks_are_taken_when_they_are_needed(self):
        taken = []

        def source():
            for k in itertools.count():
                taken.append(k)
                yield np.zeros(1000)

        parts = gs.stream(S1, source())
        for k, _ in zip(range(1, 6), parts, strict=False):
            assert 1000 * len(taken) < k * parts.step + parts.window + 1000

    def test_a_long_operator_reaches_far_but_a_block_may_be_larger(self):
        assert gs.stream(S1, np.zeros(9)).window < 4_000
        parts = gs.stream(S1.replace(shape=100_000), np.zeros(9))
        assert parts.step >= 100_000
        assert parts.window < 1.1 * 100_000


class TestReach:
    @pytest.mark.parametrize("name", ["plain", "wide average", "no average", "three orders", "cascade"])
    @pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 1.0])
    def test_bounds_what_lies_beyond(self, name, share):
        """Signals that agree up to M samples away, and nowhere else."""
        S = CASES[name].replace(shape=1 << 14, padding="circular")
        middle, samples = 1 << 13, int(share * reach(S))
        inside = np.abs(np.arange(1 << 14) - middle) <= samples
        x = np.sign(noise((8, 1 << 14)))
        other = np.where(inside, x, np.sign(noise((8, 1 << 14), 1)))
        frame = middle // (S.shape[0] // S.output_shape[-1])
        found = np.abs(S(x) - S(other))[..., frame].max()
        assert found <= error_bound(S, samples) + 1e-14

    @pytest.mark.parametrize("name", ["plain", "wide average", "no average"])
    def test_is_not_far_too_long(self, name):
        """Half of the reach does not do: the bound is of use."""
        S = CASES[name].replace(shape=1 << 14, padding="circular")
        middle, samples = 1 << 13, reach(S) // 3
        x = np.where(np.abs(np.arange(1 << 14) - middle) <= samples, 0.0, np.sign(noise((64, 1 << 14))))
        frame = middle // (S.shape[0] // S.output_shape[-1])
        assert np.abs(S(x))[..., frame].max() > 1e-9

    def test_the_cascade_ends_for_good(self):
        S = CASES["cascade"].replace(shape=1 << 12, padding="circular")
        far = np.abs(np.arange(1 << 12) - 2048) > reach(S)
        np.testing.assert_array_equal(S(np.where(far, noise((1 << 12,)), 0.0))[:, 128], 0)
        near = ~far & (np.abs(np.arange(1 << 12) - 2048) > 0.8 * reach(S))
        assert np.abs(S(np.where(near, noise((1 << 12,)), 0.0))[:, 128]).max() > 0
        assert error_bound(S, reach(S)) == 0 < error_bound(S, reach(S) - 1)

    def test_bound_and_reach_are_inverse(self):
        for S in CASES.values():
            assert error_bound(S, 0) > 1
            assert error_bound(S, reach(S)) <= 1e-12
            assert reach(S, 1e-3) <= reach(S, 1e-6) <= reach(S)

    @pytest.mark.parametrize("error", [0, 1, -1, 2.0, float("nan")])
    def test_an_error_that_is_none(self, error):
        with pytest.raises(ArgumentError, match="between 0 and 1"):
            reach(S1, error)


class TestErrors:
    @pytest.mark.parametrize(
        ("operator", "message"),
        [
            (gs.Scattering2D(J=2, shape=(8, 8)), "does not act along time alone"),
            (gs.Scattering2D(J=2, shape=(8, 8)).restrict([0]), "does not act along time alone"),
            (S1.replace(T="global"), "coefficients at one rate"),
            (S1.replace(out_type="list"), "coefficients at one rate"),
            (S1.replace(T=0, out_type="dict"), "coefficients at one rate"),
            (S1.replace(normalize="littlewood-paley"), "depend on its length"),
            ("Scattering1D", "expected a Scattering1D"),
        ],
    )
    def test_operators(self, operator, message):
        with pytest.raises(ArgumentError, match=message):
            gs.stream(operator, np.zeros(100))

    @pytest.mark.parametrize(
        ("signal", "error", "message"),
        [
            (np.zeros(()), ShapeError, "no axes"),
            (np.zeros((2, 0)), ShapeError, "no samples"),
            ([], ShapeError, "no samples"),
            ([np.zeros((2, 0))], ShapeError, "no samples"),
            ([np.zeros(())], ShapeError, "A block has no axes"),
            ([np.zeros((2, 100)), np.zeros((3, 100))], ShapeError, "block at sample 100 has shape"),
            ([np.zeros(100), np.zeros(100, np.float32)], DtypeError, "is float32, but float64 came before"),
            (3, DtypeError, "got int"),
            ([object()], DtypeError, "Expected an array"),
        ],
    )
    def test_signals(self, signal, error, message):
        with pytest.raises(error, match=message):
            joined(S1, signal)

    def test_lengths(self):
        x = np.zeros(10_000)
        for signal in (x, blocks(x, 1000)):
            with pytest.raises(ShapeError, match="length=9999, but the signal has 10000"):
                joined(S1, signal, length=9_999)

    def test_circular(self):
        S = S1.replace(padding="circular")
        with pytest.raises(ArgumentError, match="joins the end of the signal"):
            joined(S, blocks(np.zeros(10_000), 1000))
        with pytest.raises(ArgumentError, match="divisible by 16, got 10001"):
            joined(S, np.zeros(10_001))

    def test_a_signal_as_wrong_as_for_the_operator(self):
        with pytest.raises(DtypeError, match="complex_input"):
            joined(S1, np.zeros(10_000, complex))
        with pytest.raises(gs.BackendError, match="nowhere"):
            joined(S1, np.zeros(10_000), backend="nowhere")


gather = windows.gather
FAULTS = {
    "half the overlap": ("reach", lambda S, error: reach(S, error) // 2),
    "a sample late": ("gather", lambda signal, at: gather(signal, np.maximum(at - 1, 0))),
    "the padding of an image": ("gather", lambda signal, at: gather(signal, np.sort(at))),
}


@pytest.mark.parametrize("name", FAULTS)
def test_planted_faults_are_found(monkeypatch, name):
    where, fault = FAULTS[name]
    monkeypatch.setattr(windows, where, fault)
    x = noise((20_000,))
    assert difference(joined(S1, x), long(S1, 20_000)(x), x) > 1e-10


def test_a_misplaced_grid_is_found():
    """Intermediate results are subsampled: windows must begin on their grids."""
    parts = gs.stream(S1, noise((20_000,)))
    parts.step -= 8
    assert np.concatenate(list(parts), -1).shape != long(S1, 20_000).output_shape


def test_a_forgotten_sample_is_found(monkeypatch):
    from groupscat.streaming.signal import Blocks

    forget, x = Blocks.forget, noise((20_000,))
    monkeypatch.setattr(Blocks, "forget", lambda self, start: forget(self, start + 2000))
    with pytest.raises((ShapeError, IndexError, ValueError)):
        joined(S1, blocks(x, 100))
