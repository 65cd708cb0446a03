"""Images and arrays as signals, and the file of features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from groupscat.data import ArraySource, ImageSource, open_source
from groupscat.data.images import Look, load_image
from groupscat.errors import ArgumentError, DataError

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def random():
    return np.random.default_rng(0)


def save(path: Path, pixels, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def everything(source, size=3, dtype="float32"):
    batches = list(source.batches(size, dtype))
    return np.concatenate([b.values for b in batches]), [row for b in batches for row in b.rows]


class TestImages:
    def test_folder_is_searched_and_sorted_and_hidden_files_are_not_images(self, tmp_path, random):
        pixels = random.integers(0, 256, (6, 7), dtype=np.uint8)
        for name in ("b/2.png", "a.png", "b/10.PNG", ".hidden.png", "b/.cache/x.png"):
            save(tmp_path / name, pixels)
        (tmp_path / "notes.txt").write_text("no image")
        source = open_source([tmp_path])
        assert [Path(n).relative_to(tmp_path).as_posix() for n in source.names] == [
            "a.png",
            "b/10.PNG",
            "b/2.png",
        ]
        values, rows = everything(source, size=2)
        assert rows == [0, 1, 2]
        np.testing.assert_array_equal(values, np.stack([pixels / np.float32(255)] * 3))

    def test_empty_folder(self, tmp_path):
        with pytest.raises(DataError, match="no images below"):
            open_source([tmp_path])

    def test_grey_and_rgb(self, tmp_path, random):
        pixels = random.integers(0, 256, (5, 4, 3), dtype=np.uint8)
        path = save(tmp_path / "x.png", pixels)
        rgb = load_image(path, Look("rgb"), "float64")
        np.testing.assert_allclose(rgb, np.moveaxis(pixels, -1, 0) / 255, rtol=1e-15)
        luma = pixels @ [0.299, 0.587, 0.114] / 255
        np.testing.assert_allclose(load_image(path, Look("grey")), luma, atol=1 / 255)
        assert open_source([path], colour="rgb").shape == (3, 5, 4)

    def test_sixteen_bits_are_not_clipped(self, tmp_path, random):
        pixels = random.integers(0, 65536, (5, 4), dtype=np.uint16)
        for name in ("x.png", "x.tif"):
            path = save(tmp_path / name, pixels)
            np.testing.assert_allclose(load_image(path, dtype="float64"), pixels / 65535, rtol=1e-12)

    def test_floating_point_keeps_its_values(self, tmp_path, random):
        pixels = random.normal(size=(5, 4)).astype(np.float32)
        path = save(tmp_path / "x.tif", pixels)
        np.testing.assert_array_equal(load_image(path), pixels)
        np.testing.assert_array_equal(load_image(path, Look("rgb")), np.stack([pixels] * 3))

    def test_palette_and_bilevel(self, tmp_path, random):
        pixels = random.integers(0, 2, (5, 4), dtype=np.uint8) * 255
        Image.fromarray(pixels).convert("1").save(tmp_path / "one.png")
        Image.fromarray(pixels).convert("P").save(tmp_path / "palette.gif")
        for name in ("one.png", "palette.gif"):
            np.testing.assert_array_equal(load_image(tmp_path / name), (pixels / 255).astype(np.float32))

    def test_transparent_pixels_lie_on_white(self, tmp_path):
        pixels = np.zeros((2, 2, 4), np.uint8)
        pixels[0, 0] = 0, 0, 0, 255
        path = save(tmp_path / "x.png", pixels)
        np.testing.assert_array_equal(load_image(path), [[0, 1], [1, 1]])

    def test_camera_orientation_is_applied_to_pixels_and_shape(self, tmp_path, random):
        pixels = random.integers(0, 256, (8, 16), dtype=np.uint8)
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by 90 degrees clockwise for showing
        for name in ("x.png", "x.tif"):
            path = save(tmp_path / name, pixels, exif=exif)
            for skip_bad in (False, True):
                source = ImageSource([path], skip_bad=skip_bad)
                assert source.shape == (16, 8)
                values, _ = everything(source)
                np.testing.assert_allclose(values[0], np.rot90(pixels, -1) / 255, rtol=1e-6)

    def test_different_sizes_ask_for_a_shape(self, tmp_path, random):
        a = save(tmp_path / "a.png", random.integers(0, 256, (8, 9), dtype=np.uint8))
        b = save(tmp_path / "b.png", random.integers(0, 256, (8, 9), dtype=np.uint8))
        c = save(tmp_path / "c.png", random.integers(0, 256, (10, 12), dtype=np.uint8))
        with pytest.raises(DataError, match=r"2 different sizes.*8x9.*c\.png is 10x12.*--shape 8 9"):
            ImageSource([a, b, c])
        source = ImageSource([a, b, c], Look(shape=(4, 6)))
        assert source.shape == (4, 6)
        assert everything(source)[0].shape == (3, 4, 6)

    def test_every_bad_file_is_named_at_once(self, tmp_path, random):
        pixels = random.integers(0, 256, (32, 32), dtype=np.uint8)
        paths = [save(tmp_path / f"{k}.png", pixels) for k in range(4)]
        paths[1].write_bytes(b"not an image")
        paths[2].write_bytes(paths[0].read_bytes()[:500])
        paths[3].write_bytes(b"")
        with pytest.raises(DataError, match="3 images cannot be used") as caught:
            ImageSource(paths)
        assert all(path.name in str(caught.value) for path in paths[1:])
        assert paths[0].name not in str(caught.value)

    def test_skipped_files_leave_the_others_in_order(self, tmp_path, random):
        pixels = random.integers(0, 256, (5, 32, 32), dtype=np.uint8)
        paths = [save(tmp_path / f"{k}.png", p) for k, p in enumerate(pixels)]
        paths[1].write_bytes(b"not an image")
        # Cut off in the pixels: the header is sound, so this shows only when it is decoded.
        paths[3].write_bytes(paths[3].read_bytes()[:-300])
        source = ImageSource(paths, skip_bad=True)
        values, rows = everything(source, size=2)
        assert [Path(source.names[row]).name for row in rows] == ["0.png", "2.png", "4.png"]
        np.testing.assert_allclose(values, pixels[[0, 2, 4]] / 255, rtol=1e-6)
        assert [Path(item.name).name for item in source.skipped] == ["1.png", "3.png"]
        assert all(item.reason for item in source.skipped)

    def test_all_bad(self, tmp_path):
        (tmp_path / "x.png").write_bytes(b"no")
        with pytest.raises(DataError, match="None of the 1 images"):
            open_source([tmp_path], skip_bad=True)

    def test_a_reader_that_stops_early_leaves_no_threads(self, tmp_path, random):
        paths = [
            save(tmp_path / f"{k}.png", random.integers(0, 256, (8, 8), dtype=np.uint8)) for k in range(20)
        ]
        batches = ImageSource(paths).batches(2)
        next(batches)
        batches.close()


class TestArrays:
    def test_npy_in_batches(self, tmp_path, random):
        x = random.normal(size=(7, 5, 4))
        np.save(tmp_path / "x.npy", x)
        source = open_source([tmp_path / "x.npy"])
        assert source.shape == (5, 4)
        assert source.names[3].endswith("x.npy[3]")
        values, rows = everything(source, dtype="float64")
        np.testing.assert_array_equal(values, x)
        assert rows == list(range(7))

    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.parametrize("save_npz", [np.savez, np.savez_compressed])
    def test_npz_streams_and_carries_labels(self, tmp_path, random, order, save_npz):
        x = np.asarray(random.normal(size=(7, 5, 4)), order=order)
        y, fold = np.arange(7), np.array(list("abcdefg"))
        save_npz(tmp_path / "x.npz", x=x, y=y, fold=fold, other=np.arange(3), scalar=2.0)
        source = open_source([tmp_path / "x.npz"])
        np.testing.assert_array_equal(everything(source, dtype="float64")[0], x)
        assert sorted(source.labels) == ["fold", "y"]
        np.testing.assert_array_equal(source.labels["fold"], fold)

    def test_several_files_follow_each_other(self, tmp_path, random):
        x = random.normal(size=(5, 8)).astype(np.float32)
        np.savez(tmp_path / "a.npz", x=x[:2], y=[0, 1])
        np.savez(tmp_path / "b.npz", x=x[2:], y=[2, 3, 4], z=[0, 0, 0])
        source = open_source([tmp_path / "a.npz", tmp_path / "b.npz"])
        values, rows = everything(source)
        np.testing.assert_array_equal(values, x)
        assert rows == list(range(5))
        assert list(source.labels) == ["y"]
        np.testing.assert_array_equal(source.labels["y"], range(5))
        np.save(tmp_path / "c.npy", np.zeros((2, 9)))
        with pytest.raises(DataError, match="differ in shape"):
            open_source([tmp_path / "a.npz", tmp_path / "c.npy"])

    def test_choice_of_the_array(self, tmp_path):
        path = tmp_path / "x.npz"
        np.savez(path, train=np.zeros((4, 8)), test=np.ones((3, 8)))
        with pytest.raises(DataError, match=r"train \(4, 8\), test \(3, 8\); name the array.*--key"):
            open_source([path])
        assert len(open_source([path], key="test").names) == 3
        with pytest.raises(DataError, match="no array 'valid'"):
            open_source([path], key="valid")
        np.savez(path, x=np.zeros((4, 8)), other=np.ones((3, 8)))
        assert len(open_source([path]).names) == 4

    @pytest.mark.parametrize(
        ("array", "message"),
        [
            (np.zeros(5), "A single signal has shape"),
            (np.zeros((0, 5)), "no signals"),
            (np.zeros((5, 0)), "signals are empty"),
            (np.array([["a", "b"]]), "expected numbers"),
            (np.array([[None, 1]], dtype=object), "expected numbers"),
            (np.zeros((2, 3), dtype=[("a", "f4")]), "expected numbers"),
        ],
    )
    def test_what_cannot_be_signals(self, tmp_path, array, message):
        np.save(tmp_path / "x.npy", array)
        with pytest.raises(DataError, match=message):
            open_source([tmp_path / "x.npy"])

    @pytest.mark.parametrize("suffix", [".npy", ".npz"])
    def test_damaged_files_are_named(self, tmp_path, suffix):
        path = tmp_path / f"x{suffix}"
        (np.save if suffix == ".npy" else np.savez)(path, np.zeros((40, 8)))
        whole = path.read_bytes()
        for content in (b"", b"nonsense", whole[:50], whole[:-1500]):
            path.write_bytes(content)
            with pytest.raises(DataError, match=f"Cannot read .*x{suffix}"):
                everything(open_source([path]))

    @pytest.mark.parametrize("save_npz", [np.savez, np.savez_compressed])
    @pytest.mark.parametrize("place", [0.3, 0.6, 0.98])
    def test_one_wrong_bit_is_an_error(self, tmp_path, random, save_npz, place):
        path = tmp_path / "x.npz"
        save_npz(path, random.normal(size=(4, 1000)))
        content = bytearray(path.read_bytes())
        content[int(place * len(content))] ^= 1
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"Cannot read arr_0 of .*x\.npz"):
            everything(open_source([path]), dtype="float64")

    @pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
    def test_what_is_not_finite_is_bad(self, tmp_path, value):
        x = np.ones((5, 8))
        x[3, 2] = value
        np.save(tmp_path / "x.npy", x)
        with pytest.raises(DataError, match=r"x\.npy\[3\]: holds NaN or infinity"):
            everything(ArraySource([tmp_path / "x.npy"]))
        source = ArraySource([tmp_path / "x.npy"], skip_bad=True)
        values, rows = everything(source, size=2)
        assert rows == [0, 1, 2, 4]
        assert values.shape == (4, 8)
        assert len(source.skipped) == 1

    def test_a_batch_that_is_bad_altogether(self, tmp_path):
        soundfile = pytest.importorskip("soundfile")
        paths = [tmp_path / f"{k}.wav" for k in range(3)]
        for path in paths:
            soundfile.write(path, np.full(80, 0.5), 8000)
        cut = paths[1].read_bytes()[:-40]
        paths[1].write_bytes(cut)
        source = open_source(paths, skip_bad=True)
        values, _ = everything(source, size=1)
        assert len(values) == 2
        assert [item.name for item in source.skipped] == [str(paths[1])]

    @pytest.mark.parametrize("dtype", [">f4", "float16", "uint8", "int64", "bool"])
    def test_number_types(self, tmp_path, dtype):
        x = np.arange(24).reshape(3, 8).astype(dtype)
        np.save(tmp_path / "x.npy", x)
        values, _ = everything(open_source([tmp_path / "x.npy"]))
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, x)

    def test_complex(self, tmp_path):
        np.save(tmp_path / "x.npy", np.full((3, 8), 1 + 2j))
        source = open_source([tmp_path / "x.npy"])
        assert source.is_complex
        assert everything(source)[0].dtype == np.complex64

    def test_options_of_the_other_kind(self, tmp_path, random):
        np.save(tmp_path / "x.npy", np.zeros((3, 8)))
        image = save(tmp_path / "x.png", random.integers(0, 256, (5, 4), dtype=np.uint8))
        for options in ({"shape": (4, 4)}, {"colour": "rgb"}, {"key": "x"}):
            with pytest.raises(ArgumentError):
                open_source([tmp_path / "x.npy"], **options)
        with pytest.raises(ArgumentError, match="--key"):
            open_source([image], key="x")
        with pytest.raises(ArgumentError, match="mix"):
            open_source([image, tmp_path / "x.npy"])
        with pytest.raises(DataError, match="no such file"):
            open_source([tmp_path / "missing"])
