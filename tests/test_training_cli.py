"""``groupscat train`` and ``predict`` with networks: what they write, say, refuse and go on from."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groupscat import cli, nn
from groupscat.cli.train import recipe_of
from groupscat.training import (
    RECIPES,
    SGD,
    Adam,
    Augment,
    Cosine,
    Dataset,
    Recipe,
    Steps,
    open_dataset,
    train,
)
from groupscat.training.checkpoint import Checkpoint
from groupscat.training.recipe import from_data
from groupscat.training.step import Step
from tests.frameworks import missing
from tests.training import WHOLE, assert_equal, signals, table

if missing("torch") or missing("safetensors"):
    pytest.skip('pip install "groupscat[torch,safetensors]"', allow_module_level=True)

Run = Callable[..., tuple[int, str, str]]
CLASSES = ("cats", "dogs", "eels")
#: Of colour images.
SMALL = nn.Network(
    [nn.Conv1x1(4), nn.ELU(), nn.Pool(2), nn.BatchNorm(), nn.Flatten(), nn.Dense(3)], input_shape=(3, 8, 8)
)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in an empty folder; its status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: Any) -> tuple[int, str, str]:
        status = cli.main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def pixels(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bytes (n, 8, 8, 3), of three colours by class."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = rng.integers(0, 160, (n, 8, 8, 3))
    x[np.arange(n), :, :, y] += 60
    return x.astype(np.uint8), y


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    x, y = pixels(24, 0)
    held, their = pixels(9, 1)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_test=held, y_test=their, class_names=CLASSES)
    return tmp_path / "data.npz"


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """The same images as files, below train and test."""
    Image = pytest.importorskip("PIL.Image")
    for split, n, seed in (("train", 24, 0), ("test", 9, 1)):
        for k, (x, y) in enumerate(zip(*pixels(n, seed), strict=True)):
            where = tmp_path / "images" / split / CLASSES[y]
            where.mkdir(parents=True, exist_ok=True)
            Image.fromarray(x).save(where / f"{k:02}.png")
    return tmp_path / "images"


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "network.json"
    path.write_text(json.dumps(nn.to_config(SMALL)), encoding="utf-8")
    return path


FAST = ("--epochs", 3, "--batch-size", 7, "--rate", 0.05, "--backend", "torch", "--no-figure")


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def assert_probabilities(text: str, model: Path, data: Dataset) -> list[dict[str, str]]:
    """The rows of a table, which are of the signals of data, in order."""
    rows = list(csv.DictReader(text.splitlines()))
    y = nn.load(model)(data.batch(np.arange(len(data)))).astype(np.float64)
    wanted = np.exp(y) / np.exp(y).sum(1, keepdims=True)
    assert list(rows[0]) == ["name", "prediction", "probability", *CLASSES]
    found = [[float(row[name]) for name in CLASSES] for row in rows]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    np.testing.assert_allclose([float(row["probability"]) for row in rows], wanted.max(1), atol=1e-5)
    assert [row["prediction"] for row in rows] == [CLASSES[k] for k in y.argmax(1)]
    return rows


# --------------------------------------------------------------------------------- what it writes


def test_trained_by_the_command_as_by_the_function(run, archive, network, tmp_path):
    status, out, err = run("train", "--model", network, "--data", archive, "-o", "run", *FAST)
    assert status == 0, err
    assert "24 × (3, 8, 8) of uint8, 3 classes" in out
    assert "Standardise" in out
    assert "recipe: epochs 3, batch_size 7" in out
    data, test = open_dataset(archive), open_dataset(archive, "test")
    mean, deviation = data.statistics()
    spec = nn.Network([nn.Standardise(mean.tolist(), deviation.tolist()), *SMALL.layers], SMALL.input_shape)
    recipe = Recipe(epochs=3, batch_size=7, schedule=Cosine(0.05))
    wanted = train(spec, data, recipe, test=test, backend="torch", output=tmp_path / "wanted")
    found = nn.load(tmp_path / "run" / "model.safetensors")
    assert found.spec == spec
    assert found.classes == CLASSES
    assert_equal({k: found.arrays()[k] for k in wanted.model.arrays()}, wanted.model.arrays())
    assert table(tmp_path / "run" / "metrics.csv") == table(tmp_path / "wanted" / "metrics.csv")
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert nn.from_config(report["network"]) == spec
    assert report["parameters"] == spec.size
    assert from_data(report["recipe"]) == recipe
    assert report["data"] == {
        "name": data.name, "signals": 24, "classes": list(CLASSES), "sha256": data.fingerprint
    }  # fmt: skip
    assert [row["loss"] for row in report["epochs"]] == [row["loss"] for row in wanted.rows]
    assert report["test"]["loss"] == wanted.test.loss
    assert report["test"]["error"] == wanted.test.error
    assert f"{100 * wanted.test.error:.1f}" in out
    assert sorted(p.name for p in (tmp_path / "run").iterdir() if p.name[0] != ".") == [
        "checkpoint.safetensors", "metrics.csv", "model.safetensors", "report.json"
    ]  # fmt: skip


def test_columns_and_pictures(run, archive, network, tmp_path):
    pytest.importorskip("matplotlib")
    how = ("--validation", 0.25, "--test-each-epoch", *FAST[:-1])
    status, _, err = run("train", "--model", network, "--data", archive, "-o", "run", *how)
    assert status == 0, err
    rows = read(tmp_path / "run" / "metrics.csv")
    assert list(rows[0]) == [
        "epoch", "rate", "loss", "error", "seconds",
        "validation_loss", "validation_error", "test_loss", "test_error",
    ]  # fmt: skip
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    for name in ("curve.png", "confusion.png"):
        assert (tmp_path / "run" / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (tmp_path / "run" / "best.safetensors").exists()


def test_learning_curves_of_odd_numbers():
    """Losses of 0, of one epoch, rows that do not all have the same."""
    pytest.importorskip("matplotlib")
    from groupscat.plot.learning import learning_curve

    zero = [{"epoch": 1, "loss": 0.0, "error": 0.0, "rate": 0.1}]
    late = [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.5, "test_error": 0.25, "test_loss": 3.0}]
    for rows in (zero, late, [{"epoch": 3}]):
        learning_curve(rows).canvas.draw()
    error = learning_curve(late).axes[1].get_lines()[-1]
    assert (list(error.get_xdata()), list(error.get_ydata())) == ([2], [25.0])


@pytest.mark.slow
def test_events_of_tensorboard(tmp_path):
    """Each number once at each epoch, though the run was interrupted; without those of a training before."""
    if importlib.util.find_spec("tensorboard") is None:
        pytest.skip('pip install "groupscat[tensorboard]"')
    # In a process of its own: to read events may import TensorFlow, which warns.
    script = """
import json, sys, warnings
warnings.simplefilter("ignore")
from tests.training import *
from groupscat.training import train
from groupscat.training.step import Step
folder = Path(sys.argv[1])
how = {"backend": "torch", "output": folder, "tensorboard": True}
go = lambda recipe, **more: train(WHOLE, TRAIN, recipe, **how, **more)
go(replace(RECIPE, seed=8, epochs=5))
original, calls = Step.__call__, []
def stopped(*given):
    calls.append(1)
    if len(calls) == 8:
        raise KeyboardInterrupt
    return original(*given)
Step.__call__ = stopped
try:
    go(RECIPE, overwrite=True)
except KeyboardInterrupt:
    Step.__call__ = original
rows = go(RECIPE).rows
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(str(folder / "events"))
events.Reload()
tags = events.Tags()
def value(e, tag):
    import numpy as np
    return float(e.value if tag in tags["scalars"] else np.frombuffer(e.tensor_proto.tensor_content or
        np.array(e.tensor_proto.float_val or e.tensor_proto.double_val, "f8").tobytes(), {1: "f4", 2: "f8"}[
        e.tensor_proto.dtype] if e.tensor_proto.tensor_content else "f8")[0])
read = events.Scalars, events.Tensors
found = {t: {e.step: value(e, t) for e in read[t not in tags["scalars"]](t)}
         for t in (*tags["scalars"], *tags["tensors"])}
print(json.dumps([rows, found]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True, text=True, timeout=300,
        cwd=Path(__file__).parent.parent, env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows, found = json.loads(done.stdout.splitlines()[-1])
    assert sorted(found) == ["error", "loss", "rate", "seconds"]
    for name, values in found.items():
        wanted = {str(row["epoch"]): pytest.approx(row[name], rel=1e-6) for row in rows}
        assert values == wanted


# ------------------------------------------------------------------------------------ and predicts


def test_predictions_are_those_of_the_model(run, archive, network, tmp_path):
    np.savez(tmp_path / "new.npz", x=pixels(9, 1)[0])
    run("train", "--model", network, "--data", archive, "-o", "run", *FAST, "-q")
    status, out, err = run("predict", "run/model.safetensors", "new.npz", "-o", "p.csv", "--each")
    assert (status, out.split(":")[0]) == (0, "p.csv"), err
    text = (tmp_path / "p.csv").read_text(encoding="utf-8")
    rows = assert_probabilities(text, tmp_path / "run" / "model.safetensors", open_dataset(archive, "test"))
    # The arrays of the data set by name; and in another framework, the same table.
    for options in (("--key", "x_test", "--backend", "torch"), ("--key", "x_test", "--each")):
        status, out, err = run("predict", "run/model.safetensors", archive, *options, "-q")
        assert status == 0, err
        assert [line.split(",")[1] for line in out.splitlines()[1:]] == [row["prediction"] for row in rows]
    status, _, err = run("predict", "run/model.safetensors", archive, "-q")
    assert status == 1
    assert "x_train" in err


def test_files_are_predicted_as_they_were_tested(run, folders, network, tmp_path):
    """Of the folder that was tested on: the error of the report, by the numbers of the model."""
    status, _, err = run("train", "--model", network, "--data", folders, "-o", "run", *FAST)
    assert status == 0, err
    report = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    status, out, err = run("predict", "run/model.safetensors", folders / "test", "--each", "-q")
    assert status == 0, err
    rows = assert_probabilities(out, tmp_path / "run" / "model.safetensors", open_dataset(folders, "test"))
    truth = [Path(row["name"]).parent.name for row in rows]
    assert sorted(truth) == sorted(CLASSES[k % 3] for k in range(9))
    wrong = np.mean([row["prediction"] != name for row, name in zip(rows, truth, strict=True)])
    assert wrong == pytest.approx(report["test"]["error"])


@pytest.mark.parametrize(
    ("options", "channels", "how"),
    [
        (("--colour", "yuv"), 3, {"colour": "yuv"}),
        (("--colour", "grey"), 1, {"colour": "grey"}),
        (("--shape", 5, 6), 3, {"shape": (5, 6)}),
    ],
)
def test_images_are_decoded_as_they_were(run, folders, tmp_path, options, channels, how):
    spec = nn.Network([nn.Flatten(), nn.Dense(3)], (channels, *how.get("shape", (8, 8))))
    (tmp_path / "n.json").write_text(json.dumps(nn.to_config(spec)))
    status, _, err = run("train", "--model", "n.json", "--data", folders, *options, "-o", "run", *FAST)
    assert status == 0, err
    status, out, err = run("predict", "run/model.safetensors", folders / "test", "--each", "-q")
    assert status == 0, err
    assert_probabilities(out, tmp_path / "run" / "model.safetensors", open_dataset(folders, "test", **how))
    if channels == 3:  # what the model knows can be overruled
        other = {**how, "colour": "rgb"}
        status, out, err = run(
            "predict", "run/model.safetensors", folders / "test", "--each", "-q", "--colour", "rgb"
        )
        assert status == 0, err
        assert_probabilities(
            out, tmp_path / "run" / "model.safetensors", open_dataset(folders, "test", **other)
        )
    wrong = "rgb" if channels == 1 else "grey"
    status, _, err = run("predict", "run/model.safetensors", folders / "test", "--colour", wrong)
    assert status == 2
    assert f"colour='{wrong}'" in err


def test_bad_files_are_left_out_or_refused(run, folders, network, tmp_path):
    run("train", "--model", network, "--data", folders, "-o", "run", *FAST, "-q")
    (folders / "test" / "dogs" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    status, out, err = run("predict", "run/model.safetensors", folders / "test", "-o", "p.csv")
    assert status == 1
    assert "bad.png" in err
    assert not (tmp_path / "p.csv").exists()
    status, out, err = run("predict", "run/model.safetensors", folders / "test", "-o", "p.csv", "--skip-bad")
    assert status == 0, err
    assert "9 predictions" in out
    assert "skipped" in err
    assert "bad.png" in err
    assert len(read(tmp_path / "p.csv")) == 9
    status, _, err = run("predict", "run/model.safetensors", folders / "test", "-o", "p.csv")
    assert status == 2
    assert "p.csv" in err  # it exists


def test_what_a_network_does_not_take(run, archive, network, tmp_path):
    run("train", "--model", network, "--data", archive, "-o", "run", *FAST, "-q")
    np.savez(tmp_path / "other.npz", x=np.zeros((4, 9, 9, 3), np.uint8))
    status, _, err = run("predict", "run/model.safetensors", "other.npz")
    assert status == 1
    assert "(3, 8, 8)" in err
    status, _, err = run("predict", "run/checkpoint.safetensors", "other.npz")
    assert status == 1
    assert "specification" in err
    status, _, err = run("predict", "model.skops", "other.npz", "--each")
    assert status == 2
    assert "--each, --key and --colour are for networks" in err


# -------------------------------------------------------------------------------- kills, and files


@pytest.mark.slow
def test_killed_and_run_again(archive, tmp_path):
    """The process is killed in the middle; the same command goes on, to the same bits."""
    (tmp_path / "n.json").write_text(json.dumps(nn.to_config(WHOLE)))
    data = signals(60)
    np.savez(tmp_path / "d.npz", x=data.x.astype(np.float32), y=data.y)
    command = [
        sys.executable, "-m", "groupscat.cli", "train", "--model", "n.json", "--data", "d.npz",
        "--epochs", "30", "--batch-size", "4", "--flip", "--shift", "1",
        "--validation", "0.2", "--backend", "torch",
        "--no-figure", "--minutes", "0.0001", "-q",
    ]  # fmt: skip
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    straight = subprocess.run(
        [*command, "-o", "straight"], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert straight.returncode == 0, straight.stderr
    kills = 0
    for rows in (3, 12):
        process = subprocess.Popen(
            [*command, "-o", "killed"],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        file = tmp_path / "killed" / "metrics.csv"
        end = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < end:
            # Its size, a row being 80 bytes or more: on Windows a file that is read cannot be replaced.
            if file.exists() and file.stat().st_size > 80 * rows:
                process.kill()
                break
            time.sleep(0.001)
        process.communicate(timeout=60)
        kills += process.returncode != 0
    assert kills == 2
    again = subprocess.run([*command, "-o", "killed"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "going on after" in again.stderr
    folders = [tmp_path / "straight", tmp_path / "killed"]
    assert table(folders[0] / "metrics.csv") == table(folders[1] / "metrics.csv")
    for name in ("model.safetensors", "best.safetensors"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
    ends = [Checkpoint.load(folder / "checkpoint.safetensors") for folder in folders]
    assert_equal(ends[0].weights.slots, ends[1].weights.slots)
    left = {p.name for p in folders[1].iterdir()} - {p.name for p in folders[0].iterdir()}
    assert all(name.endswith(".part") for name in left)


def test_interrupted_by_a_signal(run, archive, network, monkeypatch):
    """Exit status, what is said, and what the same command makes of it."""
    command = ["train", "--model", network, "--data", archive, *FAST]
    run(*command, "-o", "straight", "-q")
    calls = 0

    def stopped(*given: Any, original: Any = Step.__call__) -> Any:
        nonlocal calls
        calls += 1
        if calls == 6:
            raise cli.Terminated(signal.SIGTERM)
        return original(*given)

    with monkeypatch.context() as patch:
        patch.setattr(Step, "__call__", stopped)
        status, _, err = run(*command, "-o", "run", "--overwrite")
    assert status == 128 + signal.SIGTERM
    assert "The same command, without --overwrite, goes on from run." in err
    status, _, err = run(*command, "-o", "run")
    assert status == 0
    assert "going on after 1 epochs and 1 steps in run" in err
    files = [Path(folder, "model.safetensors").read_bytes() for folder in ("run", "straight")]
    assert files[0] == files[1]


def test_a_trained_network_is_trained_further(run, archive, network, tmp_path):
    run("train", "--model", network, "--data", archive, "-o", "run", *FAST, "-q")
    status, _, err = run(
        "train", "--model", "run/model.safetensors", "--data", archive, "-o", "further", *FAST
    )
    assert status == 0, err
    assert nn.load("further/model.safetensors").spec == nn.load("run/model.safetensors").spec
    status, _, err = run("train", "--model", "run/model.safetensors", "--data", archive, "-o", "run", *FAST)
    assert status == 2
    assert "of another training: " in err


def test_test_data_with_classes_in_another_order(run, folders, network, tmp_path):
    """Numbers of classes are names of folders; those of an archive, in another order, are matched."""
    x, y = pixels(9, 1)
    order = ("eels", "cats", "dogs")
    turned = np.array([order.index(CLASSES[k]) for k in y])
    np.savez(tmp_path / "turned.npz", x=x, y=turned, class_names=order)
    reports = []
    for name, test in (("a", ()), ("b", ("--test", "turned.npz"))):
        status, _, err = run("train", "--model", network, "--data", folders, *test, "-o", name, *FAST)
        assert status == 0, err
        reports.append(json.loads((tmp_path / name / "report.json").read_text(encoding="utf-8"))["test"])
    assert reports[0] == reports[1]
    np.savez(tmp_path / "strange.npz", x=x, y=y, class_names=("cats", "dogs", "yaks"))
    status, _, err = run(
        "train", "--model", network, "--data", folders, "--test", "strange.npz", "-o", "c", *FAST
    )
    assert status == 1
    assert "has the class 'yaks'" in err
    assert not (tmp_path / "c").exists()


# ------------------------------------------------------------------------------ what it says, options


def test_lists_helps_and_dry_runs(run, archive, tmp_path):
    status, out, _ = run("train", "--list")
    assert status == 0
    listed = [line.split(maxsplit=1) for line in out.splitlines()]
    assert [name for name, _ in listed] == list(nn.PUBLISHED)
    for command in ("train", "predict"):
        status, out, _ = run(command, "--help")
        assert status == 0
        assert "examples:" in out
    status, out, _ = run("train", "--model", "plain_cnn", "--option", "K=4", "--data", archive, "--dry-run")
    assert status == 0
    assert "Standardise" in out
    assert "epochs 310" in out
    status, quiet, _ = run(
        "train", "--model", "plain_cnn", "--option", "K=4", "--data", archive, "--dry-run", "-q"
    )
    assert (status, quiet) == (0, out)
    assert [p.name for p in tmp_path.iterdir()] == ["data.npz"]


def test_quiet_says_one_line(run, archive, network):
    status, out, err = run("train", "--model", network, "--data", archive, "-o", "run", *FAST, "-q")
    assert (status, err) == (0, "")
    assert len(out.splitlines()) == 1
    status, out, err = run("predict", "run/model.safetensors", archive, "--key", "x_test", "-q")
    assert (status, err) == (0, "")
    assert out.startswith("name,prediction,probability\n")
    assert run("predict", "run/model.safetensors", archive, "--key", "x_test", "-o", "p.csv", "-q") == (
        0,
        "",
        "",
    )


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ((), RECIPES["plain_cnn"]),
        (("--momentum", 0.5), {"optimiser": SGD(0.5, nesterov=False)}),
        (("--optimiser", "adam"), {"optimiser": Adam()}),
        (("--epochs", 5, "--batch-size", 9, "--decay", 0, "--seed", 3),
         {"epochs": 5, "batch_size": 9, "decay": 0.0, "seed": 3}),
        (("--schedule", "cosine", "--rate", 0.2, "--warmup", 0.1), {"schedule": Cosine(0.2, 0.1)}),
        (("--schedule", "constant"), {"schedule": Steps((0.25,), ())}),
        (("--no-flip", "--shift", 0), {"augment": None}),
        (("--no-flip", "--pad", "edge"), {"augment": Augment(flip=False, shift=4, pad="edge")}),
        (("--shift", 0.25), {"augment": Augment(flip=True, shift=0.25)}),
        (("--smoothing", 0.1, "--precision", "float64"), {"smoothing": 0.1, "precision": "float64"}),
    ],
)  # fmt: skip
def test_recipes_of_the_command_line(options, wanted):
    a = cli.parser().parse_args(["train", "--model", "plain_cnn", *map(str, options)])
    recipe = recipe_of(a)
    if not isinstance(wanted, Recipe):
        if isinstance(wanted.get("optimiser"), Adam):  # the published rate is of another rule
            wanted = wanted | {"schedule": recipe.schedule}
            assert recipe.schedule.rate(0) == pytest.approx(1e-3)
        wanted = replace(RECIPES["plain_cnn"], **wanted)
    assert recipe == wanted


def test_rates_of_a_published_schedule_are_scaled():
    recipe = recipe_of(cli.parser().parse_args(["train", "--model", "plain_cnn", "--rate", "0.5"]))
    before = RECIPES["plain_cnn"].schedule
    assert recipe.schedule.at == before.at
    np.testing.assert_allclose(recipe.schedule.rates, 2 * np.array(before.rates), rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--model", "hccn"), 2, "model='hccn': expected one of hcnn, "),
        (("--model", "hcnn", "--option", "Q=3"), 2, "hcnn cannot be built with {'Q': 3}"),
        (("--model", "hcnn", "--option", "K"), 2, "--option K: expected NAME=VALUE"),
        (("--model", "none.json"), 1, "Cannot read none.json"),
        (("--model", "none.safetensors"), 1, "none.safetensors"),
        (("--model", "bad.json"), 1, "bad.json"),
        (("--model", "list.json"), 1, "list.json"),
        (("--model", "layer.json"), 1, "layer.json specifies a Dense; expected a Network"),
        (("--model", "network.json", "--option", "K=3"), 2, "is whole"),
        (("--backend", "numpy"), 2, "numpy"),
        (("--backend", "nothing"), 2, "nothing"),
        (("--device", "cuda:99"), 2, "cuda:99"),
        (("--epochs", "0"), 2, "--epochs"),
        (("--momentum", "1.5"), 2, "momentum=1.5"),
        (("--momentum", "0.5", "--optimiser", "adam"), 2, "of sgd; adam has none"),
        (("--schedule", "constant", "--warmup", "0.1"), 2, "of a cosine"),
        (("--rate", "-1"), 2, "expected a positive number"),
        (("--shift", "far"), 2, "expected pixels, or a share"),
        (("--validation", "1.5"), 2, "fraction=1.5"),
        (("--per-class", "1000"), 2, "count=1000: the class"),
        (("--minutes", "0"), 2, "minutes=0.0"),
        (("--data", "nothing.npz"), 1, "nothing.npz: no such file"),
        (("--label", "z"), 1, "no array 'z'"),
        (("-o", "network.json"), 1, "cannot be a folder of a training"),
        (("--config", "none.toml"), 1, "none.toml"),
        (("--config", "wrong.toml"), 2, "there is no option 'epoch'; the nearest is 'epochs'"),
        (("--config", "kind.toml"), 2, "epochs"),
        (("--precision", "bfloat16", "--backend", "tensorflow"), 2, "no mixed precision"),
    ],
)  # fmt: skip
def test_what_is_refused(run, archive, network, tmp_path, options, status, message):
    if "tensorflow" in options and missing("tensorflow"):
        pytest.skip('pip install "groupscat[tensorflow]"')
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "layer.json").write_text(json.dumps(nn.to_config(nn.Dense(3))))
    (tmp_path / "wrong.toml").write_text("epoch = 3")
    (tmp_path / "kind.toml").write_text('epochs = "many"')
    given = {"--model": network, "--data": archive, "-o": "run", "--epochs": 1, "--backend": "torch"}
    given |= {name: value for name, value in zip(options[::2], options[1::2], strict=True) if name in given}
    rest = [o for pair in zip(options[::2], options[1::2], strict=True) if pair[0] not in given for o in pair]
    found, _, err = run("train", *[o for pair in given.items() for o in pair], *rest, "--no-figure")
    assert found == status, err
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "run" / "checkpoint.safetensors").exists()


def test_options_from_a_file(run, archive, network, tmp_path):
    (tmp_path / "options.toml").write_text(
        'model = "network.json"\ndata = ["data.npz"]\nepochs = 2\nrate = 0.05\nflip = true\n'
        'backend = "torch"\n'
        "batch-size = 7\nno_figure = true\n"
    )
    status, _, err = run("train", "--config", "options.toml", "--epochs", 1, "-o", "run", "-q")
    assert status == 0, err
    recipe = from_data(json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))["recipe"])
    assert recipe == Recipe(epochs=1, batch_size=7, schedule=Cosine(0.05), augment=Augment(flip=True))


def test_a_missing_option_is_named(run):
    for name, given in (
        ("model", ()),
        ("data", ("--model", "hcnn")),
        ("output", ("--model", "hcnn", "--data", "x")),
    ):
        status, _, err = run("train", *given)
        assert status == 2
        assert f"--{name} is missing" in err


def test_a_loss_that_is_not_finite(run, archive, network):
    status, _, err = run("train", "--model", network, "--data", archive, "-o", "run", *FAST, "--rate", 1e30)
    assert status == 1
    assert "after step" in err
    assert "Lower the rate of learning" in err


def test_signals_of_no_image(run, tmp_path):
    """Without an axis beside channels; of bytes and of floating point the same numbers."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (30, 5), dtype=np.uint8), np.arange(30) % 2
    spec = nn.Network([nn.Dense(2)], (5,))
    (tmp_path / "n.json").write_text(json.dumps(nn.to_config(spec)))
    for name, values in (("bytes", x), ("floats", x / 255)):
        np.savez(tmp_path / f"{name}.npz", x=values, y=y)
        status, _, err = run(
            "train",
            "--model",
            "n.json",
            "--data",
            f"{name}.npz",
            "-o",
            name,
            *FAST,
            "--precision",
            "float64",
            "-q",
        )
        assert status == 0, err
    tables = [table(tmp_path / name / "metrics.csv") for name in ("bytes", "floats")]
    for a, b in zip(*tables, strict=True):
        np.testing.assert_allclose([float(v) for v in a.values()], [float(v) for v in b.values()], rtol=1e-9)
    outputs = [run("predict", "bytes/model.safetensors", f"{name}.npz", "-q") for name in ("bytes", "floats")]
    assert [status for status, _, _ in outputs] == [0, 0]
    predicted = [[line.partition(",")[2] for line in out.splitlines()] for _, out, _ in outputs]
    assert predicted[0] == predicted[1]
    assert len(predicted[0]) == 31
