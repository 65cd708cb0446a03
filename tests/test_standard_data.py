"""The files of MNIST and CIFAR, written here as their pages describe them, and read back."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from groupscat.datasets import dataset_splits, open_dataset
from groupscat.errors import ArgumentError, DataError
from tests.test_training_data import images, labels


def idx(values: np.ndarray, code: int = 8) -> bytes:
    head = bytes([0, 0, code, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.astype(values.dtype.newbyteorder(">")).tobytes()


MNIST = {
    "train-images-idx3-ubyte": idx(images(20, 6, 5)),
    "train-labels-idx1-ubyte": idx(labels(20, 4).astype(np.uint8)),
    "t10k-images-idx3-ubyte": idx(images(8, 6, 5, seed=1)),
    "t10k-labels-idx1-ubyte": idx(labels(8, 4).astype(np.uint8)),
}


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


class TestMnist:
    @pytest.mark.parametrize(
        "rename",
        [
            lambda name: name,
            lambda name: name + ".gz",
            lambda name: name.replace("-idx", ".idx"),
            lambda name: "emnist-letters-" + name.replace("t10k", "test") + ".gz",
        ],
    )
    @pytest.mark.parametrize("below", ["", "raw"])
    def test_all_names(self, tmp_path, rename, below):
        pack = {n: gzip.compress(c) if rename(n).endswith(".gz") else c for n, c in MNIST.items()}
        write(tmp_path / below, {rename(name): content for name, content in pack.items()})
        assert dataset_splits(tmp_path) == ("train", "test")
        train, test = open_dataset(tmp_path), open_dataset(tmp_path, "test")
        np.testing.assert_array_equal(train.x, images(20, 6, 5)[:, None])
        np.testing.assert_array_equal(train.y, labels(20, 4))
        np.testing.assert_array_equal(test.x, images(8, 6, 5, seed=1)[:, None])
        np.testing.assert_array_equal(test.y, labels(8, 4))

    def test_listed_files_and_tar(self, tmp_path):
        write(tmp_path, MNIST)
        listed = open_dataset([tmp_path / name for name in list(MNIST)[:2]])
        assert len(listed) == 20
        with pytest.raises(ArgumentError, match=r"has 'train' only; it holds train-images-idx3-ubyte, train"):
            open_dataset([tmp_path / name for name in list(MNIST)[:2]], "test")
        np.testing.assert_array_equal(open_dataset(tar(tmp_path / "m.tar", MNIST)).x, listed.x)

    @pytest.mark.parametrize("cut", [1, 15, 16, 400])
    def test_cut_off_and_too_long(self, tmp_path, cut):
        name = "train-images-idx3-ubyte"
        write(tmp_path, MNIST | {name: MNIST[name][:cut]})
        expected = "begins with 00" if cut < 4 else r"expected (16|616) bytes .*found " + str(cut)
        with pytest.raises(DataError, match=expected):
            open_dataset(tmp_path)
        write(tmp_path, {name: MNIST[name] + b"0"})
        with pytest.raises(DataError, match=r"too long: expected 616 bytes .*found 617"):
            open_dataset(tmp_path)

    def test_damaged_gzip(self, tmp_path):
        packed = {f"{name}.gz": gzip.compress(content) for name, content in MNIST.items()}
        name = "train-labels-idx1-ubyte.gz"
        for broken in (packed[name][:-9], b"no gzip"):
            write(tmp_path, packed | {name: broken})
            with pytest.raises(DataError, match=f"Cannot read {name} of"):
                open_dataset(tmp_path)

    def test_numbers_of_labels_and_files(self, tmp_path):
        write(tmp_path, MNIST | {"train-labels-idx1-ubyte": idx(labels(19, 4).astype(np.uint8))})
        with pytest.raises(DataError, match="20 signals, but 19 labels"):
            open_dataset(tmp_path)
        (tmp_path / "train-labels-idx1-ubyte").unlink()
        with pytest.raises(DataError, match="has train-images-idx3-ubyte, but not the labels"):
            open_dataset(tmp_path)

    def test_hidden_files_do_not_count(self, tmp_path):
        write(tmp_path, MNIST | {f"._{name}": b"of a file system" for name in MNIST})
        assert len(open_dataset(tmp_path)) == 20
        files = {f"._{name}": b"of a file system" for name in MNIST} | MNIST
        assert len(open_dataset(tar(tmp_path / "m.tar", files))) == 20

    def test_several_sets_in_one_folder(self, tmp_path):
        write(tmp_path, {f"emnist-{kind}-{n}": c for kind in ("digits", "letters") for n, c in MNIST.items()})
        with pytest.raises(DataError, match="several data sets: emnist-digits, emnist-letters"):
            open_dataset(tmp_path)

    def test_options_of_other_formats(self, tmp_path):
        write(tmp_path, MNIST)
        for options in ({"key": "x"}, {"label": "y"}, {"colour": "grey"}):
            with pytest.raises(ArgumentError, match=f"{next(iter(options))}="):
                open_dataset(tmp_path, **options)


def tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"folder/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def python2(batch: dict[str, object]) -> bytes:
    """A dictionary as Python 2 and the NumPy of 2009 pickled it: text is bytes, arrays call numpy.core."""

    def short(text: bytes) -> bytes:
        return (
            b"U" + bytes([len(text)]) + text
            if len(text) < 256
            else b"T" + struct.pack("<i", len(text)) + text
        )

    def whole(number: int) -> bytes:
        return b"J" + struct.pack("<i", number)

    def value(item: object) -> bytes:
        if isinstance(item, np.ndarray):
            n, m = item.shape
            return (
                b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R(K\x01"
                + whole(n)
                + whole(m)
                + b"\x86cnumpy\ndtype\nU\x02u1K\0K\x01\x87R(K\x03U\x01|NNN"
                + whole(-1)
                + whole(-1)
                + b"K\0tb\x89"
                + short(item.tobytes())
                + b"tb"
            )
        if isinstance(item, list):
            return b"](" + b"".join(map(value, item)) + b"e"
        return whole(item) if isinstance(item, int) else short(str(item).encode())

    items = b"".join(short(key.encode()) + value(item) for key, item in batch.items())
    return b"\x80\x02}(" + items + b"u."


PIXELS, PLACES = images(60, 3, 32, 32), labels(60, 10)
NAMES = [f"class{k}" for k in range(10)]
COARSE = [f"group{k}" for k in range(20)]
FINE = [f"kind{k}" for k in range(100)]
MANY = images(200, 3, 32, 32, seed=2)


def binary10() -> dict[str, bytes]:
    rows = np.hstack([PLACES[:, None].astype(np.uint8), PIXELS.reshape(60, -1)])
    batches = {f"data_batch_{k}.bin": rows[10 * k - 10 : 10 * k].tobytes() for k in range(1, 6)}
    text = "\n".join(NAMES).encode() + b"\n\n"
    return batches | {"test_batch.bin": rows[50:].tobytes(), "batches.meta.txt": text}


def python10(dump=python2) -> dict[str, bytes]:
    def batch(first: int) -> bytes:
        rows = slice(first, first + 10)
        flat = PIXELS[rows].reshape(10, -1)
        return dump({"batch_label": "a batch", "labels": PLACES[rows].tolist(), "data": flat})

    batches = {f"data_batch_{k}": batch(10 * k - 10) for k in range(1, 6)}
    return batches | {"test_batch": batch(50), "batches.meta": dump({"label_names": NAMES})}


def binary100() -> dict[str, bytes]:
    fine, coarse = labels(200, 100), labels(200, 100) // 5
    rows = np.hstack([np.stack([coarse, fine], 1).astype(np.uint8), MANY.reshape(200, -1)])
    return {
        "train.bin": rows.tobytes(),
        "test.bin": rows[:30].tobytes(),
        "fine_label_names.txt": "\n".join(FINE).encode(),
        "coarse_label_names.txt": "\n".join(COARSE).encode(),
    }


def python100() -> dict[str, bytes]:
    def batch(count: int) -> bytes:
        fine = labels(200, 100)[:count]
        given = {"fine_labels": fine.tolist(), "coarse_labels": (fine // 5).tolist()}
        return python2(given | {"data": MANY[:count].reshape(count, -1)})

    meta = python2({"fine_label_names": FINE, "coarse_label_names": COARSE})
    return {"train": batch(200), "test": batch(30), "meta": meta}


def python3(value: object) -> bytes:
    """As Python 3 pickles for Python 2, with the names of NumPy's modules of then."""
    return pickle.dumps(value, protocol=2).replace(b"numpy._core", b"numpy.core")


class TestCifar:
    @pytest.mark.parametrize("place", ["folder", "below", "tar.gz", "tar"])
    @pytest.mark.parametrize("made", [binary10, python10, lambda: python10(python3)])
    def test_ten(self, tmp_path, made, place):
        if place.startswith("tar"):
            path = tar(tmp_path / f"cifar.{place}", made(), "w:gz" if place == "tar.gz" else "w")
        else:
            below = {"folder": ".", "below": "cifar-10-batches-py"}[place]
            write(tmp_path / below, made())
            path = tmp_path
        before = sorted(tmp_path.rglob("*"))
        assert dataset_splits(path) == ("train", "test")
        train, test = open_dataset(path), open_dataset(path, "test")
        np.testing.assert_array_equal(train.x, PIXELS[:50])
        np.testing.assert_array_equal(train.y, PLACES[:50])
        np.testing.assert_array_equal(test.x, PIXELS[50:])
        np.testing.assert_array_equal(test.y, PLACES[50:])
        assert train.classes == test.classes == tuple(NAMES)
        assert train.scale == 1 / 255
        assert sorted(tmp_path.rglob("*")) == before  # nothing is unpacked

    @pytest.mark.parametrize("made", [binary100, python100])
    def test_hundred(self, tmp_path, made):
        write(tmp_path, made())
        train, test = open_dataset(tmp_path), open_dataset(tmp_path, "test")
        np.testing.assert_array_equal(train.x, MANY)
        np.testing.assert_array_equal(train.y, labels(200, 100))
        assert train.classes == tuple(FINE)
        assert len(test) == 30
        coarse = open_dataset(tmp_path, label="coarse_labels")
        np.testing.assert_array_equal(coarse.y, labels(200, 100) // 5)
        assert coarse.classes == tuple(COARSE)
        with pytest.raises(ArgumentError, match=r"label='colour': .* 'coarse_labels', 'fine_labels'"):
            open_dataset(tmp_path, label="colour")

    def test_without_names_of_classes(self, tmp_path):
        files = binary10()
        del files["batches.meta.txt"]
        assert open_dataset(write(tmp_path, files)).classes == tuple(map(str, range(10)))
        (tmp_path / "batches.meta.txt").write_bytes(b"one two")
        with pytest.raises(DataError, match="names of 10 classes, found 2"):
            open_dataset(tmp_path)

    def test_some_files_by_name(self, tmp_path):
        write(tmp_path, binary10())
        assert len(open_dataset([tmp_path / "data_batch_1.bin", tmp_path / "data_batch_3.bin"])) == 20
        assert len(open_dataset(tmp_path / "data_batch_2.bin")) == 10

    def test_two_files_of_one_name(self, tmp_path):
        for folder in ("a", "b"):
            write(tmp_path / folder, binary10())
        with pytest.raises(ArgumentError, match=r"Several paths are called data_batch_1.bin"):
            open_dataset([tmp_path / folder / "data_batch_1.bin" for folder in "ab"])

    def test_missing_files(self, tmp_path):
        write(tmp_path, binary10())
        (tmp_path / "data_batch_4.bin").unlink()
        with pytest.raises(DataError, match=r"lacks data_batch_4.bin of the train images"):
            open_dataset(tmp_path)

    def test_cut_off(self, tmp_path):
        files = binary10()
        write(tmp_path, files | {"data_batch_2.bin": files["data_batch_2.bin"][:-1]})
        with pytest.raises(DataError, match=r"data_batch_2.bin .* 3073 bytes .* 30730, found 30729"):
            open_dataset(tmp_path)
        write(tmp_path, files | {"data_batch_2.bin": files["data_batch_2.bin"][:-3073]})
        with pytest.raises(DataError, match=r"data_batch_2.bin of .* has 9 images, but .* has 10"):
            open_dataset(tmp_path)
        write(tmp_path, files | {"test_batch.bin": b""})
        with pytest.raises(DataError, match=r"test_batch.bin .* found 0"):
            open_dataset(tmp_path, "test")

    @pytest.mark.parametrize("size", [0.2, 0.5, 0.9])
    @pytest.mark.parametrize("mode", ["w", "w:gz"])
    def test_archive_cut_off(self, tmp_path, mode, size):
        path = tar(tmp_path / "cifar.tar.gz", binary10(), mode)
        content = path.read_bytes()
        path.write_bytes(content[: int(size * len(content))])
        with pytest.raises(DataError, match=r"cifar.tar.gz \(\d+ bytes\), at \w+.bin, of 30730 bytes"):
            open_dataset(path)

    def test_no_archive(self, tmp_path):
        (tmp_path / "cifar.tar.gz").write_bytes(b"not at all")
        with pytest.raises(DataError, match="Cannot read"):
            open_dataset(tmp_path / "cifar.tar.gz")

    def test_label_out_of_range(self, tmp_path):
        files = binary10()
        spoilt = bytearray(files["data_batch_1.bin"])
        spoilt[3 * 3073] = 10
        write(tmp_path, files | {"data_batch_1.bin": bytes(spoilt)})
        with pytest.raises(DataError, match="hold 10, first at row 3; there are 10 classes, 0 to 9"):
            open_dataset(tmp_path)

    @pytest.mark.parametrize(
        ("batch", "message"),
        [
            ({"labels": [1]}, "holds labels; expected data and labels"),
            ({"data": PIXELS[:2].reshape(2, -1), "labels": [1]}, "2 images, but 1 labels"),
            ({"data": PIXELS[:2].reshape(4, -1), "labels": [1] * 4}, r"expected uint8, \(n, 3072\)"),
            ({"data": PIXELS[:1].reshape(1, -1), "labels": ["x"]}, "no whole numbers"),
        ],
    )
    def test_pickles_of_something_else(self, tmp_path, batch, message):
        write(tmp_path, python10() | {"data_batch_1": python2(batch)})
        with pytest.raises(DataError, match=message):
            open_dataset(tmp_path)

    def test_pickle_cut_off(self, tmp_path):
        files = python10()
        for size in (0, 1, 10, 5000):
            write(tmp_path, files | {"data_batch_5": files["data_batch_5"][:size]})
            with pytest.raises(DataError, match=rf"Cannot read data_batch_5 of .* \({size} bytes\)"):
                open_dataset(tmp_path)
