"""Data to train on: labelled arrays, and how archives of arrays and folders of images become them."""

from __future__ import annotations

import io
import math
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from groupscat.datasets import Dataset, dataset_splits, decode, open_dataset
from groupscat.errors import ArgumentError, DataError, DtypeError, ShapeError


def images(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def labels(count: int, classes: int) -> np.ndarray:
    return np.arange(count) % classes


@pytest.fixture
def data() -> Dataset:
    return Dataset(images(60, 3, 6, 5), labels(60, 3), ("a", "b", "c"), 1 / 255, "sample")


class TestDataset:
    def test_batches_are_scaled_rows(self, data):
        for dtype, tolerance in (("float32", 1e-6), ("float64", 1e-15)):
            batch = data.batch([5, 0, 59], dtype)
            assert batch.dtype == dtype
            np.testing.assert_allclose(batch, data.x[[5, 0, 59]] / 255, rtol=tolerance)
        np.testing.assert_array_equal(data.batch(slice(3, 5)), data.batch([3, 4]))
        np.testing.assert_array_equal(data.batch(data.y == 1), data.batch(np.flatnonzero(data.y == 1)))
        assert data.batch([]).shape == (0, 3, 6, 5)
        assert len(data) == 60
        assert data.shape == (3, 6, 5)

    @pytest.mark.parametrize("rows", [[60], [-1], [0, 99]])
    def test_rows_outside(self, data, rows):
        with pytest.raises(ArgumentError, match="rows 0 to 59"):
            data.batch(rows)

    @pytest.mark.parametrize("rows", [[0.5], [True, False], [[0]], 3])
    def test_rows_that_are_none(self, data, rows):
        with pytest.raises(DtypeError, match="expected integers, or 60 booleans"):
            data.batch(rows)

    def test_batch_of_integers(self, data):
        with pytest.raises(DtypeError, match="expected floating point"):
            data.batch([0], "uint8")

    def test_subset_keeps_signals_with_their_labels(self, data):
        for rows in ([7, 3], data.y == 2):
            some = data.subset(rows)
            np.testing.assert_array_equal(some.x, data.x[rows])
            np.testing.assert_array_equal(some.y, data.y[rows])
            assert some.classes == data.classes
        with pytest.raises(ArgumentError, match="no rows"):
            data.subset([])

    def test_per_class(self, data):
        some = data.per_class(4, seed=1)
        assert np.bincount(some.y).tolist() == [4, 4, 4]
        rows = [next(k for k in range(60) if np.array_equal(data.x[k], x)) for x in some.x]
        assert rows == sorted(set(rows))
        np.testing.assert_array_equal(data.y[rows], some.y)
        np.testing.assert_array_equal(data.per_class(4, seed=1).x, some.x)
        assert not np.array_equal(data.per_class(4, seed=2).x, some.x)
        with pytest.raises(ArgumentError, match=r"count=21: the class 'a' of sample has 20"):
            data.per_class(21, seed=0)

    def test_split_is_stratified_and_complete(self, data):
        rest, held = data.split(0.2, seed=3)
        assert np.bincount(held.y).tolist() == [4, 4, 4]
        assert np.bincount(rest.y).tolist() == [16, 16, 16]
        both = {x.tobytes() for x in rest.x} | {x.tobytes() for x in held.x}
        assert both == {x.tobytes() for x in data.x}
        np.testing.assert_array_equal(data.split(0.2, seed=3)[1].x, held.x)

    @pytest.mark.parametrize("fraction", [0, 1, -0.5, math.nan, 0.001])
    def test_split_by_no_fraction(self, data, fraction):
        with pytest.raises(ArgumentError, match="fraction="):
            data.split(fraction, seed=0)

    def test_statistics_are_those_of_all_values_at_once(self, data, monkeypatch):
        from groupscat.datasets import dataset

        whole = np.moveaxis(data.x / 255, 1, 0).reshape(3, -1)
        for block in (1, 7 * 90, 1 << 20):
            monkeypatch.setattr(dataset, "BLOCK", block)
            mean, deviation = data.statistics()
            np.testing.assert_allclose(mean, whole.mean(1), rtol=1e-13)
            np.testing.assert_allclose(deviation, whole.std(1), rtol=1e-13)

    def test_statistics_of_values_far_from_zero(self):
        """Where a difference of sums of squares would have no digit left."""
        x = 1e9 + np.random.default_rng(0).normal(size=(50, 1, 8))
        mean, deviation = Dataset(x, labels(50, 2), ("a", "b")).statistics()
        np.testing.assert_allclose(mean, x.mean(), rtol=1e-15)
        np.testing.assert_allclose(deviation, (x - x.mean()).std(), rtol=1e-6)

    def test_fingerprint_changes_with_everything(self, data):
        def made(**changes):
            given = {"x": data.x, "y": data.y, "classes": data.classes, "scale": 1 / 255} | changes
            return Dataset(**given).fingerprint

        pixel = data.x.copy()
        pixel[-1, -1, -1, -1] ^= 1
        others = [
            made(x=pixel),
            made(x=data.x.astype("float32")),
            made(x=data.x.reshape(60, 3, 5, 6)),
            made(y=data.y[::-1]),
            made(classes=("a", "b", "d")),
            made(scale=1.0),
        ]
        assert made() == data.fingerprint  # whatever it is called
        assert len({data.fingerprint, *others}) == 7
        view = np.asfortranarray(data.x)
        assert made(x=view) == data.fingerprint

    def test_resized_means_areas(self, data):
        pytest.importorskip("PIL")
        half = data.resized(3, 5, "area")
        mean = data.x.reshape(60, 3, 3, 2, 5).astype(float).mean(3)
        assert half.x.dtype == np.uint8
        assert np.abs(half.x - mean).max() <= 0.5
        whole = Dataset(data.x.astype(np.float64), data.y, data.classes).resized(3, 5, "area")
        assert whole.x.dtype == np.float32
        np.testing.assert_allclose(whole.x, mean, rtol=1e-6)

    def test_resized_bicubic_is_that_of_image_files(self, data, tmp_path):
        Image = pytest.importorskip("PIL.Image")
        from groupscat.data.images import Look, load_image

        path = tmp_path / "x.png"
        Image.fromarray(np.moveaxis(data.x[0], 0, -1)).save(path)
        expected = load_image(path, Look("rgb", shape=(9, 4)), "float64") * 255
        np.testing.assert_allclose(data.resized(9, 4).x[0], expected, atol=1e-9)
        assert data.resized(6, 5) is data

    def test_resized_needs_images(self):
        with pytest.raises(ShapeError, match=r"images are \(channels, H, W\)"):
            Dataset(np.zeros((4, 1, 8)), labels(4, 2), ("a", "b")).resized(2, 2)

    def test_matched(self, data):
        other = data.matched(("c", "x", "a", "b"))
        np.testing.assert_array_equal(
            np.array(["c", "x", "a", "b"])[other.y], np.array(["a", "b", "c"])[data.y]
        )
        with pytest.raises(DataError, match="'b', which is none of 'a', 'c'"):
            data.matched(("a", "c"))

    @pytest.mark.parametrize(
        ("changes", "error", "message"),
        [
            ({"y": labels(59, 3)}, ShapeError, r"y \(59,\)"),
            ({"y": labels(60, 4)}, DataError, "first 3 at row 3: there are 3 classes, 0 to 2"),
            ({"y": labels(60, 3) - 1}, DataError, "first -1 at row 0"),
            ({"y": labels(60, 3).astype(float)}, DtypeError, "expected integers"),
            ({"y": np.eye(3, dtype=int)[labels(60, 3)]}, ShapeError, "expected"),
            ({"classes": ("a",), "y": np.zeros(60, int)}, DataError, "at least two"),
            ({"classes": ("a", "b", "a")}, DataError, "two classes of one name"),
            ({"scale": 0.0}, ArgumentError, "positive"),
            ({"x": np.zeros((60, 4), complex)}, DtypeError, "expected real numbers"),
            ({"x": np.zeros((60, 0, 4))}, ShapeError, "empty"),
            ({"x": np.zeros(60)}, ShapeError, "expected"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, data, changes, error, message):
        given = {"x": data.x, "y": data.y, "classes": data.classes} | changes
        with pytest.raises(error, match=message):
            Dataset(**given)

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_not_finite(self, value, monkeypatch):
        from groupscat.datasets import dataset

        monkeypatch.setattr(dataset, "BLOCK", 40)
        x = np.zeros((30, 2, 8), np.float32)
        x[17, 1, 3] = value
        with pytest.raises(DataError, match="first in row 17"):
            Dataset(x, labels(30, 2), ("a", "b"))


class TestNpz:
    X, Y = images(12, 7, 6, 3), labels(12, 3)

    def save(self, folder: Path, compressed: bool = False, **arrays) -> Path:
        (np.savez_compressed if compressed else np.savez)(folder / "data.npz", **arrays)
        return folder / "data.npz"

    @pytest.mark.parametrize("compressed", [False, True])
    @pytest.mark.parametrize(
        "names",
        [
            ("x_train", "y_train", "x_test", "y_test"),
            ("train_x", "train_y", "test_x", "test_y"),
            ("train_images", "train_labels", "test_images", "test_labels"),
            ("X-Train", "Target-Train", "X-Test", "Target-Test"),
            ("images", "labels", "test_images", "test_labels"),
        ],
    )
    def test_splits(self, tmp_path, names, compressed):
        arrays = dict(zip(names, (self.X, self.Y[:, None], self.X[:5], self.Y[:5]), strict=True))
        path = self.save(tmp_path, compressed, **arrays)
        assert dataset_splits(path) == ("train", "test")
        train, test = open_dataset(path), open_dataset(path, "test")
        np.testing.assert_array_equal(train.x, np.moveaxis(self.X, -1, 1))
        np.testing.assert_array_equal(test.x, np.moveaxis(self.X[:5], -1, 1))
        np.testing.assert_array_equal(train.y, self.Y)
        np.testing.assert_array_equal(test.y, self.Y[:5])
        assert train.classes == test.classes == ("0", "1", "2")
        assert train.scale == 1 / 255

    def test_validation_split(self, tmp_path):
        path = self.save(
            tmp_path, train_x=self.X, train_y=self.Y, val_images=self.X[:3], val_labels=self.Y[:3]
        )
        assert len(open_dataset(path, "val")) == 3

    @pytest.mark.parametrize("names", [("x", "y"), ("images", "labels"), ("data", "target")])
    def test_one_split(self, tmp_path, names):
        path = self.save(tmp_path, **dict(zip(names, (self.X, self.Y), strict=True)))
        assert len(open_dataset(path)) == 12
        with pytest.raises(ArgumentError, match=f"split='test'.*holds {names[0]}, {names[1]}"):
            open_dataset(path, "test")

    def test_marked_rows(self, tmp_path):
        marks = np.arange(12) % 4 == 0
        path = self.save(tmp_path, x=self.X, y=self.Y, is_test=marks)
        train, test = open_dataset(path), open_dataset(path, "test")
        np.testing.assert_array_equal(train.x, np.moveaxis(self.X[~marks], -1, 1))
        np.testing.assert_array_equal(test.y, self.Y[marks])
        with pytest.raises(DataError, match="expected one boolean per signal"):
            open_dataset(self.save(tmp_path, x=self.X, y=self.Y, is_test=marks[:-1]))

    def test_named_arrays(self, tmp_path):
        path = self.save(tmp_path, a=self.X, b=self.Y, c=self.X[::-1], d=self.Y[::-1])
        with pytest.raises(DataError, match=r"holds a, b, c, d; expected .*key= and label="):
            open_dataset(path)
        np.testing.assert_array_equal(open_dataset(path, key="a", label="b").y, self.Y)
        np.testing.assert_array_equal(open_dataset(path, "test", key="c", label="d").y, self.Y[::-1])
        with pytest.raises(DataError, match="no array 'e'; it holds a, b, c, d"):
            open_dataset(path, key="a", label="e")

    def test_ambiguous_arrays(self, tmp_path):
        path = self.save(tmp_path, x=self.X, features=self.X, y=self.Y)
        with pytest.raises(DataError, match="are the signals x or features"):
            open_dataset(path)
        assert len(open_dataset(path, key="x")) == 12

    @pytest.mark.parametrize(
        ("stored", "read"),
        [
            ((12, 7, 6, 3), (3, 7, 6)),
            ((12, 3, 7, 6), (3, 7, 6)),
            ((12, 3, 7, 3), (3, 7, 3)),
            ((12, 7, 6, 1), (1, 7, 6)),
            ((12, 7, 6), (1, 7, 6)),
            ((12, 1, 50), (1, 50)),
            ((12, 50, 2), (2, 50)),
            ((12, 50), (50,)),
            ((12, 81, 8, 8), (81, 8, 8)),
            ((12, 5, 6, 7, 2), (2, 5, 6, 7)),
        ],
    )
    def test_channels_come_first(self, tmp_path, stored, read):
        assert open_dataset(self.save(tmp_path, x=images(*stored), y=self.Y)).shape == read

    def test_types_of_values(self, tmp_path):
        for dtype, scale in (
            ("uint8", 1 / 255),
            ("uint16", 1 / 65535),
            ("int64", 1),
            ("float32", 1),
            ("?", 1),
        ):
            found = open_dataset(self.save(tmp_path, x=self.X.astype(dtype), y=self.Y))
            assert found.scale == scale
            assert found.x.dtype == dtype

    def test_class_names(self, tmp_path):
        names = ["ant", "bee", "cat"]
        path = self.save(tmp_path, x=self.X, y=self.Y, class_names=names)
        assert open_dataset(path).classes == ("ant", "bee", "cat")
        with pytest.raises(DataError, match="hold 2, first at row 2; there are 2 classes"):
            open_dataset(self.save(tmp_path, x=self.X, y=self.Y, class_names=names[:2]))
        with pytest.raises(DataError, match="have nothing of 'dog', 'emu', out of 5"):
            open_dataset(self.save(tmp_path, x=self.X, y=self.Y, class_names=[*names, "dog", "emu"]))

    def test_labels_are_numbered_in_order(self, tmp_path):
        found = open_dataset(self.save(tmp_path, x=self.X, y=self.Y * 5 + 1))
        assert found.classes == ("1", "6", "11")
        np.testing.assert_array_equal(found.y, self.Y)
        found = open_dataset(self.save(tmp_path, x=self.X, y=np.array(["z", "k", "m"])[self.Y]))
        assert found.classes == ("k", "m", "z")
        np.testing.assert_array_equal(found.y, np.array([2, 0, 1])[self.Y])
        found = open_dataset(self.save(tmp_path, x=self.X, y=self.Y.astype("float32")))
        assert found.classes == ("0", "1", "2")

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            (Y[:-1], "12 signals, but 11 labels"),
            (Y - 1, "hold -1, first at row 0; expected 0 or more"),
            (Y + 0.5, "holds 0.5, which is no class"),
            (np.where(Y == 1, np.nan, Y), "4 of 12 labels"),
            (np.zeros(12, int), "1 class"),
            (np.eye(3)[Y], r"one-hot"),
            (Y.astype(complex), "type complex128"),
            (np.array(3), "one per signal"),
        ],
    )
    def test_labels_that_are_none(self, tmp_path, wrong, message):
        with pytest.raises(DataError, match=message):
            open_dataset(self.save(tmp_path, x=self.X, y=wrong))

    def test_classes_of_the_test_split_are_those_of_training(self, tmp_path):
        path = self.save(tmp_path, x_train=self.X, y_train=self.Y, x_test=self.X, y_test=self.Y + 1)
        with pytest.raises(DataError, match=r"hold 3, which no training signal has \(they have 0, 1, 2\)"):
            open_dataset(path, "test")
        few = np.full(12, 2)
        path = self.save(tmp_path, x_train=self.X, y_train=self.Y, x_test=self.X, y_test=few)
        test = open_dataset(path, "test")
        assert test.classes == ("0", "1", "2")
        assert test.y.tolist() == [2] * 12

    def test_kinds_of_labels(self, tmp_path):
        text = np.array(["z", "k", "m"])[self.Y]
        path = self.save(tmp_path, x_train=self.X, y_train=text, x_test=self.X, y_test=self.Y)
        with pytest.raises(
            DataError, match=r"the test labels of data.npz are int64, but those of training <U1"
        ):
            open_dataset(path, "test")
        path = self.save(tmp_path, x_train=self.X, y_train=self.Y - 1, x_test=self.X, y_test=self.Y)
        with pytest.raises(DataError, match=r"the train labels of data.npz hold -1"):
            open_dataset(path, "test")
        path = self.save(tmp_path, x=self.X, y=self.Y + 2**40, class_names=["a", "b", "c"])
        with pytest.raises(DataError, match="there are 3 classes"):
            open_dataset(path)

    def test_resized(self, tmp_path):
        pytest.importorskip("PIL")
        path = self.save(tmp_path, x=self.X, y=self.Y)
        np.testing.assert_array_equal(open_dataset(path, shape=(4, 5)).x, open_dataset(path).resized(4, 5).x)
        with pytest.raises(ArgumentError, match="positive height and width"):
            open_dataset(path, shape=(0, 5))

    def test_python_objects_are_refused(self, tmp_path):
        path = self.save(tmp_path, x=np.array([{}] * 12, dtype=object), y=self.Y)
        with pytest.raises(DataError, match="allow_pickle=False"):
            open_dataset(path)

    def test_not_finite(self, tmp_path):
        with pytest.raises(DataError, match="NaN or infinity, first in row 0"):
            open_dataset(self.save(tmp_path, x=np.full((12, 1, 8), np.nan), y=self.Y))

    def test_damaged_files(self, tmp_path):
        path = self.save(tmp_path, x=self.X, y=self.Y)
        whole = path.read_bytes()
        for broken in (whole[:-40], whole[: len(whole) // 2], b"", b"no archive at all"):
            path.write_bytes(broken)
            with pytest.raises(DataError, match="Cannot read"):
                open_dataset(path)
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            offset = archive.getinfo("x.npy").header_offset
        spoilt = bytearray(whole)
        spoilt[offset + 400] ^= 255
        path.write_bytes(spoilt)
        with pytest.raises(DataError, match="Cannot read x of"):
            open_dataset(path)


class TestFolders:
    @pytest.fixture(autouse=True)
    def _pillow(self):
        self.Image = pytest.importorskip("PIL.Image")

    def save(self, path: Path, pixels: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.Image.fromarray(pixels).save(path)

    def tree(self, folder: Path, count: int = 3, classes=("ant", "bee"), seed: int = 0) -> np.ndarray:
        pixels = images(len(classes) * count, 6, 5, 3, seed=seed)
        for k, x in enumerate(pixels):
            self.save(folder / classes[k // count] / f"{k:03}.png", x)
        return np.moveaxis(pixels, -1, 1)

    def test_class_folders(self, tmp_path):
        x = self.tree(tmp_path)
        found = open_dataset(tmp_path)
        assert found.x.dtype == np.uint8
        np.testing.assert_array_equal(found.x, x)
        assert found.y.tolist() == [0, 0, 0, 1, 1, 1]
        assert found.classes == ("ant", "bee")
        assert found.scale == 1 / 255
        with pytest.raises(ArgumentError, match=r"holds the folders ant, bee"):
            open_dataset(tmp_path, "test")

    def test_splits(self, tmp_path):
        self.tree(tmp_path / "train")
        test = self.tree(tmp_path / "test", 2, seed=1)
        self.tree(tmp_path / "val", 1, seed=2)
        assert set(dataset_splits(tmp_path)) == {"train", "test", "val"}
        found = open_dataset(tmp_path, "test")
        np.testing.assert_array_equal(found.x, test)
        assert len(open_dataset(tmp_path, "val")) == 2
        self.save(tmp_path / "test" / "wasp" / "x.png", images(6, 5, 3))
        with pytest.raises(
            DataError, match=r"'wasp', which no training signal has \(they have 'ant', 'bee'\)"
        ):
            open_dataset(tmp_path, "test")

    def test_classes_called_like_splits(self, tmp_path):
        self.tree(tmp_path, classes=("plane", "train", "test"))
        assert open_dataset(tmp_path).classes == ("plane", "test", "train")

    def test_grey_and_sizes(self, tmp_path):
        self.tree(tmp_path)
        assert open_dataset(tmp_path, colour="grey").shape == (1, 6, 5)
        assert open_dataset(tmp_path, shape=(4, 8)).shape == (3, 4, 8)
        assert open_dataset(tmp_path, colour="yuv").x.dtype == np.float32
        self.save(tmp_path / "ant" / "z.png", images(7, 7, 3))
        with pytest.raises(DataError, match="2 different sizes"):
            open_dataset(tmp_path)
        assert len(open_dataset(tmp_path, shape=(4, 8))) == 7

    def test_values_of_more_than_a_byte_are_kept(self, tmp_path, monkeypatch):
        """Also where the first of them comes after a batch of bytes."""
        monkeypatch.setattr(decode, "STEP", 2)
        x = np.moveaxis(self.tree(tmp_path), 1, -1)
        deep = np.random.default_rng(0).integers(0, 65536, (6, 5), dtype=np.uint16)
        self.save(tmp_path / "bee" / "zzz.png", deep)
        found = open_dataset(tmp_path, colour="rgb")
        assert found.x.dtype == np.float32
        assert found.scale == 1
        np.testing.assert_allclose(
            found.batch(slice(0, 6), "float64"), np.moveaxis(x, -1, 1) / 255, rtol=1e-6
        )
        np.testing.assert_allclose(found.batch([6], "float64")[0, 1], deep / 65535, rtol=1e-6)

    def test_decoded_when_needed(self, tmp_path, monkeypatch):
        self.tree(tmp_path)
        kept = open_dataset(tmp_path)
        monkeypatch.setattr(decode, "KEPT", 0)
        lazy = open_dataset(tmp_path)
        assert isinstance(lazy.x, decode.LazyImages)
        for rows in ([4, 0, 4], slice(1, 3), kept.y == 1, []):
            np.testing.assert_allclose(lazy.batch(rows), kept.batch(rows), rtol=1e-6)
        np.testing.assert_allclose(lazy.x[2], kept.batch([2])[0], rtol=1e-6)
        some, again = lazy.subset([5, 1]), lazy.subset([5, 1]).subset([0])
        np.testing.assert_allclose(some.batch([0, 1]), kept.batch([5, 1]), rtol=1e-6)
        np.testing.assert_allclose(again.batch([0]), kept.batch([5]), rtol=1e-6)
        np.testing.assert_allclose(lazy.statistics(), kept.statistics(), rtol=1e-6)
        with pytest.raises(ArgumentError, match=r"open it with shape=\(4, 4\)"):
            lazy.resized(4, 4)
        np.testing.assert_allclose(
            open_dataset(tmp_path, shape=(4, 4)).batch([3]), kept.resized(4, 4).batch([3]), rtol=1e-6
        )
        assert pickle.loads(pickle.dumps(lazy)).batch([3]).tobytes() == lazy.batch([3]).tobytes()
        prints = {lazy.fingerprint, some.fingerprint, again.fingerprint, kept.fingerprint}
        assert len(prints) == 4
        assert open_dataset(tmp_path).fingerprint == lazy.fingerprint
        path = tmp_path / "bee" / "005.png"
        os.utime(path, ns=(10**18, 10**18))
        assert open_dataset(tmp_path).fingerprint != lazy.fingerprint

    @pytest.mark.parametrize("kept", [0, 1 << 30])
    def test_bad_images_are_named(self, tmp_path, kept, monkeypatch):
        monkeypatch.setattr(decode, "KEPT", kept)
        self.tree(tmp_path)
        path = tmp_path / "ant" / "001.png"
        whole = path.read_bytes()
        path.write_bytes(whole[:60])  # the header is whole
        with pytest.raises(DataError, match=r"1 images cannot be used:\n.*001.png.*\n.*Replace"):
            open_dataset(tmp_path).batch([0, 1])
        path.write_bytes(b"no image")
        with pytest.raises(DataError, match=r"1 images cannot be used:\n.*001.png.*\n.*Replace"):
            open_dataset(tmp_path)

    def test_empty_class_folders(self, tmp_path):
        self.tree(tmp_path)
        (tmp_path / "cat").mkdir()
        (tmp_path / "dog" / "old").mkdir(parents=True)
        (tmp_path / "dog" / "notes.txt").write_text("none")
        with pytest.raises(DataError, match=r"2 of 4 class folders have no images: .*cat, .*dog\."):
            open_dataset(tmp_path)

    def test_folders_without_classes(self, tmp_path):
        with pytest.raises(DataError, match="has no class folders"):
            open_dataset(tmp_path)
        (tmp_path / "cat").mkdir()
        with pytest.raises(DataError, match=r"no images below .*/CLASS/IMAGE"):
            open_dataset(tmp_path)
        self.save(tmp_path / "cat" / "x.png", images(6, 5, 3))
        with pytest.raises(DataError, match="1 class"):
            open_dataset(tmp_path)
        self.save(tmp_path / "y.png", images(6, 5, 3))
        with pytest.raises(DataError, match=r"y.png is in no class folder"):
            open_dataset(tmp_path)


class TestOpen:
    def test_what_is_no_data_set(self, tmp_path):
        with pytest.raises(DataError, match="no such file or folder"):
            open_dataset(tmp_path / "nothing")
        with pytest.raises(ArgumentError, match="paths is empty"):
            open_dataset([])
        with pytest.raises(ArgumentError, match="split='all': expected one of 'train', 'test', 'val'"):
            open_dataset(tmp_path, "all")
        (tmp_path / "a.txt").write_text("text")
        for paths in (tmp_path / "a.txt", [tmp_path / "a.txt", tmp_path]):
            with pytest.raises(
                DataError, match="not a data set that can be read; expected a folder of class"
            ):
                open_dataset(paths)
