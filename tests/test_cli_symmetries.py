"""``groupscat symmetries``: what it prints, writes, refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from groupscat import nn
from groupscat.cli import main
from groupscat.testing import assert_close
from tests.frameworks import needs

pytest.importorskip("safetensors", reason='pip install "groupscat[safetensors]"')

NETWORK = nn.hcnn(K=4, input_shape=(1, 8, 8), classes=3, attributes=(3, 3))
NAMES = ("bird", "cat", "dog")
COUNT = 12


def model() -> nn.Model:
    return nn.Model(NETWORK, *nn.init(NETWORK, seed=3), NAMES)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(COUNT, 1, 8, 8)).astype("float32")
    nn.save(model(), "model.safetensors")
    np.savez("data.npz", x=x, y=np.arange(COUNT) % 3, class_names=np.array(NAMES))
    return tmp_path


def run(*arguments: str) -> int:
    return main(["symmetries", "model.safetensors", *arguments])


def arrays() -> tuple[NDArray[Any], NDArray[Any]]:
    with np.load("data.npz") as file:
        return file["x"], file["y"]


def report() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("out.json").read_text(encoding="utf-8"))
    return found


def test_figure_and_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason='pip install "groupscat[plot]"')
    assert run("data.npz", "-o", "out.png", "--report", "out.json", "--images", "5", "--seed", "2") == 0
    assert Path("out.png").read_bytes().startswith(b"\x89PNG")
    found, (x, y) = report(), arrays()
    numbers = np.array(found["images"])
    assert sorted(numbers) == list(range(COUNT))
    assert found["class_names"] == list(NAMES)
    assert [layer["layer"] for layer in found["layers"]] == [52, 27]
    wanted = nn.symmetries(model(), x[numbers], y[numbers], rows=range(5), seed=2)
    assert_close(np.array(found["layers"][0]["along"][1]["distance"]), wanted.along[1].effect.distance)
    text = json.loads(json.dumps(wanted.report()))
    assert found["layers"][0].keys() == text.keys()
    for name in ("accuracy", "chance", "labels", "rows", "classes", "space"):
        assert found["layers"][0][name] == text[name]
    assert str(wanted) in capsys.readouterr().out


@pytest.mark.parametrize("backend", ["numpy", pytest.param("torch", marks=needs("torch"))])
def test_layers_of_ones_choice(folder: Path, backend: str) -> None:
    options = ("--layer", "3", "--layer", "9", "--orders", "0", "--zeros", "--among", "8", "--quiet")
    assert run("data.npz", *options, "--report", "out.json", "--backend", backend) == 0
    found = report()
    assert len(found["images"]) == 8
    assert [layer["layer"] for layer in found["layers"]] == [3, 9]
    numbers, (x, y) = np.array(found["images"]), arrays()
    wanted = nn.symmetries(model(), x[numbers], y[numbers], 3, periodic=False, orders=0).along[0]
    (along,) = found["layers"][0]["along"]
    assert along["controls"] == []
    assert_close(np.array(along["probabilities"]), wanted.probabilities, tolerance=1e-4)


def test_classes_go_by_name(folder: Path) -> None:
    """The same images under other numbers of the same names."""
    x, y = arrays()
    np.savez("other.npz", x=x, y=2 - y, class_names=np.array(NAMES[::-1]))
    for name in ("data", "other"):
        assert run(f"{name}.npz", "-q", "--report", f"{name}.json") == 0
    first, second = (json.loads(Path(f"{name}.json").read_text()) for name in ("data", "other"))
    assert first["layers"] == second["layers"]


def test_images_are_resized(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of another size they are refused, and the way out is named."""
    pytest.importorskip("PIL")
    x, y = arrays()
    np.savez("large.npz", x=x.repeat(2, 2).repeat(2, 3), y=y, class_names=np.array(NAMES))
    assert run("large.npz", "-q") == 1
    assert "--shape" in capsys.readouterr().err
    assert run("large.npz", "-q", "--shape", "8", "8", "--report", "out.json") == 0
    assert report()["layers"]


def test_progress_counts_every_image(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []

    class Counted:
        def counter(self, total: int, unit: str, what: str) -> Any:
            from contextlib import nullcontext

            seen.append([total, 0])
            return nullcontext(self)

        def advance(self, count: int) -> None:
            seen[-1][1] += count

    monkeypatch.setattr("groupscat.cli.symmetries.progress", lambda quiet: Counted())
    assert run("data.npz", "--images", "5") == 0
    sizes = 2 + 4  # of v10 and v11, and of v5 and v6
    assert seen == [[COUNT + 5 * (1 + 3) * sizes] * 2] * 2


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("data.npz", "--layer", "1"), 2, "layer=1 has no attribute axes. Layers that have some: 3, c:1"),
        (("data.npz", "--layer", "99"), 2, "layer=99 has no attribute axes"),
        (("data.npz", "-o", "data.npz"), 2, "pass --overwrite"),
        (("data.npz", "--report", "nowhere/x.json"), 2, "no folder"),
        (("none.npz",), 1, "no such file"),
        (("large.npz",), 1, "expected images of the shape (1, 8, 8)"),
        (("strange.npz",), 1, "the class 'fish'"),
        (("data.npz", "--split", "val"), 2, "val"),
        (("data.npz", "--among", "1"), 1, "1 images"),
        (("data.npz", "--images", "0"), 2, "expected an integer >= 1"),
        (("data.npz", "--backend", "abacus"), 2, "abacus"),
    ],
)
def test_what_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], status: int, message: str
) -> None:
    x, _ = arrays()
    np.savez("large.npz", x=np.zeros((4, 1, 9, 9)), y=[0, 1, 2, 0], class_names=np.array(NAMES))
    np.savez("strange.npz", x=x[:2], y=[0, 1], class_names=np.array(["bird", "fish"]))
    before = Path("data.npz").read_bytes()
    assert run(*arguments, "--quiet") == status
    assert message in capsys.readouterr().err
    assert Path("data.npz").read_bytes() == before


def test_a_network_without_attributes_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain = nn.plain_cnn(K=2, input_shape=(1, 8, 8), classes=3)
    nn.save(nn.Model(plain, *nn.init(plain)), "model.safetensors")
    assert run("data.npz", "--quiet") == 2
    assert "has no attribute axes" in capsys.readouterr().err
    Path("model.safetensors").write_bytes(b"none")
    assert run("data.npz", "--quiet") == 1
