"""Several processes on one batch are one training: threads in their place, and as torchrun starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groupscat import cli, nn
from groupscat.backend.base import Arrays, Processes
from groupscat.training import Recipe, Result, train
from groupscat.training.checkpoint import Checkpoint
from groupscat.training.loop import Loop
from groupscat.training.step import Step
from tests.frameworks import missing
from tests.training import (
    PLAIN,
    RECIPE,
    TRAIN,
    VALIDATION,
    WHOLE,
    assert_equal,
    assert_same_rows,
    conv,
    signals,
    table,
)

if missing("torch") or missing("safetensors"):
    pytest.skip('pip install "groupscat[torch,safetensors]"', allow_module_level=True)
import torch

from groupscat_torch.backend import TorchBackend

#: What a batch is to a signal it is to the batch: nothing but sums.
WITHOUT_NORM = nn.Network(
    [
        conv(2, 4),
        nn.ELU(),
        nn.Dropout(0.7),
        nn.Mean(("u1", "u2")),
        nn.Dense(3, constraint=nn.SpectralBound(0.9)),
    ],
    input_shape=(2, 6, 4),
)


class Together:
    """Threads that exchange arrays as processes do."""

    def __init__(self, count: int) -> None:
        self.count, self.barrier, self.said = count, threading.Barrier(count, timeout=60), [None] * count
        self.here = threading.local()

    def all(self, rank: int, value: Any) -> list[Any]:
        """What each of them says, in order."""
        self.said[rank] = value
        self.barrier.wait()
        found = list(self.said)
        self.barrier.wait()
        return found

    def run(self, function: Callable[[int], Any]) -> list[Any]:
        """What a function gives in each of them, or the first error."""
        results: list[Any] = [None] * self.count

        def work(rank: int) -> None:
            self.here.processes = OneOf(self, rank)
            try:
                results[rank] = function(rank)
            except BaseException as error:
                results[rank] = error
                self.barrier.abort()

        threads = [threading.Thread(target=work, args=(rank,)) for rank in range(self.count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        errors = [r for r in results if isinstance(r, BaseException)]
        first = [e for e in errors if not isinstance(e, threading.BrokenBarrierError)]
        if errors:
            raise (first or errors)[0]
        return results


class OneOf(Processes):
    device = "cpu"

    def __init__(self, together: Together, rank: int) -> None:
        self.rank, self.count, self._together = rank, together.count, together

    def total(self, xs: Arrays) -> Arrays:
        everybody = self._together.all(self.rank, xs)
        assert len({tuple(said) for said in everybody}) == 1
        return {name: torch.stack([said[name] for said in everybody]).sum(0) for name in xs}

    def same(self, text: str) -> str:
        return str(self._together.all(self.rank, text)[0])


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Result]]:
    """A training by so many processes: the result of each."""

    def run(count: int, network: Any, *given: Any, **options: Any) -> list[Result]:
        threads = Together(count)
        with monkeypatch.context() as patch:
            patch.setattr(TorchBackend, "processes", lambda self: threads.here.processes)
            return threads.run(lambda rank: train(network, *given, backend="torch", **options))

    return run


@pytest.mark.parametrize("count", [2, 3])
def test_several_are_one(together, count):
    """Last batches of 2 signals: of three processes one has nothing to do there."""
    wanted = train(WITHOUT_NORM, TRAIN, RECIPE, validation=VALIDATION, test=VALIDATION, backend="torch")
    results = together(count, WITHOUT_NORM, TRAIN, RECIPE, validation=VALIDATION, test=VALIDATION)
    for found in results:
        assert_equal(found.model.arrays(), wanted.model.arrays(), 1e-10)
        assert_same_rows(found.rows, wanted.rows, 1e-10)
        np.testing.assert_array_equal(found.test.predicted, wanted.test.predicted)
        assert found.test.loss == pytest.approx(wanted.test.loss, rel=1e-12)
        assert_equal(found.model.arrays(), results[0].model.arrays())


def test_a_process_without_a_signal(together):
    """The last batch is one signal; its network has a state."""
    data = signals(11)
    results = together(2, WHOLE, data, PLAIN)
    assert_equal(results[0].model.arrays(), results[1].model.arrays())
    assert all(np.isfinite(a).all() for a in results[0].model.arrays().values())
    alone = train(WITHOUT_NORM, data, PLAIN, backend="torch")
    assert_equal(together(2, WITHOUT_NORM, data, PLAIN)[1].model.arrays(), alone.model.arrays(), 1e-10)


def test_batch_norm_is_of_the_parts_and_its_state_their_mean(together):
    is_the_mean_of_the_parts(together)


def is_the_mean_of_the_parts(run: Callable[..., list[Result]]) -> None:
    """After one step: the mean over all, and the variance within the parts, weighted by their signals."""
    network = nn.Network([nn.BatchNorm(momentum=1.0), nn.Mean(("u1", "u2")), nn.Dense(3)], WHOLE.input_shape)
    recipe = replace(PLAIN, epochs=1, batch_size=22)
    results = run(2, network, TRAIN.subset(np.arange(21)), recipe)
    order = np.random.default_rng([recipe.seed, 0]).permutation(21)
    parts = [TRAIN.x[order[k::2]] for k in (0, 1)]
    for name, of in (("mean", np.mean), ("variance", np.var)):
        wanted = (of(parts[0], (0, 2, 3)) * 11 + of(parts[1], (0, 2, 3)) * 10) / 21
        for found in results:
            np.testing.assert_allclose(found.model.state[f"0.{name}"], wanted, rtol=1e-12)


def test_one_of_them_writes(together, tmp_path, monkeypatch):
    written: list[str] = []
    original = Checkpoint.save
    monkeypatch.setattr(
        Checkpoint, "save", lambda self, path: (written.append(path.name), original(self, path))[1]
    )
    recipe = replace(RECIPE, epochs=2)
    results = together(2, WITHOUT_NORM, TRAIN, recipe, validation=VALIDATION, output=tmp_path / "run")
    assert written == ["checkpoint.safetensors"] * 2
    alone = train(
        WITHOUT_NORM, TRAIN, recipe, validation=VALIDATION, output=tmp_path / "one", backend="torch"
    )
    assert len(table(tmp_path / "run" / "metrics.csv")) == 2
    assert_same_rows(results[1].rows, alone.rows, 1e-10)
    names = [sorted(p.name for p in (tmp_path / run).iterdir()) for run in ("run", "one")]
    assert names[0] == names[1]


def test_two_go_on_where_one_was_stopped(together, tmp_path, monkeypatch):
    wanted = train(WITHOUT_NORM, TRAIN, RECIPE, backend="torch")
    calls = 0

    def stopped(*given: Any, original: Any = Step.__call__) -> Any:
        nonlocal calls
        calls += 1
        if calls == 8:
            raise KeyboardInterrupt
        return original(*given)

    with monkeypatch.context() as patch:
        patch.setattr(Step, "__call__", stopped)
        with pytest.raises(KeyboardInterrupt):
            train(WITHOUT_NORM, TRAIN, RECIPE, output=tmp_path, backend="torch")
    results = together(2, WITHOUT_NORM, TRAIN, RECIPE, output=tmp_path)
    for found in results:
        assert_equal(found.model.arrays(), wanted.model.arrays(), 1e-10)
        assert_same_rows(found.rows, wanted.rows, 1e-10)


def test_each_has_the_coefficients_that_are_computed_once(together):
    layers = [
        *nn.scattering_linear(J=1, input_shape=(1, 8, 8), classes=3).layers[:1],
        nn.Flatten(),
        nn.Dense(3),
    ]
    network, data = nn.Network(layers, (1, 8, 8)), signals(22, shape=(1, 8, 8))
    wanted = train(network, data, RECIPE, precompute=2, backend="torch")
    for found in together(2, network, data, RECIPE, precompute=2):
        assert_equal(found.model.arrays(), wanted.model.arrays(), 1e-10)
        assert_same_rows(found.rows, wanted.rows, 1e-10)


# ------------------------------------------------------------------------------------------ faults


def state_of_the_first(original: Any, self: Any, xs: Arrays) -> Arrays:
    total = original(self, xs)
    first = self._together.all(self.rank, xs)[0]
    return {name: first[name] if name.startswith("s ") else a for name, a in total.items()}


def own_gradients(original: Any, self: Any, xs: Arrays) -> Arrays:
    return original(self, xs) | {name: a for name, a in xs.items() if name.startswith("g ")}


def own_masks(original: Any, self: Any, weights: Any, x: Any, y: Any, masks: Any, *rest: Any) -> Any:
    rank = self.processes.rank
    drawn = {k: np.random.default_rng(rank).integers(0, 2, m.shape).astype(m.dtype) for k, m in masks.items()}
    return original(self, weights, x, y, drawn, *rest)


def first_part(original: Any, self: Any, rows: Any) -> Any:
    return rows[:: self.processes.count]


FAULTS = {
    "state of the first process": (OneOf, "total", state_of_the_first),
    "gradients not shared": (OneOf, "total", own_gradients),
    "masks of every process its own": (Step, "__call__", own_masks),
    "all on the same part": (Loop, "_own", first_part),
    "means of means": (
        Step,
        "__call__",
        lambda f, self, w, x, y, masks, total, given: f(self, w, x, y, masks, 2 * len(y), given),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(together, monkeypatch, name):
    owner, attribute, change = FAULTS[name]
    original = getattr(owner, attribute)
    monkeypatch.setattr(owner, attribute, lambda *given: change(original, *given))
    wanted = by_one(monkeypatch, owner, attribute, original)
    check = is_the_mean_of_the_parts if "state" in name else lambda run: assert_each_is(run, wanted)
    with pytest.raises(AssertionError):
        check(together)


def by_one(monkeypatch: pytest.MonkeyPatch, owner: Any, attribute: str, original: Any) -> Result:
    """One process, without a fault."""
    with monkeypatch.context() as patch:
        patch.setattr(owner, attribute, original)
        return train(WITHOUT_NORM, TRAIN, RECIPE, backend="torch")


def assert_each_is(run: Callable[..., list[Result]], wanted: Result) -> None:
    for found in run(2, WITHOUT_NORM, TRAIN, RECIPE):
        assert_equal(found.model.arrays(), wanted.model.arrays(), 1e-10)


# ---------------------------------------------------------------------------------- real processes

LAUNCHED = pytest.mark.skipif(
    sys.platform == "win32" or not torch.distributed.is_available(), reason="no processes of torch here"
)


def launched(folder: Path, *command: Any, count: int = 2) -> subprocess.CompletedProcess[str]:
    """``groupscat train`` by torchrun."""
    how = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        count,
        "-m",
        "groupscat.cli",
        "train",
    ]
    return subprocess.run(
        [sys.executable, *map(str, (*how, *command))],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ
        | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": loopback()},
    )


def loopback() -> str:
    return "lo0" if sys.platform == "darwin" else "lo"


def options(folder: Path, recipe: Recipe, network: nn.Network) -> list[Any]:
    """Of the same training on the command line."""
    (folder / "network.json").write_text(json.dumps(nn.to_config(network)))
    np.savez(folder / "data.npz", x_train=TRAIN.x, y_train=TRAIN.y, x_test=VALIDATION.x, y_test=VALIDATION.y)
    assert recipe.augment is not None
    return [
        "--model", "network.json", "--data", "data.npz", "--raw", "--epochs", recipe.epochs,
        "--batch-size", recipe.batch_size,
        "--optimiser", "sgd", "--rate", 0.05, "--schedule", "constant",
        "--decay", recipe.decay,
        "--smoothing", recipe.smoothing, "--flip", "--shift", 1, "--precision", "float64",
        "--seed", recipe.seed,
        "--backend", "torch", "--test-each-epoch", "--no-figure",
    ]  # fmt: skip


@LAUNCHED
@pytest.mark.slow
def test_torchrun(tmp_path, monkeypatch):
    """Two are one, to ten digits, in all that they write; and go on where they have been."""
    recipe = replace(RECIPE, epochs=2)
    given = options(tmp_path, recipe, WITHOUT_NORM)
    run = launched(tmp_path, *given, "-o", "two")
    assert run.returncode == 0, run.stderr
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", *map(str, given), "-o", "one", "-q"]) == 0
    two, one = (Checkpoint.load(tmp_path / run / "checkpoint.safetensors") for run in ("two", "one"))
    assert two.plan == one.plan
    assert_equal(two.weights.parameters, one.weights.parameters, 1e-10)
    assert_equal(two.weights.slots, one.weights.slots, 1e-10)
    assert_same_rows(two.place.rows, one.place.rows, 1e-10)
    assert len(table(tmp_path / "two" / "metrics.csv")) == 2
    names = [sorted(p.name for p in (tmp_path / run).iterdir()) for run in ("two", "one")]
    assert names[0] == names[1]
    assert run.stdout.count("Dataset(") == 1  # said once, by the first
    again = launched(tmp_path, *given, "-o", "two")
    assert again.returncode == 0, again.stderr
    assert "going on after 2 epochs and 0 steps" in again.stderr
    assert again.stderr.count("going on after") == 1


@LAUNCHED
@pytest.mark.slow
def test_torchrun_ends_with_an_error_of_one(tmp_path):
    """Nobody waits for the others for ever."""
    given = [*options(tmp_path, RECIPE, WHOLE), "-o", "run"]
    given[given.index("--rate") + 1] = 1e300
    run = launched(tmp_path, *given)
    assert run.returncode != 0
    assert "no longer finite" in run.stderr or "The loss is" in run.stderr
