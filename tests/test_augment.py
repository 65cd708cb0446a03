"""Augmentation: against its definition in whole numbers, a sample at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from groupscat.datasets import Augment
from groupscat.datasets import augment as augment_module
from groupscat.datasets.philox import philox
from groupscat.errors import ArgumentError, ShapeError


def words_of(seed: int, epoch: int, row: int) -> list[int]:
    """Philox-4×32-10 (Salmon et al. 2011), in whole numbers of Python."""
    c = [row & 0xFFFFFFFF, row >> 32, epoch & 0xFFFFFFFF, epoch >> 32]
    k = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [q >> 32 ^ c[1] ^ k[0], q & 0xFFFFFFFF, p >> 32 ^ c[3] ^ k[1], p & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def augmented(augment: Augment, x: np.ndarray, seed: int, epoch: int, rows) -> np.ndarray:
    """From the definition, a sample at a time: y(u) = x(u − s), what is outside by the rule of padding."""
    y = np.empty_like(x)
    for b, row in enumerate(rows):
        words = words_of(seed, epoch, int(row))
        shifts = []
        for k, n in enumerate(x.shape[2:]):
            reach = round(augment.shift * n) if isinstance(augment.shift, float) else augment.shift
            shifts.append(reach - (words[1 + k] * (2 * reach + 1) >> 32))
        for place in np.ndindex(*x.shape[1:]):
            target, outside = [place[0]], False
            for u, s, n in zip(place[1:], shifts, x.shape[2:], strict=True):
                v = u - s
                outside |= not 0 <= v < n
                if augment.pad == "reflect":
                    v = abs(v) if v < n else 2 * (n - 1) - v
                target.append(min(max(v, 0), n - 1))
            y[b][place] = 0 if augment.pad == "zeros" and outside else x[b][tuple(target)]
        if augment.flip and words[0] >= 1 << 31:
            y[b] = y[b][..., ::-1].copy()
    return y


def check_definition(augment: Augment, shape: tuple[int, ...], dtype: str = "float32") -> None:
    x = np.random.default_rng(0).integers(1, 100, shape).astype(dtype)
    before = x.copy()
    rows = np.random.default_rng(1).integers(0, 2**40, len(x))
    y = augment(x, 2**33 + 5, 7, rows)
    assert y.dtype == x.dtype
    np.testing.assert_array_equal(y, augmented(augment, x, 2**33 + 5, 7, rows))
    np.testing.assert_array_equal(x, before)


def check_batches(augment: Augment) -> None:
    x = np.random.default_rng(0).normal(size=(24, 2, 8, 8))
    rows = np.random.default_rng(1).permutation(1000)[:24]
    whole = augment(x, 0, 3, rows)
    for first, step in ((0, 5), (1, 2), (23, -1)):
        part = slice(first, None, step)
        np.testing.assert_array_equal(augment(x[part], 0, 3, rows[part]), whole[part])


class TestAugment:
    @pytest.mark.parametrize("pad", ["zeros", "reflect", "edge"])
    @pytest.mark.parametrize("flip", [True, False])
    @pytest.mark.parametrize("shift", [0, 2, 0.3])
    @pytest.mark.parametrize("shape", [(9, 2, 7), (9, 3, 6, 5), (5, 1, 5, 4, 6)])
    def test_is_the_definition(self, pad, flip, shift, shape):
        check_definition(Augment(flip, shift, pad), shape)

    def test_bytes_stay_bytes(self):
        check_definition(Augment(shift=2), (9, 3, 6, 5), "uint8")

    def test_does_not_depend_on_batches(self):
        check_batches(Augment(shift=3, pad="reflect"))

    def test_all_flips_and_shifts_are_equally_likely(self):
        """And independent, of each other and from row to row, epoch to epoch, seed to seed."""
        x = np.zeros((9000, 1, 9, 9), np.float32)
        x[:, 0, 4, 2] = 1
        rows = np.arange(9000)

        def outcomes(seed: int, epoch: int) -> np.ndarray:
            y = Augment(shift=1)(x, seed, epoch, rows)
            return y.reshape(9000, -1).argmax(1)

        first = outcomes(0, 0)
        _, counts = np.unique(first, return_counts=True)
        assert len(counts) == 18  # three by three shifts, twice
        assert ((counts - 500) ** 2 / 500).sum() < 17 + 5 * math.sqrt(2 * 17)
        for other in (outcomes(0, 1), outcomes(1, 0), np.roll(first, 1)):
            assert abs((other == first).mean() - 1 / 18) < 5 * math.sqrt(17 / 18**2 / 9000)

    def test_random_words_are_those_of_the_source(self):
        """The known answers that come with the authors' own code."""
        known = {
            ((0,) * 4, (0,) * 2): "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
            ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2): "408f276d 41c83b0e a20bc7c6 6d5451fd",
            (
                (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
                (0xA4093822, 0x299F31D0),
            ): "d16cfe09 94fdcceb 5001e420 24126ea1",
        }
        for (counter, key), expected in known.items():
            assert " ".join(f"{word:08x}" for word in philox(counter, key).tolist()) == expected

    def test_nothing_to_do(self):
        x = np.ones((2, 1, 4))
        assert Augment(flip=False)(x, 0, 0, [0, 1]) is x

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"shift": -1}, "shift=-1"),
            ({"shift": 1.0}, "share of the axis"),
            ({"shift": -0.1}, "share of the axis"),
            ({"shift": math.nan}, "share of the axis"),
            ({"shift": True}, "shift=True"),
            ({"shift": "4"}, "shift='4'"),
            ({"pad": "wrap"}, "pad='wrap': expected one of 'zeros', 'reflect', 'edge'"),
            ({"flip": 1}, "flip=1"),
        ],
    )
    def test_arguments(self, arguments, message):
        with pytest.raises(ArgumentError, match=message):
            Augment(**arguments)

    def test_signals_that_do_not_fit(self):
        augment = Augment(shift=4, pad="reflect")
        for shape, rows in (
            ((2, 3), [0, 1]),
            ((2, 1, 8), [0]),
            ((2, 1, 8), [0, -1]),
            ((1, 1, 2, 2, 2, 2), [0]),
        ):
            with pytest.raises(ShapeError, match="has shape"):
                augment(np.zeros(shape), 0, 0, rows)
        with pytest.raises(ArgumentError, match="4 samples can be reflected by 3"):
            augment(np.zeros((2, 1, 8, 4)), 0, 0, [0, 1])
        with pytest.raises(ArgumentError, match="seed=-1"):
            augment(np.zeros((2, 1, 8)), -1, 0, [0, 1])

    @pytest.mark.parametrize(
        "fault",
        [
            lambda words, seed, epoch, rows: words(seed, epoch, np.arange(len(rows))),  # place in the batch
            lambda words, seed, epoch, rows: words(seed, epoch, np.repeat(rows[:1], len(rows))),
            lambda words, seed, epoch, rows: words(seed, epoch + 1, rows),
            lambda words, seed, epoch, rows: words(seed & 0xFFFFFFFF, epoch, rows),
            lambda words, seed, epoch, rows: words(seed, epoch, rows & 0xFFFFFFFF),
            lambda words, seed, epoch, rows: words(seed, epoch, rows)[:, [0, 2, 1, 3]],
            lambda words, seed, epoch, rows: words(seed, epoch, rows)[:, [1, 1, 2, 3]],
            lambda words, seed, epoch, rows: words(seed, epoch, rows) ^ np.uint64(0x80000000),
        ],
    )
    def test_planted_faults_are_found(self, fault, monkeypatch):
        words = augment_module._words
        monkeypatch.setattr(augment_module, "_words", lambda *arguments: fault(words, *arguments))
        with pytest.raises(AssertionError):
            check_definition(Augment(shift=2), (9, 3, 6, 5))

    def test_dependence_on_the_batch_is_found(self, monkeypatch):
        words = augment_module._words
        monkeypatch.setattr(
            augment_module, "_words", lambda seed, epoch, rows: words(seed, epoch, np.arange(len(rows)))
        )
        with pytest.raises(AssertionError):
            check_batches(Augment(shift=3, pad="reflect"))
