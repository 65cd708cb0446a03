"""The checks of training are tested: with a fault in any part of it, one of them must fail."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groupscat import nn
from groupscat.training import SGD, Adam, Augment, Recipe, Result, Steps, train
from groupscat.training.checkpoint import Checkpoint, Place
from groupscat.training.folder import Folder
from groupscat.training.history import CSV
from groupscat.training.loop import Loop
from groupscat.training.step import Step, Weights
from tests.frameworks import missing
from tests.training import (
    ADAM,
    RECIPE,
    TRAIN,
    VALIDATION,
    WHOLE,
    assert_equal,
    assert_same_rows,
    by_hand,
    numbers,
    signals,
    table,
)

if missing("torch") or missing("safetensors"):
    pytest.skip('pip install "groupscat[torch,safetensors]"', allow_module_level=True)

Change = Callable[..., Any]
TEST = signals(15, seed=3, name="test")


# -------------------------------------------------------------------------------------- the checks


@cache
def wanted(recipe: Recipe) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return by_hand(recipe, TRAIN, VALIDATION)


def is_the_loop_by_hand(folder: Path, recipe: Recipe) -> None:
    arrays, rows = wanted(recipe)
    result = train(WHOLE, TRAIN, recipe, validation=VALIDATION, backend="torch")
    assert_equal(result.model.arrays(), arrays, 1e-10)
    assert_same_rows(result.rows, rows, 1e-10)


def by_nesterov(folder: Path) -> None:
    is_the_loop_by_hand(folder, RECIPE)


def by_adam(folder: Path) -> None:
    is_the_loop_by_hand(folder, ADAM)


def goes_on(folder: Path) -> None:
    """Interrupted in the second epoch, and between the second and the third."""

    def run(name: str) -> Result:
        return train(WHOLE, TRAIN, RECIPE, validation=VALIDATION, backend="torch", output=folder / name)

    straight = run("straight")
    for at in (8, 11):
        calls = 0

        def stopped(*given: Any, at: int = at, original: Any = Step.__call__) -> Any:
            nonlocal calls
            calls += 1
            if calls == at:
                raise KeyboardInterrupt
            return original(*given)

        with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr(Step, "__call__", stopped)
            run(str(at))
        found = run(str(at))
        assert_equal(found.model.arrays(), straight.model.arrays())
        assert numbers(found.rows) == numbers(straight.rows)
        assert table(folder / str(at) / "metrics.csv") == table(folder / "straight" / "metrics.csv")


def keeps_the_best(folder: Path) -> None:
    """The fourth of five epochs; for the test data it would be another one."""
    recipe = replace(RECIPE, epochs=5, schedule=Steps((0.15,), ()), seed=7)
    rows = train(
        WHOLE, TRAIN, recipe, validation=VALIDATION, test=TEST, test_each_epoch=True,
        backend="torch", output=folder / "best",
    ).rows  # fmt: skip
    best = nn.load(folder / "best" / "best.safetensors")
    found = (best(VALIDATION.x).argmax(1) != VALIDATION.y).mean()
    assert found == min(row["validation_error"] for row in rows)


def holds_constraints(folder: Path) -> None:
    layers = [*WHOLE.layers[:-1], nn.Dense(3, constraint=nn.SpectralBound(0.3))]
    network = nn.Network(layers, WHOLE.input_shape)
    model = train(network, TRAIN, RECIPE, backend="torch").model
    assert np.linalg.norm(model.parameters["6.weight"], 2) <= 0.3 + 1e-9


CHECKS = (by_nesterov, by_adam, goes_on, keeps_the_best, holds_constraints)


@pytest.mark.parametrize("check", CHECKS)
def test_without_a_fault(tmp_path, check):
    check(tmp_path)


# -------------------------------------------------------------------------------------- the faults


@dataclass(frozen=True)
class Fault:
    """What takes the place of an attribute, called with the original first; the check that finds it."""

    name: str
    owner: Any
    attribute: str
    change: Change
    check: Callable[[Path], None]


def momentum_forgotten(original: Any, self: Any, xp: Any, w: Any, g: Any, slots: Any, given: Any) -> Any:
    return original(self, xp, w, g, tuple(s * 0.0 for s in slots), given)


def first_slot_only(original: Any, self: Any, xp: Any, w: Any, g: Any, slots: Any, given: Any) -> Any:
    new, after = original(self, xp, w, g, slots, given)
    return new, (after[0], slots[1])


def without_looking_ahead(original: Any, self: Any, xp: Any, w: Any, g: Any, slots: Any, given: Any) -> Any:
    return original(replace(self, nesterov=False), xp, w, g, slots, given)


def decayed(every: bool) -> Change:
    """Decay that reaches numbers per channel too; or all of it forgotten."""

    def follow(original: Any, self: Any, w: Any, g: Any, slots: Any, given: Any) -> Any:
        factor = self.recipe.decay if every else -self.recipe.decay
        g = {name: a + w[name] * factor * (a.ndim == 1 if every else a.ndim > 1) for name, a in g.items()}
        return original(self, w, g, slots, given)

    return follow


def in_parts(**changes: Callable[..., Any]) -> Change:
    """A step with other arguments: signals, labels, masks, total, numbers."""

    def step(
        original: Any, self: Any, weights: Any, x: Any, y: Any, masks: Any, total: Any, given: Any
    ) -> Any:
        now = {"x": x, "y": y, "masks": masks, "total": total, "given": given}
        now |= {name: change(self, now[name]) for name, change in changes.items()}
        return original(self, weights, now["x"], now["y"], now["masks"], now["total"], now["given"])

    return step


def after_step(change: Callable[[Weights, Weights], Weights]) -> Change:
    """Other weights than those that a step has made of some."""

    def step(original: Any, self: Any, weights: Weights, *given: Any) -> Any:
        after, *rest = original(self, weights, *given)
        return (change(weights, after), *rest)

    return step


def generator(change: Callable[[list[int]], Any]) -> Change:
    """Random numbers of a list of seed, epoch (and step) by another one."""
    return lambda original, seed=None: original(change(seed) if isinstance(seed, list) else seed)


def loaded(change: Callable[[Checkpoint], Checkpoint]) -> Change:
    return lambda original, path: change(original(path))


def no_slots(found: Checkpoint) -> Checkpoint:
    weights = replace(found.weights, slots={k: 0 * a for k, a in found.weights.slots.items()})
    return replace(found, weights=weights)


def placed(**values: Any) -> Change:
    return loaded(lambda found: replace(found, place=replace(found.place, **values)))


def appended(original: Any, self: Any, rows: Any) -> None:
    """Every row that is told of is written behind what is there."""
    from groupscat.training.history import as_csv

    before = self._path.read_bytes() if self._path.exists() else b""
    text = as_csv(rows) if not before else b"".join(as_csv(rows).splitlines(keepends=True)[1:])
    self._path.write_bytes(before + text)


def with_first_state(original: Any, self: Any, weights: Weights, x: Any) -> Any:
    first = {k: a * 0.0 + ("variance" in k) for k, a in weights.state.items()}
    return original(self, replace(weights, state=first), x)


def mean_of_steps(original: Any, self: Any) -> None:
    """Every step counts alike, a smaller one too."""
    pending = tuple((*entry[:3], 5) for entry in self.now.pending)
    self.now = self.now._replace(pending=pending)
    original(self)


def one_step_late(original: Any, self: Any, checkpoint: Checkpoint, model: Any) -> None:
    place = checkpoint.place
    original(self, replace(checkpoint, place=replace(place, step=max(0, place.step - 1))), model)


def best_by_test(self: Place) -> bool:
    errors = [row["test_error"] for row in self.rows]
    return errors[-1] == min(errors)


FAULTS = [
    Fault("momentum not carried over", SGD, "update", momentum_forgotten, by_nesterov),
    Fault("no look ahead", SGD, "update", without_looking_ahead, by_nesterov),
    Fault("mean square not carried over", Adam, "update", first_slot_only, by_adam),
    Fault("moments not corrected", Adam, "numbers",
          lambda f, self, rate, step: {"rate": rate, "correction": 1.0}, by_adam),
    Fault("steps counted from 2", Adam, "numbers",
          lambda f, self, rate, step: f(self, rate, step + 1), by_adam),
    Fault("decay of biases", Step, "_follow", decayed(every=True), by_nesterov),
    Fault("no decay", Step, "_follow", decayed(every=False), by_nesterov),
    Fault("partial batch as a whole one", Step, "__call__", in_parts(total=lambda s, n: 5), by_nesterov),
    Fault("sum over the batch", Step, "__call__", in_parts(total=lambda s, n: 1), by_nesterov),
    Fault("labels of other signals", Step, "__call__", in_parts(y=lambda s, y: y[::-1].copy()), by_nesterov),
    Fault("no dropout", Step, "__call__",
          in_parts(masks=lambda s, masks: {k: 0 * m + 1 for k, m in masks.items()}), by_nesterov),
    Fault("no smoothing", Step, "targets", lambda f, self, y: np.eye(3)[y], by_nesterov),
    Fault("state not averaged", Step, "__call__",
          after_step(lambda before, after: replace(after, state=before.state)), by_nesterov),
    Fault("evaluation by the first state", Step, "outputs", with_first_state, by_nesterov),
    Fault("rate of the step after", Loop, "_rate", lambda f, self, done: f(self, done + 1), by_adam),
    Fault("rate of the epoch", Loop, "_rate", lambda f, self, done: f(self, done - done % 5), by_adam),
    Fault("mean of steps, not of signals", Loop, "_look", mean_of_steps, by_nesterov),
    Fault("same order in every epoch", np.random, "default_rng", generator(lambda s: [s[0], 0]), by_nesterov),
    Fault("order of another seed", np.random, "default_rng",
          generator(lambda s: [s[0] + 1, s[1]]), by_nesterov),
    Fault("order by the clock", np.random, "default_rng", generator(lambda s: None), goes_on),
    Fault("same masks in every step", np.random, "SeedSequence",
          generator(lambda s: [*s[:2], 0]), by_nesterov),
    Fault("same masks in every epoch", np.random, "SeedSequence",
          generator(lambda s: [s[0], 0, s[2]]), by_nesterov),
    Fault("masks by the clock", np.random, "SeedSequence", generator(lambda s: None), goes_on),
    Fault("same augmentation in every epoch", Augment, "__call__",
          lambda f, self, x, seed, epoch, rows: f(self, x, seed, 0, rows), by_nesterov),
    Fault("augmentation by place in the batch", Augment, "__call__",
          lambda f, self, x, seed, epoch, rows: f(self, x, seed, epoch, np.arange(len(rows))), by_nesterov),
    Fault("last signal not scored", Loop, "score",
          lambda f, self, data: f(self, data.subset(np.arange(len(data) - 1))), by_nesterov),
    Fault("slots not restored", Checkpoint, "load", loaded(no_slots), goes_on),
    Fault("epoch begun again", Checkpoint, "load", placed(step=0), goes_on),
    Fault("losses not restored", Checkpoint, "load", placed(loss=0.0), goes_on),
    Fault("wrong ones not restored", Checkpoint, "load", placed(wrong=0), goes_on),
    Fault("rows not restored", Checkpoint, "load", placed(rows=()), goes_on),
    Fault("last step done twice", Folder, "keep", one_step_late, goes_on),
    Fault("last steps not looked at", Loop, "_look",
          lambda f, self: f(self) if self.now.place.step == 5 else None, goes_on),
    Fault("rows of the table twice", CSV, "__call__", appended, goes_on),
    Fault("best by the test data", Place, "is_best", property(best_by_test), keeps_the_best),
    Fault("best is the first", Place, "is_best", property(lambda self: len(self.rows) == 1), keeps_the_best),
    Fault("best is the last", Place, "is_best", property(lambda self: True), keeps_the_best),
    Fault("constraint forgotten", nn, "constrain",
          lambda f, network, parameters: parameters, holds_constraints),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_found(tmp_path, monkeypatch, fault):
    original = getattr(fault.owner, fault.attribute)
    wanted(RECIPE), wanted(ADAM)  # by hand, before anything is at fault

    def faulty(*given: Any, **options: Any) -> Any:
        return fault.change(original, *given, **options)

    static = isinstance(vars(fault.owner).get(fault.attribute), classmethod)
    change = (
        fault.change if isinstance(fault.change, property) else staticmethod(faulty) if static else faulty
    )
    monkeypatch.setattr(fault.owner, fault.attribute, change)
    with pytest.raises(AssertionError):
        fault.check(tmp_path)
