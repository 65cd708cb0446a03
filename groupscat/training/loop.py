"""Training: epochs of steps, with what is measured and kept on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from groupscat import nn
from groupscat.backend import Array, Backend
from groupscat.data.progress import Counter
from groupscat.datasets.augment import Augment
from groupscat.datasets.dataset import Dataset
from groupscat.errors import TrainingError
from groupscat.nn import Network
from groupscat.training.checkpoint import Place
from groupscat.training.history import Log, described
from groupscat.training.recipe import Recipe
from groupscat.training.step import Step, Weights

#: Steps between looks at the losses: to look at each would keep an accelerator waiting.
LOOK = 16


@dataclass(frozen=True, eq=False)
class Score:
    """Mean loss, share of wrong signals, and the class each of them is taken for."""

    loss: float
    error: float
    predicted: NDArray[np.int64]


class Now(NamedTuple):
    """Weights, their place, and what the last steps gave and nobody has looked at: in one, so that an
    interruption never meets one without the others."""

    weights: Weights
    place: Place
    pending: tuple[tuple[Array, Array, NDArray[np.int64], int], ...] = ()


class Loop:
    """A training at some place, which goes on from there.

    Parameters
    ----------
    versions : the data to train on; of several versions of them each epoch has the next one. augment : what
        is done to their signals on the way.
    weights : on the host. place : where they stand. others : data to score after each epoch, by name.
    keep : called with weights and place after every epoch, and after every ``minutes`` within one; in the
        first process only. logs : told of every epoch there.
    """

    def __init__(
        self,
        network: Network,
        versions: Sequence[Dataset],
        recipe: Recipe,
        backend: Backend,
        like: Array,
        weights: Weights,
        place: Place,
        *,
        augment: Augment | None,
        others: dict[str, Dataset],
        keep: Any,
        minutes: float,
        logs: Sequence[Log],
        counter: Counter,
    ) -> None:
        self.versions, self.recipe, self.augment, self.others = versions, recipe, augment, others
        self.step = Step(network, recipe, backend, like)
        self.processes = self.step.processes
        self.now = Now(weights.map(self.step.put), place)
        self.steps = math.ceil(len(versions[0]) / recipe.batch_size)
        self.keep, self.minutes, self.logs, self.counter = keep, minutes, logs, counter
        self._kept = time.monotonic()

    # ---------------------------------------------------------------------------------- one epoch

    def run(self) -> None:
        """All that is left.

        Raises
        ------
        TrainingError : the loss or a weight is no longer finite. What was kept last stays as it is.
        """
        place = self.now.place
        self.counter.begin(place.epoch * self.steps + place.step)
        if place.rows and place.step == 0:  # a kill may have come before all of this was written
            self._tell()
        try:
            while self.now.place.epoch < self.recipe.epochs:
                self._epoch()
        except KeyboardInterrupt:
            if self.processes.count == 1:  # several are not stopped at one place
                self._look()
                self._keep()
            raise

    def _epoch(self) -> None:
        began = time.perf_counter()
        for rows, x, masks in self._batches():
            weights, place, pending = self.now
            done = place.epoch * self.steps + place.step
            own = self.versions[0].y[self._own(rows)]
            numbers = self.recipe.optimiser.numbers(self._rate(done), done + 1)
            after, loss, outputs = self.step(weights, x, own, masks, len(rows), numbers)
            pending = (*pending, (loss, outputs, own, len(rows)))
            self.now = Now(after, replace(place, step=place.step + 1), pending)
            self.counter.advance(1)
            if len(pending) >= LOOK:
                self._look()
                late = time.monotonic() - self._kept > 60 * self.minutes
                if self.processes.same("keep" if late else ""):
                    self._keep()
        self._look()
        self._finish(time.perf_counter() - began)

    def _rate(self, done: int) -> float:
        """The rate of the step after so many."""
        return self.recipe.schedule.rate(done / (self.recipe.epochs * self.steps))

    def _finish(self, seconds: float) -> None:
        """The row of an epoch; what is kept of it."""
        weights, place, _ = self.now
        self._host()
        rate = self._rate((place.epoch + 1) * self.steps - 1)
        row = {"epoch": place.epoch + 1, "rate": rate, "loss": place.loss / place.seen}
        row |= {"error": place.wrong / place.seen, "seconds": round(seconds, 3)}
        for name, data in self.others.items():
            found = self.score(data)
            row |= {f"{name}_loss": found.loss, f"{name}_error": found.error}
        best = min((r for r in (place.best, row.get("validation_error")) if r is not None), default=None)
        place = Place(place.epoch + 1, rows=(*place.rows, row), best=best)
        self.now = Now(weights, place)
        self._tell()
        self.counter.say(described(row))

    def _tell(self) -> None:
        """Keep the end of an epoch, and tell the logs."""
        self._keep()
        if self.processes.rank == 0:
            for log in self.logs:
                log(self.now.place.rows)

    def _keep(self) -> None:
        if self.processes.rank == 0:
            self.keep(self._host(), self.now.place)
        self._kept = time.monotonic()

    def _host(self) -> Weights:
        """The weights on the host, if they are finite."""
        weights, place, _ = self.now
        host = weights.map(self.step.backend.to_numpy)
        bad = [name for name, a in (host.parameters | host.state).items() if not np.isfinite(a).all()]
        if bad:
            raise TrainingError(f"{bad[0]!r} is no longer finite {_at(place, self.steps)}. {ADVICE}")
        return host

    def _look(self) -> None:
        """Add what the last steps gave to the sums of the epoch; stop where it is not finite."""
        weights, place, pending = self.now
        host, wrong = self.step.backend.to_numpy, 0
        loss, seen = place.loss, place.seen
        for k, (mean, outputs, y, count) in enumerate(pending):
            value = float(host(mean))
            if not math.isfinite(value):
                where = replace(place, step=place.step - len(pending) + k + 1)
                raise TrainingError(f"The loss is {value} {_at(where, self.steps)}. {ADVICE}")
            loss, seen = loss + value * count, seen + count
            wrong += int((host(outputs).argmax(1) != y).sum())
        (total,) = self._totals(wrong)
        self.now = Now(weights, replace(place, loss=loss, seen=seen, wrong=place.wrong + int(total)))

    # ------------------------------------------------------------------------------------- batches

    def _own(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return rows[self.processes.rank :: self.processes.count]

    def _batches(self) -> Iterator[tuple[NDArray[np.int64], NDArray[Any], dict[str, NDArray[Any]]]]:
        """Rows, signals and masks of the steps that are left of this epoch; one is made ahead."""
        place, recipe, network = self.now.place, self.recipe, self.step.network
        data = self.versions[place.epoch % len(self.versions)]
        order = np.random.default_rng([recipe.seed, place.epoch]).permutation(len(data))

        def make(step: int) -> tuple[NDArray[np.int64], NDArray[Any], dict[str, NDArray[Any]]]:
            rows = order[step * recipe.batch_size : (step + 1) * recipe.batch_size]
            own = self._own(rows)
            x = data.batch(own, recipe.stored)
            if self.augment is not None and len(own):
                x = self.augment(x, recipe.seed, place.epoch, own)
            seed = np.random.SeedSequence([recipe.seed, place.epoch, step]).generate_state(1)[0]
            # Drawn for the whole batch: how many processes share it makes no difference.
            masks = nn.draw_masks(network, len(rows), int(seed), recipe.stored) if network.masks else {}
            return rows, x, {name: self._own(mask) for name, mask in masks.items()}

        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(make, place.step) if place.step < self.steps else None
            for step in range(place.step + 1, self.steps + 1):
                assert ahead is not None
                made = ahead.result()
                ahead = pool.submit(make, step) if step < self.steps else None
                yield made

    # ------------------------------------------------------------------------------------- scoring

    def score(self, data: Dataset) -> Score:
        """How well the network does on data, each process on a part of them."""
        size, predicted = self.recipe.batch_size, np.zeros(len(data), np.int64)
        mine, loss = self._own(np.arange(len(data))), 0.0
        for first in range(0, len(mine), size):
            rows = mine[first : first + size]
            y = self.step.outputs(self.now.weights, data.batch(rows, self.recipe.stored))
            y = np.array(self.step.backend.to_numpy(y), np.float64)
            if not np.isfinite(y).all():
                raise TrainingError(f"What the network says of {data.name} is no longer finite. {ADVICE}")
            predicted[rows] = y.argmax(1)
            y -= y.max(1, keepdims=True)
            loss += float((np.log(np.exp(y).sum(1)) - y[np.arange(len(rows)), data.y[rows]]).sum())
        loss, *classes = self._totals(loss, *predicted.tolist())
        predicted = np.array(classes, np.int64)
        return Score(loss / len(data), float((predicted != data.y).mean()), predicted)

    def _totals(self, *numbers: float) -> list[float]:
        """Sums over all processes."""
        if self.processes.count == 1:
            return list(numbers)
        backend = self.step.backend
        x = backend.asarray(np.array(numbers, np.float64), like=self.step.like)
        totals: list[float] = backend.to_numpy(self.processes.total({"x": x})["x"]).tolist()
        return totals


#: What helps when numbers overflow.
ADVICE = "The last checkpoint is kept. Lower the rate of learning, or raise its warm-up, and begin anew."


def _at(place: Place, steps: int) -> str:
    return f"after step {place.step} of {steps} in epoch {place.epoch + 1}"
