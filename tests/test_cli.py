"""The command line, run in this process where possible."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import groupscat as gs
from groupscat import cli
from groupscat.features import default_J, path_table


@pytest.fixture
def folder(tmp_path):
    """Five images of 16x16, and their pixels in [0, 1]."""
    Image = pytest.importorskip("PIL.Image")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 16, 16), dtype=np.uint8)
    (tmp_path / "images").mkdir()
    for k, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / "images" / f"{k}.png")
    return tmp_path / "images", (pixels / 255).astype(np.float32)


@pytest.fixture
def run(capsys, tmp_path):
    """Run a command; its status, stdout, stderr."""

    def run(*arguments):
        status = cli.main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def load(path):
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def names_in(folder):
    return sorted(p.name for p in folder.iterdir())


class TestFeatures:
    def test_images_give_what_the_operator_gives(self, folder, run, tmp_path):
        images, pixels = folder
        status, out, err = run("features", images, "-o", tmp_path / "y.npz", "-J", 2, "-L", 4)
        assert status == 0, err
        assert "features (5, 25, 4, 4) float32" in out
        assert "5/5" in err  # the progress bar
        found = load(tmp_path / "y.npz")
        S = gs.Scattering2D(J=2, shape=(16, 16), L=4)
        np.testing.assert_array_equal(found["features"], S(pixels))
        assert [Path(name).name for name in found["names"]] == [f"{k}.png" for k in range(5)]
        assert found["skipped"].size == 0
        assert str(found["version"]) == gs.__version__
        configuration = json.loads(str(found["config"]))
        again = getattr(gs, configuration["transform"])(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in configuration["arguments"].items()}
        )
        assert again == S

    def test_every_option_reaches_the_operator(self, folder, run, tmp_path):
        images, pixels = folder
        options = ["-J", 2, "-L", 3, "--max-order", 1, "--T", 2, "--stride", 1, "--padding", "circular"]
        status, _, err = run(
            "features",
            images,
            "-o",
            tmp_path / "y.npz",
            *options,
            "--dtype",
            "float64",
            "--batch-size",
            2,
            "-q",
        )
        assert (status, err) == (0, "")
        S = gs.Scattering2D(J=2, shape=(16, 16), L=3, max_order=1, T=2, stride=1, padding="circular")
        found = load(tmp_path / "y.npz")["features"]
        assert found.dtype == np.float64
        exact = np.round(pixels.astype(np.float64) * 255) / 255
        np.testing.assert_allclose(found, S(exact), rtol=1e-12, atol=1e-14)
        run(
            "features",
            images,
            "-o",
            tmp_path / "c.npz",
            "-J",
            2,
            "--method",
            "cascade",
            "--T",
            "global",
            "-q",
        )
        S = gs.Scattering2D(J=2, shape=(16, 16), method="cascade", T="global")
        np.testing.assert_allclose(load(tmp_path / "c.npz")["features"], S(pixels), rtol=1e-5, atol=1e-6)

    def test_rgb_and_resizing(self, folder, run, tmp_path):
        images, _ = folder
        status, _, err = run("features", images, "-o", tmp_path / "y.npz", "--rgb", "--shape", 8, 12, "-q")
        assert status == 0, err
        assert load(tmp_path / "y.npz")["features"].shape == (5, 3, 9, 4, 6)

    def test_npz_with_labels(self, run, tmp_path):
        x = np.random.default_rng(0).normal(size=(6, 256))
        np.savez(tmp_path / "x.npz", x=x, y=np.arange(6), names=np.array(list("abcdef")))
        status, _, err = run(
            "features", tmp_path / "x.npz", "-o", tmp_path / "y.npz", "-J", 4, "-Q", 4, "--sampling-rate", 100
        )
        assert status == 0, err
        found = load(tmp_path / "y.npz")
        S = gs.Scattering1D(J=4, shape=256, Q=4, sampling_rate=100)
        np.testing.assert_allclose(found["features"], S(x.astype(np.float32)), rtol=1e-6, atol=1e-7)
        np.testing.assert_array_equal(found["y"], range(6))
        np.testing.assert_array_equal(found["input_names"], list("abcdef"))
        np.testing.assert_allclose(found["path_hz"], 100 * found["path_xi"])

    @pytest.mark.parametrize(
        ("shape", "transform", "expected"),
        [
            ((3, 64), None, "Scattering1D"),
            ((3, 2, 64), "1d", "Scattering1D"),
            ((3, 16, 16), None, "Scattering2D"),
            ((3, 2, 16, 16), "2d", "Scattering2D"),
            ((3, 8, 8, 8), None, "Scattering3D"),
            ((3, 8, 8, 8), "harmonic3d", "HarmonicScattering3D"),
        ],
    )
    def test_transform_by_shape(self, run, tmp_path, shape, transform, expected):
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        np.save(tmp_path / "x.npy", x)
        options = ["--transform", transform] if transform else []
        status, _, err = run("features", tmp_path / "x.npy", "-o", tmp_path / "y.npz", "-q", *options)
        assert status == 0, err
        found = load(tmp_path / "y.npz")
        configuration = json.loads(str(found["config"]))
        assert configuration["transform"] == expected
        S = getattr(gs, expected)(
            J=configuration["arguments"]["J"], shape=configuration["arguments"]["shape"]
        )
        np.testing.assert_allclose(found["features"], S(x), rtol=1e-5, atol=1e-6)

    def test_complex_signals(self, run, tmp_path):
        random = np.random.default_rng(0)
        x = random.normal(size=(3, 64)) + 1j * random.normal(size=(3, 64))
        np.save(tmp_path / "x.npy", x)
        status, _, err = run(
            "features", tmp_path / "x.npy", "-o", tmp_path / "y.npz", "--dtype", "float64", "-q"
        )
        assert status == 0, err
        S = gs.Scattering1D(J=2, shape=64, complex_input=True)
        np.testing.assert_allclose(load(tmp_path / "y.npz")["features"], S(x), rtol=1e-12, atol=1e-14)
        np.save(tmp_path / "v.npy", np.zeros((1, 8, 8, 8), complex))
        status, _, err = run(
            "features", tmp_path / "v.npy", "-o", tmp_path / "z.npz", "--transform", "harmonic3d", "-q"
        )
        assert status == 1
        assert "real volumes" in err

    def test_another_backend_gives_the_same(self, folder, run, tmp_path):
        pytest.importorskip("torch")
        images, pixels = folder
        status, _, err = run(
            "features", images, "-o", tmp_path / "y.npz", "--backend", "torch", "--device", "cpu", "-q"
        )
        assert status == 0, err
        S = gs.Scattering2D(J=2, shape=(16, 16))
        np.testing.assert_allclose(load(tmp_path / "y.npz")["features"], S(pixels), rtol=1e-5, atol=1e-6)
        status, _, err = run(
            "features", images, "-o", tmp_path / "z.npz", "--backend", "torch", "--device", "cuda:99"
        )
        assert status == 2
        assert "cuda:99" in err
        assert not (tmp_path / "z.npz").exists()

    def test_a_bad_file_stops_the_run_before_anything_is_written(self, folder, run, tmp_path):
        images, _ = folder
        (images / "1.png").write_bytes(b"not an image")
        (images / "3.png").write_bytes((images / "3.png").read_bytes()[:-100])
        status, _, err = run("features", images, "-o", tmp_path / "y.npz")
        assert status == 1
        assert "groupscat: error: 2 images cannot be used" in err
        assert "1.png" in err
        assert "3.png" in err
        assert "--skip-bad" in err
        assert names_in(tmp_path) == ["images"]

    def test_skip_bad(self, folder, run, tmp_path):
        images, pixels = folder
        (images / "1.png").write_bytes(b"not an image")
        (images / "3.png").write_bytes((images / "3.png").read_bytes()[:-100])
        status, _, err = run("features", images, "-o", tmp_path / "y.npz", "--skip-bad", "--batch-size", 2)
        assert status == 0
        assert "skipped 2 of 5" in err
        assert "1.png" in err
        assert "3.png" in err
        found = load(tmp_path / "y.npz")
        S = gs.Scattering2D(J=2, shape=(16, 16))
        np.testing.assert_allclose(found["features"], S(pixels[[0, 2, 4]]), rtol=1e-6, atol=1e-7)
        assert [Path(name).name for name in found["names"]] == ["0.png", "2.png", "4.png"]
        assert [Path(name).name for name in found["skipped"]] == ["1.png", "3.png"]
        assert all(found["skipped_reasons"] != "")
        assert names_in(tmp_path) == ["images", "y.npz"]

    def test_skipped_rows_take_their_labels_along(self, run, tmp_path):
        x = np.ones((4, 64))
        x[1, 5] = np.nan
        np.savez(tmp_path / "x.npz", x=x, y=np.arange(4))
        status, _, err = run("features", tmp_path / "x.npz", "-o", tmp_path / "y.npz")
        assert status == 1
        assert "x.npz[1]: holds NaN" in err
        assert names_in(tmp_path) == ["x.npz"]
        status, _, _ = run("features", tmp_path / "x.npz", "-o", tmp_path / "y.npz", "--skip-bad", "-q")
        assert status == 0
        np.testing.assert_array_equal(load(tmp_path / "y.npz")["y"], [0, 2, 3])

    def test_nothing_left_to_use(self, run, tmp_path):
        np.save(tmp_path / "x.npy", np.full((3, 64), np.nan))
        status, _, err = run("features", tmp_path / "x.npy", "-o", tmp_path / "y.npz", "--skip-bad")
        assert status == 1
        assert "None of the signals" in err
        assert names_in(tmp_path) == ["x.npy"]

    @pytest.mark.parametrize(
        ("options", "status", "message"),
        [
            (["-J", 9], 2, "J=9"),
            (["-Q", 8], 2, "has no Q"),
            (["--T", 0], 2, "--stride 1"),
            (["--T", "half"], 2, "--T"),
            (["--backend", "nothing"], 2, "no backend 'nothing'"),
            (["--device", "cuda"], 2, "device='cuda'"),
            (["--dtype", "int8"], 2, "--dtype"),
            (["--batch-size", 0], 2, "--batch-size"),
            (["--key", "x"], 2, "--key"),
            (["--grey", "--rgb"], 2, "not allowed with"),
            (["--transform", "3d"], 1, "3 axes"),
            (["--nonsense"], 2, "--nonsense"),
        ],
    )
    def test_errors_are_one_message(self, folder, run, tmp_path, options, status, message):
        got, _, err = run("features", folder[0], "-o", tmp_path / "y.npz", "--quiet", *options)
        assert got == status
        assert err.startswith("groupscat: error: ")
        assert message in err
        assert "Traceback" not in err
        assert names_in(tmp_path) == ["images"]

    def test_outputs_are_not_replaced_unasked(self, folder, run, tmp_path):
        images, _ = folder
        (tmp_path / "y.npz").write_bytes(b"old")
        status, _, err = run("features", images, "-o", tmp_path / "y.npz")
        assert status == 2
        assert "--overwrite" in err
        assert (tmp_path / "y.npz").read_bytes() == b"old"
        assert run("features", images, "-o", tmp_path / "y.npz", "--overwrite")[0] == 0
        assert load(tmp_path / "y.npz")["features"].shape[0] == 5
        np.savez(tmp_path / "x.npz", np.ones((2, 64)))
        status, _, err = run("features", tmp_path / "x.npz", "-o", tmp_path / "x.npz", "--overwrite")
        assert status == 2
        assert "also an input" in err

    def test_what_is_unexpected_keeps_its_traceback(self, folder, run, tmp_path, monkeypatch):
        def broken(self, x):
            raise ZeroDivisionError

        monkeypatch.setattr(gs.Scattering2D, "__call__", broken)
        with pytest.raises(ZeroDivisionError):
            run("features", folder[0], "-o", tmp_path / "y.npz")
        assert names_in(tmp_path) == ["images"]

    def test_ctrl_c(self, folder, run, tmp_path, monkeypatch):
        def interrupted(self, x):
            raise KeyboardInterrupt

        monkeypatch.setattr(gs.Scattering2D, "__call__", interrupted)
        status, _, err = run("features", folder[0], "-o", tmp_path / "y.npz")
        assert status == 130
        assert "interrupted" in err
        assert names_in(tmp_path) == ["images"]

    def test_missing_extras_are_named(self, folder, run, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "PIL", None)
        status, _, err = run("features", folder[0], "-o", tmp_path / "y.npz")
        assert status == 2
        assert 'pip install "groupscat[io]"' in err
        assert "Traceback" not in err

    def test_without_tqdm_it_works_and_says_why_there_is_no_bar(self, run, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "tqdm", None)
        np.save(tmp_path / "x.npy", np.ones((2, 64)))
        status, _, err = run("features", tmp_path / "x.npy", "-o", tmp_path / "y.npz")
        assert status == 0
        assert 'pip install "groupscat[io]"' in err


class TestPathTable:
    def test_two_dimensions(self):
        S = gs.Scattering2D(J=2, shape=(16, 16), L=3)
        table = path_table(S.paths)
        assert {column.shape[0] for column in table.values()} == {len(S.paths)}
        for k, path in enumerate(S.paths):
            m = path.order
            assert table["order"][k] == m
            assert tuple(table["j"][k]) == path.j + (-1,) * (2 - m)
            assert tuple(table["theta"][k]) == path.theta + (-1,) * (2 - m)
            np.testing.assert_array_equal(table["xi"][k, :m], np.reshape(path.xi, (m, 2)))
            assert np.isnan(table["xi"][k, m:]).all()
            assert table["parent"][k] == path.parent

    def test_one_dimension_and_harmonics(self):
        table = path_table(gs.Scattering1D(J=3, shape=64, max_order=0).paths)
        assert table["xi"].shape == (1, 0)
        assert "theta" not in table
        table = path_table(gs.HarmonicScattering3D(J=1, shape=(8, 8, 8), L=1).paths)
        assert set(table["l"]) == {0, 1}
        assert set(table["q"]) == {0.5, 1.0, 2.0}

    def test_no_pickle(self, tmp_path):
        for S in (
            gs.Scattering3D(J=1, shape=(8, 8, 8)),
            gs.HarmonicScattering3D(J=1, shape=(8, 8, 8), order_0=True),
        ):
            np.savez(tmp_path / "t.npz", allow_pickle=False, **path_table(S.paths))


@pytest.mark.parametrize(
    ("transform", "shape", "J"),
    [("2d", (8, 8), 1), ("2d", (3, 3), 1), ("2d", (16, 99), 2), ("2d", (512, 512), 3), ("3d", (32,) * 3, 3)]
    + [("1d", (n,), J) for n, J in [(16, 1), (64, 2), (2048, 7), (1 << 20, 8)]],
)
def test_default_scale(transform, shape, J):
    assert default_J(transform, shape) == J


class TestInfo:
    def test_names_every_backend(self, run):
        status, out, _ = run("info")
        assert status == 0
        assert gs.__version__ in out
        for name in gs.backend_names():
            assert f"  {name}: " in out
        assert "numpy (the default)" in out or "set by GROUPSCAT_BACKEND" in out

    def test_says_what_a_backend_tells_of_itself(self, run, monkeypatch):
        numpy = gs.get_backend("numpy")
        assert numpy.details.startswith("compiled kernels: ")
        assert f"devices: cpu; {numpy.details}\n" in run("info")[1]
        monkeypatch.setattr(numpy, "details", "")
        assert "devices: cpu\n" in run("info")[1]
        monkeypatch.setattr(numpy, "details", "no kernels: first line\nof two")
        assert "devices: cpu; no kernels: first line\n" in run("info")[1]

    def test_numpy_tells_why_there_are_no_kernels(self):
        script = "import groupscat as gs; print(gs.get_backend('numpy').details)"
        environment = {**os.environ, "GROUPSCAT_NATIVE": "0"}
        command = [sys.executable, "-c", script]
        out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        assert out == "compiled kernels: none, switched off by GROUPSCAT_NATIVE=0\n"

    @pytest.mark.parametrize("error", [RuntimeError("driver\nmissing"), ImportError("no"), OSError()])
    def test_survives_a_broken_backend(self, run, monkeypatch, error):
        def broken(name):
            raise error

        monkeypatch.setattr(gs, "get_backend", broken)
        status, out, _ = run("info")
        assert status == 0
        assert f"numpy: broken: {type(error).__name__}" in out

    def test_says_what_is_not_installed(self, run, monkeypatch):
        monkeypatch.setattr(gs, "backend_names", lambda: ["numpy", "surely_not_installed"])
        assert 'not installed: pip install "groupscat[surely_not_installed]"' in run("info")[1]


def test_version_and_help(run):
    assert run("--version")[:2] == (0, f"groupscat {gs.__version__}\n")
    for arguments in (["--help"], ["features", "--help"], ["demo", "--help"], ["info", "--help"]):
        status, out, _ = run(*arguments)
        assert status == 0
        assert "usage: groupscat" in out
    assert "examples:" in run("features", "--help")[1]
    assert run()[0] == 2


@pytest.mark.parametrize(
    "module", ["groupscat", "groupscat.cli", "groupscat.plot", "groupscat.demo", "groupscat.data"]
)
def test_nothing_optional_is_imported(module):
    names = ["torch", "tensorflow", "cupy", "jax", "keras", "matplotlib", "sklearn", "PIL", "tqdm", "pandas"]
    names += ["soundfile", "zarr", "scipy.signal"]
    code = f"import sys, {module}; print([n for n in {names} if n in sys.modules])"
    environment = {k: v for k, v in os.environ.items() if k != "GROUPSCAT_BACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == "[]"


class TestDemo:
    @pytest.fixture(autouse=True)
    def needs(self):
        pytest.importorskip("sklearn")
        pytest.importorskip("matplotlib")

    def test_small(self, tmp_path, capsys):
        from groupscat.demo import run_demo

        scores = run_demo(tmp_path / "demo", gs.get_backend("numpy"), seed=3, sizes={50: 1})
        out = capsys.readouterr().out
        assert "1000 to train on, 797 to test on, seed 3" in out
        assert f"{100 * scores[0].scattering[0]:.1f}" in out
        assert scores[0].pixels[0] > 0.6
        assert scores[0].scattering[0] > 0.6
        assert names_in(tmp_path / "demo") == [
            "accuracy.png",
            "filters.png",
            "littlewood_paley.png",
            "scattering_disk.png",
            "scores.json",
        ]
        record = json.loads((tmp_path / "demo" / "scores.json").read_text())
        assert record["scores"][0]["pixels"] == list(scores[0].pixels)

    def test_the_words_follow_the_numbers(self):
        from groupscat.demo import Score, summary

        better = Score(50, (0.8,), (0.9,), (0,))
        worse = Score(200, (0.95,), (0.94,), (0,))
        equal = Score(1000, (0.95,), (0.95,), (0,))
        assert "Scattering is ahead with 50 training images." in summary([better], 797)
        text = summary([better, worse, equal], 797)
        assert "ahead with 50 training images; raw pixels are as good or better with 200 and 1000." in text
        assert "Raw pixels are as good or better with 200." in summary([worse], 797)

    def test_training_subsets(self):
        from groupscat.demo import digits, split, subset

        _, labels = digits()
        train, test = split(labels, 0)
        assert len(train) == 1000
        assert not set(train) & set(test)
        rows = subset(labels, train, 50, np.random.default_rng(0))
        assert set(rows) <= set(train)
        assert (np.bincount(labels[rows]) == 5).all()

    @pytest.mark.slow
    def test_whole(self, tmp_path, run):
        status, out, _ = run("demo", "--output", tmp_path / "demo", "--seed", 1)
        assert status == 0
        assert "training images" in out

    def test_a_folder_that_cannot_be_made(self, tmp_path, run):
        (tmp_path / "file").touch()
        status, _, err = run("demo", "-o", tmp_path / "file")
        assert status == 1
        assert "Cannot make the folder" in err

    def test_missing_extras_are_named(self, tmp_path, run, monkeypatch):
        for module, extra in (("sklearn.datasets", "sklearn"), ("matplotlib", "plot")):
            with monkeypatch.context() as patch:
                patch.setitem(sys.modules, module, None)
                status, _, err = run("demo", "-o", tmp_path / "demo")
            assert status == 2
            assert f'pip install "groupscat[{extra}]"' in err
