"""What is named on a command line: folders, lists, stores; options from a file."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import groupscat as gs
from groupscat import cli
from groupscat.data import open_source, read_features
from groupscat.data.images import YUV, Look, load_image
from groupscat.errors import ArgumentError, DataError

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def run(capsys):
    """Run a command; its status, stdout, stderr."""

    def run(*arguments):
        status = cli.main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def save(path: Path, pixels) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def everything(source, size=3, dtype="float32"):
    batches = list(source.batches(size, dtype))
    return np.concatenate([b.values for b in batches]), [row for b in batches for row in b.rows]


class TestLook:
    def test_crop_is_the_centre(self, tmp_path, random):
        pixels = random.integers(0, 256, (9, 12), dtype=np.uint8)
        path = save(tmp_path / "x.png", pixels)
        np.testing.assert_array_equal(load_image(path, Look(crop=(5, 6)), "float64"), pixels[2:7, 3:9] / 255)
        source = open_source([path], crop=(5, 6), colour="rgb")
        assert source.shape == (3, 5, 6)
        assert everything(source)[0].shape == (1, 3, 5, 6)

    def test_with_a_shape_the_aspect_ratio_is_kept(self, tmp_path):
        """A circle stays one: it is as wide as high after resizing and cropping."""
        u, v = np.mgrid[:120, :200]
        pixels = np.where((u - 60) ** 2 + (v - 100) ** 2 < 40**2, 255, 0).astype(np.uint8)
        path = save(tmp_path / "x.png", pixels)
        image = load_image(path, Look(shape=(60, 60), crop=(50, 50)))
        assert image.shape == (50, 50)
        inside = image > 0.5
        assert abs(inside.any(0).sum() - 40) <= 1
        assert abs(inside.any(1).sum() - 40) <= 1
        squeezed = load_image(path, Look(shape=(60, 60))) > 0.5
        assert squeezed.any(0).sum() < squeezed.any(1).sum() - 10

    @pytest.mark.parametrize("size", [(300, 400), (400, 300), (10, 1000), (7, 7)])
    def test_resizing_covers(self, size):
        height, width = Look(shape=(224, 200), crop=(224, 200)).resized(size)
        assert height >= 224
        assert width >= 200
        assert height == 224 or width == 200

    def test_smaller_than_the_crop(self, tmp_path, random):
        save(tmp_path / "a.png", random.integers(0, 256, (8, 9), dtype=np.uint8))
        save(tmp_path / "b.png", random.integers(0, 256, (4, 9), dtype=np.uint8))
        with pytest.raises(DataError, match=r"b\.png: is 4x9, smaller than --crop 6 6; --shape"):
            open_source([tmp_path], crop=(6, 6))
        source = open_source([tmp_path], crop=(6, 6), skip_bad=True)
        assert source.names == (str(tmp_path / "a.png"),)
        with pytest.raises(ArgumentError, match="--crop 9 9 is larger than --shape 8 8"):
            open_source([tmp_path], crop=(9, 9), shape=(8, 8))

    def test_yuv(self, tmp_path, random):
        pixels = random.integers(0, 256, (5, 4, 3), dtype=np.uint8)
        path = save(tmp_path / "x.png", pixels)
        y, u, v = load_image(path, Look("yuv"), "float64")
        r, g, b = np.moveaxis(pixels, -1, 0) / 255
        np.testing.assert_allclose(y, 0.299 * r + 0.587 * g + 0.114 * b, atol=1e-12)
        np.testing.assert_allclose(u, 0.436 * (b - y) / (1 - 0.114), atol=1e-12)
        np.testing.assert_allclose(v, 0.615 * (r - y) / (1 - 0.299), atol=1e-12)
        np.testing.assert_allclose(YUV.sum(axis=1), [1, 0, 0], atol=1e-12)
        grey = save(tmp_path / "grey.png", pixels[..., 0])
        np.testing.assert_allclose(load_image(grey, Look("yuv"))[1:], 0, atol=1e-5)


class TestFolders:
    def test_classes_are_the_first_folders(self, tmp_path, random, run):
        pixels = random.integers(0, 256, (8, 8), dtype=np.uint8)
        for name in ("cats/1.png", "cats/deep/2.png", "dogs/1.png", "3.png"):
            save(tmp_path / "x" / name, pixels)
        source = open_source([tmp_path / "x"])
        assert source.labels["folder"].tolist() == ["", "cats", "cats", "dogs"]
        (tmp_path / "x" / "cats" / "1.png").write_bytes(b"no")
        status, _, err = run("features", tmp_path / "x", "-o", tmp_path / "y.npz", "--skip-bad", "-q")
        assert status == 0, err
        assert read_features(tmp_path / "y.npz").labels["folder"].tolist() == ["", "cats", "dogs"]

    def test_one_folder_is_no_class(self, tmp_path, random):
        pixels = random.integers(0, 256, (8, 8), dtype=np.uint8)
        for name in ("cats/1.png", "cats/2.png", "3.png"):
            save(tmp_path / name, pixels)
        assert open_source([tmp_path]).labels == {}

    def test_two_kinds_in_a_folder(self, tmp_path, random):
        save(tmp_path / "1.png", random.integers(0, 256, (8, 8), dtype=np.uint8))
        (tmp_path / "2.wav").write_bytes(b"")
        with pytest.raises(ArgumentError, match=r"mix images .*1\.png.* and recordings .*2\.wav.*@list\.txt"):
            open_source([tmp_path])


class TestLists:
    @pytest.fixture
    def files(self, tmp_path, random, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for k in range(4):
            save(tmp_path / f"image {k}é.png", random.integers(0, 256, (8, 8), dtype=np.uint8))
        text = "image 2é.png\r\n\n  \nimage 0é.png\n" + str(tmp_path / "image 1é.png")
        (tmp_path / "list.txt").write_bytes(text.encode())
        return tmp_path

    def test_in_the_order_of_the_list(self, files, monkeypatch):
        wanted = ["image 2é.png", "image 0é.png", "image 1é.png"]
        for source in (open_source(["@list.txt"]), open_source([], files_from="list.txt")):
            assert [Path(name).name for name in source.names] == wanted
        source = open_source(["image 3é.png", "@list.txt"])
        assert [Path(name).name for name in source.names] == ["image 3é.png", *wanted]
        stream = io.TextIOWrapper(io.BytesIO((files / "list.txt").read_bytes()))
        monkeypatch.setattr(sys, "stdin", stream)
        assert len(open_source([], files_from="-").names) == 3

    def test_what_is_missing_is_named_all_at_once(self, files, run):
        with open(files / "list.txt", "ab") as file:
            file.write(b"\nmissing.png\nimage 3\xff.png\n")
        with pytest.raises(DataError, match=r"2 images cannot be used:\n  missing\.png: No such file"):
            open_source(["@list.txt"])
        status, _, err = run("features", "@list.txt", "-o", "y.npz", "--skip-bad")
        assert status == 0
        assert "skipped 2 of 5" in err
        assert len(read_features("y.npz").skipped) == 2

    def test_lists_that_are_none(self, files):
        with pytest.raises(DataError, match=r"Cannot read the list no\.txt: No such file"):
            open_source(["@no.txt"])
        (files / "x.txt").write_bytes(b"\0\1\2")
        with pytest.raises(DataError, match="not text"):
            open_source(["@x.txt"])
        (files / "x.txt").write_bytes(b"\n\n")
        with pytest.raises(ArgumentError, match="no inputs"):
            open_source(["@x.txt"])

    def test_nothing_at_all(self, run, tmp_path):
        status, _, err = run("features", "-o", tmp_path / "y.npz")
        assert status == 2
        assert "There are no inputs" in err


class TestZarrInputs:
    @pytest.fixture
    def zarr(self):
        return pytest.importorskip("zarr")

    @pytest.mark.parametrize("version", [2, 3])
    @pytest.mark.parametrize("name", ["x.zarr", "x"])
    def test_an_array(self, tmp_path, random, zarr, version, name):
        x = random.normal(size=(7, 5, 4))
        zarr.create_array(tmp_path / name, data=x, chunks=(2, 5, 4), zarr_format=version)
        source = open_source([tmp_path / name])
        assert source.names[3].endswith(f"{name}[3]")
        np.testing.assert_array_equal(everything(source, dtype="float64")[0], x)
        with pytest.raises(ArgumentError, match="holds just one"):
            open_source([tmp_path / name], key="x")

    def test_a_group_with_labels(self, tmp_path, random, zarr, run):
        x = random.normal(size=(7, 64))
        group = zarr.open_group(tmp_path / "x.zarr", mode="w")
        group.create_array("signals", data=x)
        group.create_array("label", data=np.arange(7))
        speakers = group.create_array("speaker", shape=(7,), dtype=str)
        speakers[:] = np.array(list("aabbccd"), object)
        group.create_array("grid", data=np.zeros((3, 3)))
        for workers in (1, 2):
            output = tmp_path / f"y{workers}.npz"
            command = ["features", tmp_path / "x.zarr", "-o", output, "-q", "--batch-size", 2]
            status, _, err = run(*command, "--workers", workers)
            assert status == 0, err
            found = read_features(output)
            S = gs.Scattering1D(J=2, shape=64)
            np.testing.assert_allclose(found.features, S(x.astype(np.float32)), rtol=1e-6, atol=1e-7)
            assert found.labels["speaker"].tolist() == list("aabbccd")
        with pytest.raises(DataError, match="no array 'y'"):
            open_source([tmp_path / "x.zarr"], key="y")

    def test_features_of_features(self, tmp_path, random, zarr, run):
        np.savez(tmp_path / "x.npz", x=random.normal(size=(5, 64)), label=np.arange(5))
        assert run("features", tmp_path / "x.npz", "-o", tmp_path / "y.zarr", "-q")[0] == 0
        source = open_source([tmp_path / "y.zarr"], key="features")
        assert source.shape == read_features(tmp_path / "y.zarr").features.shape[1:]
        assert "label" in source.labels

    def test_what_cannot_be_read(self, tmp_path, zarr):
        zarr.create_array(tmp_path / "x.zarr", data=np.ones((6, 64)), chunks=(2, 64))
        chunk = tmp_path / "x.zarr" / "c" / "1" / "0"
        chunk.write_bytes(chunk.read_bytes()[:-5])
        with pytest.raises(DataError, match=r"Cannot read .*x\.zarr"):
            everything(open_source([tmp_path / "x.zarr"]))
        (tmp_path / "x.zarr" / "zarr.json").write_text("{")
        with pytest.raises(DataError, match=r"Cannot read .*x\.zarr as a Zarr store"):
            open_source([tmp_path / "x.zarr"])
        group = zarr.open_group(tmp_path / "y.zarr", mode="w")
        group.attrs["groupscat"] = {"complete": False}
        group.create_array("features", data=np.ones((6, 64)))
        with pytest.raises(DataError, match="not complete"):
            open_source([tmp_path / "y.zarr"])


class TestConfiguration:
    @pytest.fixture
    def x(self, tmp_path, random):
        np.save(tmp_path / "x.npy", random.normal(size=(5, 128)))
        return tmp_path / "x.npy"

    def test_toml_and_the_command_line_wins(self, tmp_path, x, run):
        text = f'inputs = ["{x.as_posix()}"]\nJ = 3\nQ = 4\nT = "global"\nbatch-size = 2\ndtype = "float64"\n'
        (tmp_path / "c.toml").write_text(text + "skip_bad = true\nsampling-rate = 100\n")
        command = ["features", "-o", tmp_path / "y.npz", "--config", tmp_path / "c.toml", "-Q", 2, "-q"]
        status, _, err = run(*command)
        assert status == 0, err
        found = read_features(tmp_path / "y.npz")
        S = gs.Scattering1D(J=3, shape=128, Q=2, T="global", sampling_rate=100.0)
        np.testing.assert_allclose(found.features, S(np.load(x)), rtol=1e-12, atol=1e-14)
        assert found.config["batch_size"] == 2

    @pytest.mark.parametrize("suffix", ["npz", "json"])
    def test_an_earlier_output_is_computed_again(self, tmp_path, x, run, suffix):
        options = ["-J", 3, "-Q", 3, "--max-order", 1, "--T", 0, "--stride", 1, "--batch-size", 3, "-q"]
        assert run("features", x, "-o", tmp_path / "a.npz", *options)[0] == 0
        a = read_features(tmp_path / "a.npz")
        (tmp_path / "a.json").write_text(json.dumps(a.config))
        again = ["features", "-o", tmp_path / "b.npz", "--config", tmp_path / f"a.{suffix}", "-q"]
        status, _, err = run(*again)
        assert status == 0, err
        b = read_features(tmp_path / "b.npz")
        assert a.config == b.config
        np.testing.assert_array_equal(a.features, b.features)

    def test_images(self, tmp_path, random, run):
        for k in range(3):
            save(tmp_path / "x" / f"{k}.png", random.integers(0, 256, (20, 24), dtype=np.uint8))
        options = ["--yuv", "--shape", 18, 18, "--crop", 16, 16, "-L", 4, "-q"]
        assert run("features", tmp_path / "x", "-o", tmp_path / "a.npz", *options)[0] == 0
        again = ["features", "-o", tmp_path / "b.npz", "--config", tmp_path / "a.npz", "-q"]
        assert run(*again)[0] == 0
        a, b = read_features(tmp_path / "a.npz"), read_features(tmp_path / "b.npz")
        assert a.features.shape[:2] == (3, 3)
        np.testing.assert_array_equal(a.features, b.features)
        assert run(*again, "--rgb", "--overwrite")[0] == 0
        assert (read_features(tmp_path / "b.npz").features != a.features).any()

    @pytest.mark.parametrize(
        ("text", "status", "message"),
        [
            ("rgb = true", 2, "no option 'rgb'; write colour = 'rgb'"),
            ("max_ordr = 2", 2, "no option 'max_ordr'; the nearest is 'max_order'"),
            ("resume = true", 2, "no option 'resume'"),
            ('J = "x"', 2, "J = \"x\": 'x': expected an integer >= 0"),
            ("J = true", 2, "expected a value"),
            ("J = [2]", 2, "expected one value"),
            ("shape = [2]", 2, "expected 2 values"),
            ("shape = 2", 2, "expected a list"),
            ('dtype = "int8"', 2, "expected one of float32, float64"),
            ('colour = "blue"', 2, "expected one of grey, rgb, yuv"),
            ("skip_bad = 1", 2, "expected true or false"),
            ("J = ", 1, "Expected TOML"),
        ],
    )
    def test_what_cannot_be(self, tmp_path, x, run, text, status, message):
        (tmp_path / "c.toml").write_text(text)
        got, _, err = run("features", x, "-o", tmp_path / "y.npz", "--config", tmp_path / "c.toml")
        assert got == status
        assert message in err
        assert "c.toml" in err

    def test_files_that_hold_none(self, tmp_path, x, run):
        (tmp_path / "c.json").write_text("[]")
        np.savez(tmp_path / "c.npz", x=np.ones(3))
        for name in ("c.json", "c.npz", "missing.toml"):
            status, _, err = run("features", x, "-o", tmp_path / "y.npz", "--config", tmp_path / name)
            assert status == 1
            assert name in err

    def test_zero_is_a_value(self, tmp_path, x, run):
        (tmp_path / "c.toml").write_text("T = 4\nmax_order = 2")
        command = ["features", x, "-o", tmp_path / "y.npz", "--config", tmp_path / "c.toml", "-q"]
        assert run(*command, "--T", 0, "--stride", 1, "--max-order", 0)[0] == 0
        config = read_features(tmp_path / "y.npz").config
        assert config["arguments"]["T"] == 0
        assert config["options"]["T"] == 0
        assert config["options"]["max_order"] == 0
