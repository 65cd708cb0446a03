"""A training that was stopped anywhere, by Ctrl-C or by a kill, goes on to the same bits; bad checkpoints."""

from __future__ import annotations

import errno
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from groupscat import nn
from groupscat.data.lock import Lock
from groupscat.errors import ArgumentError, DataError
from groupscat.nn.files import read_arrays, write_arrays
from groupscat.training import Adam, Cosine, Result, train
from groupscat.training.checkpoint import Checkpoint, _digest
from groupscat.training.loop import Loop
from groupscat.training.step import Step
from tests.frameworks import missing, needs
from tests.training import (
    ADAM,
    RECIPE,
    TRAIN,
    VALIDATION,
    WHOLE,
    assert_equal,
    assert_same_rows,
    numbers,
    signals,
    table,
)

if missing("torch") or missing("safetensors"):
    pytest.skip('pip install "groupscat[torch,safetensors]"', allow_module_level=True)
if not missing("jax"):
    import jax

    jax.config.update("jax_enable_x64", True)

#: 5 steps in an epoch, 3 epochs.
STEPS = 5
FILES = ("model.safetensors", "best.safetensors")
#: The modules of which every line is a moment at which a training may end.
MODULES = ("loop.py", "folder.py", "history.py", "checkpoint.py")


class Killed(BaseException):
    """As a kill: nothing that the library catches."""


def go(folder: Path, **options: Any) -> Result:
    options = {"validation": VALIDATION, "backend": "torch", "recipe": RECIPE} | options
    return train(WHOLE, TRAIN, output=folder, **options)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """The training that nobody stopped."""
    folder = tmp_path_factory.mktemp("straight")
    return folder, go(folder)


def assert_same(folder: Path, found: Result, straight: tuple[Path, Result]) -> None:
    """All that is written and returned, to the bit."""
    where, wanted = straight
    assert_equal(found.model.arrays(), wanted.model.arrays())
    assert numbers(found.rows) == numbers(wanted.rows)
    assert table(folder / "metrics.csv") == table(where / "metrics.csv")
    for name in FILES:
        assert (folder / name).read_bytes() == (where / name).read_bytes(), name
    ends = [Checkpoint.load(path / "checkpoint.safetensors") for path in (folder, where)]
    assert_equal(ends[0].weights.slots, ends[1].weights.slots)
    assert replace(ends[0].place, rows=()) == replace(ends[1].place, rows=())
    assert sorted(p.name for p in folder.iterdir()) == sorted(p.name for p in where.iterdir())


def raising(function: Callable[..., Any], at: int, what: type[BaseException], before: bool = True) -> Any:
    """The function, but for the call of a number (from 1), which is interrupted."""
    calls = 0

    def call(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at and before:
            raise what
        result = function(*args, **options)
        if calls == at:
            raise what
        return result

    return call


# ------------------------------------------------------------------------------------- interrupted


@pytest.mark.parametrize("what", [KeyboardInterrupt, Killed])
@pytest.mark.parametrize("at", [1, 3, STEPS, STEPS + 1, 2 * STEPS, 3 * STEPS])
def test_interrupted_in_a_step(tmp_path, straight, monkeypatch, at, what):
    with monkeypatch.context() as patch:
        patch.setattr(Step, "__call__", raising(Step.__call__, at, what))
        with pytest.raises(what):
            go(tmp_path)
    if what is KeyboardInterrupt:  # not a step is lost
        place = Checkpoint.load(tmp_path / "checkpoint.safetensors").place
        assert place.epoch * STEPS + place.step == at - 1
    notes: list[str] = []
    assert_same(tmp_path, go(tmp_path, note=notes.append), straight)
    assert len(notes) == (what is KeyboardInterrupt or at > STEPS)


@pytest.mark.parametrize("what", [KeyboardInterrupt, Killed])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_interrupted_in_evaluation(tmp_path, straight, monkeypatch, at, what):
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "score", raising(Loop.score, at, what))
        with pytest.raises(what):
            go(tmp_path)
    assert_same(tmp_path, go(tmp_path), straight)


def test_interrupted_after_every_step(tmp_path, straight, monkeypatch):
    """Fifteen runs, none of which does more than one."""
    for _ in range(3 * STEPS):
        with monkeypatch.context() as patch:
            patch.setattr(Step, "__call__", raising(Step.__call__, 2, KeyboardInterrupt))
            try:
                go(tmp_path)
            except KeyboardInterrupt:
                continue
    assert_same(tmp_path, go(tmp_path), straight)


def lines(folder: Path, at: int | None, what: type[BaseException]) -> int:
    """Train and raise at the line of a number, of all that run in ``MODULES``; how many there were."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        path = Path(frame.f_code.co_filename)
        if path.name not in MODULES or path.parent.name != "training":
            return None
        if (
            frame.f_code.co_name == "__init__"
        ):  # of the folder: its lock ends with the process, which goes on here
            return None
        if event == "line":
            count += 1
            if count == at:
                raise what
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        go(folder)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.slow
@pytest.mark.skipif(sys.gettrace() is not None, reason="a debugger or a coverage tool traces already")
@pytest.mark.parametrize("what", [KeyboardInterrupt, Killed])
def test_interrupted_at_any_line(tmp_path, straight, what):
    total = lines(tmp_path / "all", None, what)
    step = 19
    assert total > 30 * step
    for at in range(1, total, step):
        folder = tmp_path / str(at)
        with pytest.raises(what):
            lines(folder, at, what)
        assert_same(folder, go(folder), straight)


def test_kept_within_an_epoch(tmp_path, monkeypatch):
    """``minutes``: a kill loses no more than the steps since then."""
    recipe, data = replace(RECIPE, batch_size=2, epochs=1), signals(80)
    wanted = train(WHOLE, data, recipe, backend="torch", output=tmp_path / "straight")
    with monkeypatch.context() as patch:
        patch.setattr(Step, "__call__", raising(Step.__call__, 39, Killed))
        with pytest.raises(Killed):
            train(WHOLE, data, recipe, backend="torch", output=tmp_path / "killed", minutes=1e-9)
    place = Checkpoint.load(tmp_path / "killed" / "checkpoint.safetensors").place
    assert (place.epoch, place.step) == (0, 32)
    assert not (tmp_path / "killed" / "model.safetensors").exists()  # it is of the ends of epochs
    found = train(WHOLE, data, recipe, backend="torch", output=tmp_path / "killed")
    assert_equal(found.model.arrays(), wanted.model.arrays())
    assert numbers(found.rows) == numbers(wanted.rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param(n, marks=needs(n)) for n in ("tensorflow", "jax")])
@pytest.mark.parametrize("first", [True, False], ids=["from torch", "to torch"])
def test_begun_in_one_framework_and_continued_in_another(tmp_path, monkeypatch, name, first):
    data, recipe = TRAIN.subset(np.arange(20)), replace(ADAM, optimiser=Adam())
    wanted = train(WHOLE, data, recipe, backend="torch", output=tmp_path / "straight")
    begun, continued = ("torch", name) if first else (name, "torch")
    with monkeypatch.context() as patch:
        patch.setattr(Step, "__call__", raising(Step.__call__, 3, KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train(WHOLE, data, recipe, backend=begun, output=tmp_path / "both")
    found = train(WHOLE, data, recipe, backend=continued, output=tmp_path / "both")
    assert_equal(found.model.arrays(), wanted.model.arrays(), 1e-10)
    assert_same_rows(found.rows, wanted.rows, 1e-10)


def test_a_front_computed_once_goes_on_in_every_step(tmp_path, monkeypatch):
    """And the other way round: it is the same training."""
    front = nn.scattering_mlp(J=1, hidden=(), input_shape=(1, 8, 8), classes=3)
    data, recipe = signals(22, shape=(1, 8, 8)), replace(RECIPE, augment=None)
    how: dict[str, Any] = {"data": data, "recipe": recipe, "backend": "torch"}
    wanted = train(front, **how, precompute=0)
    for modes in ((0, 1), (1, 0)):
        folder = tmp_path / str(modes[0])
        with monkeypatch.context() as patch:
            patch.setattr(Step, "__call__", raising(Step.__call__, 8, KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                train(front, **how, precompute=modes[0], output=folder)
        names = set(Checkpoint.load(folder / "checkpoint.safetensors").weights.parameters)
        assert names == set(front.parameters)
        found = train(front, **how, precompute=modes[1], output=folder)
        assert_equal(found.model.arrays(), wanted.model.arrays(), 1e-10)
    kept = contents(tmp_path)
    with pytest.raises(ArgumentError, match=r"recipe\.augment"):
        train(front, data, RECIPE, backend="torch", precompute=3, output=tmp_path / "0")
    augmented = tmp_path / "augmented"
    train(front, data, RECIPE, backend="torch", precompute=3, output=augmented)
    with pytest.raises(ArgumentError, match="precompute: 3 there, 2 now"):
        train(front, data, RECIPE, backend="torch", precompute=2, output=augmented)
    shutil.rmtree(augmented)
    assert contents(tmp_path) == kept


def test_a_training_that_is_done_is_done(tmp_path, straight, monkeypatch):
    shutil.copytree(straight[0], tmp_path / "run")
    monkeypatch.setattr(Step, "__call__", raising(Step.__call__, 1, Killed))
    again = go(tmp_path / "run", test=VALIDATION)
    assert_same(tmp_path / "run", again, straight)
    assert again.test.error == again.rows[-1]["validation_error"]


def test_the_best_network_is_that_of_the_smallest_validation_error(tmp_path):
    recipe = replace(RECIPE, epochs=6, schedule=Cosine(0.3))
    whole = train(
        WHOLE, TRAIN, recipe, validation=VALIDATION, test=VALIDATION, output=tmp_path, backend="torch"
    )
    errors = [row["validation_error"] for row in whole.rows]
    assert len(set(errors)) > 1
    best = nn.load(tmp_path / "best.safetensors")
    found = (best(VALIDATION.x).argmax(1) != VALIDATION.y).mean()
    assert found == min(errors)
    assert best.classes == TRAIN.classes
    assert_equal(dict(sorted(nn.load(tmp_path / "model.safetensors").arrays().items())),
                 dict(sorted(whole.model.arrays().items())))  # fmt: skip


def test_nothing_is_chosen_by_the_test_data(tmp_path):
    recipe = replace(RECIPE, epochs=2)
    results = [
        train(
            WHOLE, TRAIN, recipe, test=test, test_each_epoch=each, output=tmp_path / str(k), backend="torch"
        )
        for k, (test, each) in enumerate([(None, False), (VALIDATION, False), (VALIDATION, True)])
    ]
    for k, result in enumerate(results):
        assert_equal(result.model.arrays(), results[0].model.arrays())
        assert not (tmp_path / str(k) / "best.safetensors").exists()
        assert ("test_error" in result.rows[0]) == (k == 2)
        assert (tmp_path / str(k) / "model.safetensors").read_bytes() == (
            tmp_path / "0" / "model.safetensors"
        ).read_bytes()
    assert results[2].test.error == results[2].rows[-1]["test_error"] == results[1].test.error


def test_overwrite_begins_anew(tmp_path, straight):
    train(
        WHOLE,
        TRAIN,
        replace(RECIPE, seed=9, epochs=1),
        validation=VALIDATION,
        output=tmp_path,
        backend="torch",
    )
    with pytest.raises(ArgumentError, match=r"recipe\.epochs: 1 there, 3 now"):
        go(tmp_path)
    assert_same(tmp_path, go(tmp_path, overwrite=True), straight)


# --------------------------------------------------------------------------------- what is refused


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


OTHER = nn.Network([*WHOLE.layers[:-1], nn.Dense(3, bias=False)], WHOLE.input_shape)
ELSEWHERE = nn.Model(WHOLE, *nn.init(WHOLE, 77, "float64"))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"recipe": replace(RECIPE, seed=5)}, r"recipe\.seed: 4 there, 5 now"),
        ({"recipe": replace(RECIPE, epochs=4)}, r"recipe\.epochs: 3 there, 4 now"),
        ({"recipe": replace(RECIPE, optimiser=Adam())}, r"recipe\.optimiser: .*SGD.* there, .*Adam.* now"),
        ({"recipe": replace(RECIPE, decay=0.02)}, r"recipe\.decay: 0\.01 there, 0\.02 now"),
        ({"recipe": replace(RECIPE, augment=None)}, r"recipe\.augment: .*Augment.* there, null now"),
        ({"recipe": replace(RECIPE, precision="float32")}, r"recipe\.precision"),
        ({"network": OTHER}, r"network\.layers\[6\]\.bias: true there, false now"),
        ({"data": signals(22, seed=3)}, "another training: the data"),
        ({"data": TRAIN.subset(np.arange(21))}, "another training: the data"),
        ({"network": ELSEWHERE}, "the weights it starts from"),
    ],
)
def test_a_checkpoint_of_another_training(tmp_path, straight, changes, match):
    shutil.copytree(straight[0], tmp_path / "run")
    kept = contents(tmp_path)
    given: dict[str, Any] = {"network": WHOLE, "data": TRAIN, "recipe": RECIPE} | changes
    with pytest.raises(ArgumentError, match=match) as caught:
        train(**given, validation=VALIDATION, backend="torch", output=tmp_path / "run")
    assert "checkpoint.safetensors is of another training" in str(caught.value)
    assert "another output folder to begin anew" in str(caught.value)
    assert contents(tmp_path) == kept


def damaged(name: str, data: bytes, path: Path) -> bytes:
    """A checkpoint, spoilt."""
    header = int.from_bytes(data[:8], "little") + 8
    if name == "a bit":
        place = header + (len(data) - header) // 2
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    if name == "a digit":  # of the loss
        place = data.index(b'loss\\": ') + 8
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    if name == "no place":
        return data.replace(b'\\"place\\"', b'\\"plaza\\"')
    if name == "a model":
        nn.save(nn.Model(WHOLE, *nn.init(WHOLE)), path)
        return path.read_bytes()
    cut = {"nothing": 0, "8 bytes": 8, "the header": header - 3, "all but a byte": len(data) - 1}
    return data[: cut[name]] if name in cut else b"PK\x03\x04 no tensors at all"


@pytest.mark.parametrize(
    ("name", "match"),
    [
        *(
            (name, "cannot be read.*written to its end")
            for name in ("nothing", "8 bytes", "the header", "zip")
        ),
        ("all but a byte", "cannot be read.*written to its end"),
        ("a bit", "damaged checkpoint.*not those that were written"),
        ("a digit", "damaged checkpoint.*not those that were written"),
        ("no place", "damaged checkpoint"),
        ("a model", "is no checkpoint of a training. Choose another folder"),
    ],
)
def test_a_checkpoint_that_is_none(tmp_path, straight, name, match):
    folder = tmp_path / "run"
    shutil.copytree(straight[0], folder)
    file = folder / "checkpoint.safetensors"
    file.write_bytes(damaged(name, file.read_bytes(), tmp_path / "model.safetensors"))
    kept = contents(tmp_path)
    with pytest.raises(DataError, match=match) as caught:
        go(folder)
    assert "checkpoint.safetensors" in str(caught.value)
    assert contents(tmp_path) == kept
    assert_same(folder, go(folder, overwrite=True), straight)


def forged(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """Change what a checkpoint says as its author could."""
    arrays, metadata = read_arrays(path)
    about = json.loads(metadata["groupscat.training"])
    change(about, arrays)
    about["sha256"] = _digest(about, arrays)
    write_arrays(path, arrays, {"groupscat.training": json.dumps(about)})


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda about, arrays: about.update(version=2), "version 2; expected 1. Update groupscat"),
        (lambda about, arrays: arrays.pop("parameters:6.bias"), "holds other parameters"),
        (lambda about, arrays: arrays.pop("slots:momentum/6.bias"), "holds other slots"),
        (lambda about, arrays: arrays.update({"state:9.mean": np.zeros(3)}), "holds other state"),
        (lambda about, arrays: arrays.update({"parameters:6.bias": np.zeros(4)}), "holds other parameters"),
        (
            lambda about, arrays: arrays.update({"parameters:6.bias": np.zeros(3, np.float32)}),
            "holds other parameters",
        ),
        (lambda about, arrays: arrays.update({"masks:1": np.zeros(3)}), "damaged checkpoint .KeyError"),
        (lambda about, arrays: about["place"].update(speed=1), "damaged checkpoint"),
    ],
)
def test_a_checkpoint_that_was_changed(tmp_path, straight, change, match):
    folder = tmp_path / "run"
    shutil.copytree(straight[0], folder)
    forged(folder / "checkpoint.safetensors", change)
    kept = contents(folder)
    with pytest.raises(DataError, match=match):
        go(folder)
    assert contents(folder) == kept


def test_a_disk_that_is_full(tmp_path, straight, monkeypatch):
    """What was kept stays whole, and is gone on from."""
    original, calls = Path.write_bytes, 0

    def full(path: Path, data: bytes) -> int:
        nonlocal calls
        calls += path.suffix == ".part"
        if calls > 5:  # four files an epoch
            original(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(DataError, match=r"cannot be written.*No space left on device"):
            go(tmp_path)
    assert not list(tmp_path.glob("*.part"))
    assert Checkpoint.load(tmp_path / "checkpoint.safetensors").place.epoch == 2
    assert nn.load(tmp_path / "model.safetensors").classes == TRAIN.classes
    assert_same(tmp_path, go(tmp_path), straight)


def test_a_folder_where_another_run_works(tmp_path):
    lock = Lock(tmp_path / ".lock")
    assert lock.acquire()
    try:
        for overwrite in (False, True):
            with pytest.raises(ArgumentError, match=r"Another run trains in .*choose another folder"):
                go(tmp_path, overwrite=overwrite)
    finally:
        lock.release()
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]
    go(tmp_path, recipe=replace(RECIPE, epochs=1))
    go(tmp_path, recipe=replace(RECIPE, epochs=1))  # which has let go of it


def test_a_model_without_a_checkpoint_is_not_overwritten(tmp_path):
    nn.save(nn.Model(WHOLE, *nn.init(WHOLE)), tmp_path / "model.safetensors")
    kept = (tmp_path / "model.safetensors").read_bytes()
    with pytest.raises(ArgumentError, match="exists, and no checkpoint to go on from"):
        go(tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == kept
    go(tmp_path, overwrite=True, recipe=replace(RECIPE, epochs=1))


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("here")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(DataError, match="cannot be a folder of a training"):
            go(folder)
    (tmp_path / "run" / "checkpoint.safetensors").mkdir(parents=True)
    with pytest.raises(DataError, match=r"checkpoint\.safetensors"):
        go(tmp_path / "run")
