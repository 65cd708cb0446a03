"""``groupscat reconstruct``, run in this process."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat import cli
from tests.frameworks import needs

pytestmark = needs("torch")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in a folder of its own; its status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: Any) -> tuple[int, str, str]:
        status = cli.main(["reconstruct", *map(str, arguments)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def names() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


def sound(size: int = 64) -> np.ndarray[Any, Any]:
    return np.sin(np.arange(size) ** 2 / 60).astype(np.float32)


def test_an_image_and_order_1_beside_all(run: Run) -> None:
    Image = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    Image.fromarray(pixels).save("a.png")
    status, out, err = run("a.png", "-J", 2, "-L", 2, "--steps", 40, "--tolerance", 0.05, "--compare")
    assert status == 0, err
    back = "a-reconstructed"
    assert names() == sorted(
        ["a.png", f"{back}-error.png", *(f"{back}{o}.{s}" for o in ("", "-order-1") for s in ("npy", "png"))]
    )
    assert "order 1: relative error" in out
    assert "all orders: relative error" in out
    S, x = gs.Scattering2D(J=2, shape=(16, 16), L=2), np.load(f"{back}.npy")
    y = S((pixels / 255).astype(np.float32))
    assert np.linalg.norm(S(x) - y) <= 0.051 * np.linalg.norm(y)
    shown = np.asarray(Image.open(f"{back}.png")) / 255
    assert np.abs(shown - x.clip(0, 1)).max() <= 0.5 / 255 + 1e-6


def test_a_recording(run: Run) -> None:
    pytest.importorskip("soundfile")
    from scipy.io import wavfile

    wavfile.write("s.wav", 8000, (30000 * sound(256)).astype(np.int16))
    assert run("s.wav", "-J", 3, "--steps", 3, "-o", "back.wav", "--no-figure", "-q") == (0, "", "")
    assert names() == ["back.npy", "back.wav", "s.wav"]
    rate, samples = wavfile.read("back.wav")
    x = np.load("back.npy")
    assert (rate, samples.dtype, samples.shape) == (8000, np.int16, (256,))
    assert np.allclose(samples / 32767, x / max(1, abs(x).max()), atol=1e-4)


def test_a_recording_from_its_time_frequency_scattering(run: Run) -> None:
    pytest.importorskip("soundfile")
    from scipy.io import wavfile

    wavfile.write("s.wav", 8000, (30000 * sound(256)).astype(np.int16))
    chosen = ("--transform", "jtfs", "-J", 4, "--J-fr", 2, "-Q", 4)
    assert run("s.wav", *chosen, "--steps", 2, "-o", "back", "--no-figure", "-q") == (0, "", "")
    rate, samples = wavfile.read("back.wav")
    assert (rate, samples.shape) == (8000, (256,))


def test_a_complex_image_is_drawn_by_its_real_part(run: Run) -> None:
    pytest.importorskip("matplotlib")
    np.save("c.npy", np.exp(1j * np.outer(sound(16), sound(16))))
    status, _, err = run("c.npy", "-J", 2, "-L", 2, "--steps", 1)
    assert status == 0, err
    assert "c-reconstructed-error.png" in names()


def test_arrays_and_rows_of_features(run: Run) -> None:
    x = np.stack([sound(), 2 * sound()[::-1]])
    np.save("one.npy", x[1])
    np.save("two.npy", x)
    np.savez("two.npz", x=x)
    assert cli.main(["features", "two.npz", "-o", "f.npz", "-J", "3", "-q"]) == 0
    common = ("--steps", 15, "-q", "--no-figure", "--tolerance", 0)
    for options in (
        ("one.npy", "-J", 3, "-o", "a"),
        ("two.npy", "--row", 1, "-J", 3, "-o", "b"),
        ("two.npz", "--row", 1, "-J", 3, "-o", "c"),
        ("f.npz", "--row", 1, "-o", "d"),
    ):
        status, _, err = run(*options, *common)
        assert (status, err) == (0, "")
    a, b, c, d = (np.load(f"{name}.npy") for name in "abcd")
    assert np.array_equal(a, b)
    assert np.array_equal(a, c)
    assert np.allclose(a, d, atol=1e-3)
    assert run("two.npy", *common, "-o", "plane")[0] == 0  # one signal, an image of two rows
    assert np.load("plane.npy").shape == (2, 64)


def test_an_interruption_writes_the_best(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from groupscat_torch.backend import TorchBackend

    right, calls = TorchBackend.value_and_grad, []

    def interrupted(self: Any, function: Any, x: Any) -> Any:
        calls.append(x)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return right(self, function, x)

    monkeypatch.setattr(TorchBackend, "value_and_grad", interrupted)
    np.save("x.npy", sound())
    status, out, _ = run("x.npy", "--no-figure", "--backend", "torch")
    assert status == 130
    assert "interrupted" in out
    assert np.isfinite(np.load("x-reconstructed.npy")).all()


def test_options_are_passed_on(run: Run) -> None:
    np.save("x.npy", sound())
    options = ("-J", 3, "--steps", 5, "-q", "--no-figure", "--overwrite", "-o", "y", "--dtype", "float64")
    found = []
    for more in ((), ("--seed", 1), ("--optimizer", "adam"), ("--bounds", -0.1, 0.1), ("--max-order", 1)):
        assert run("x.npy", *options, *more)[0] == 0
        found.append(np.load("y.npy"))
    assert found[0].dtype == np.float64
    assert abs(found[3]).max() <= 0.1
    assert len({x.tobytes() for x in found}) == len(found)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("nothing.npy",), 1, "Cannot read nothing.npy"),
        (("x.npy", "--row", 99), 2, "has the rows 0 to"),
        (("x.npy", "--backend", "numpy"), 2, "no gradients"),
        (("x.npy", "--tolerance", "-1"), 2, "expected a number >= 0"),
        (("x.npy", "--compare", "--max-order", 1), 2, "--max-order 2"),
        (("x.npy", "--compare", "--transform", "jtfs", "-J", 3), 2, "choose --transform 1d or 2d"),
        (("x.npy", "-o", "missing/y"), 2, "no folder"),
        (("x.npy", "-o", "there"), 2, "--overwrite"),
        (("text.npy",), 1, "not a signal"),
        (("f.npz", "-J", 2), 2, "knows its transform; leave out -J"),
    ],
)
def test_bad_input(run: Run, arguments: tuple[Any, ...], status: int, message: str) -> None:
    np.save("x.npy", np.stack([sound(), sound()]))
    np.save("text.npy", np.array(["a"]))
    Path("there.npy").touch()
    if "f.npz" in arguments:
        assert cli.main(["features", "x.npy", "-o", "f.npz", "-q"]) == 0
    found, _, err = run(*arguments)
    assert (found, message in err) == (status, True), err


def test_without_a_framework_the_error_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    status, _, err = run("x.npy")
    assert status == 2
    assert 'pip install "groupscat[torch]"' in err
