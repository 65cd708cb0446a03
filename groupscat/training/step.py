"""One step of training, on any framework that differentiates: pure functions, compiled where that pays."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat import nn
from groupscat.backend import Array, Backend
from groupscat.nn import Network
from groupscat.training.recipe import Recipe

Arrays = dict[str, Array]


@dataclass(frozen=True, eq=False)
class Weights:
    """All that training changes, by name; ``slots`` are named slot/parameter."""

    parameters: Arrays
    state: Arrays
    slots: Arrays

    def map(self, function: Callable[[Array], Any]) -> Weights:
        return Weights(
            *({k: function(a) for k, a in x.items()} for x in (self.parameters, self.state, self.slots))
        )


def begin(recipe: Recipe, parameters: Arrays, state: Arrays) -> Weights:
    """Host arrays, with slots of zeros."""
    slots = {
        f"{slot}/{name}": np.zeros_like(w)
        for slot in recipe.optimiser.slots
        for name, w in parameters.items()
    }
    return Weights(parameters, state, slots)


def cross_entropy(xp: Backend, y: Array, targets: Array) -> Array:
    """−Σ_k t_k log softmax(y)_k of each signal, (B,), from (B, K) and probabilities t.

    >>> from groupscat.backend import get_backend
    >>> cross_entropy(get_backend("numpy"), np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]])).round(4).tolist()
    [0.6931]
    """
    y = y - xp.max(y, (1,))[:, None]  # whose exponentials do not overflow
    return xp.log(xp.sum(xp.exp(y), (1,))) - xp.sum(y * targets, (1,))


class Step:
    """The functions of a step for one network, recipe and framework.

    Parameters
    ----------
    like : an array on the device on which all is computed.
    """

    def __init__(self, network: Network, recipe: Recipe, backend: Backend, like: Array) -> None:
        self.network, self.recipe, self.backend, self.like = network, recipe, backend, like
        self.processes = backend.processes()
        compiled = backend.compile if backend.compiles_plans else lambda function: function
        self._gradients = compiled(self._differentiate)
        self._update = compiled(self._follow)
        self._outputs = compiled(self._infer)

    def put(self, x: NDArray[Any]) -> Array:
        return self.backend.asarray(x, dtype=self.recipe.stored, like=self.like)

    def __call__(
        self,
        weights: Weights,
        x: NDArray[Any],
        y: NDArray[np.int64],
        masks: dict[str, NDArray[Any]],
        total: int,
        numbers: dict[str, float],
    ) -> tuple[Weights, Array, Array]:
        """The weights after a step, the mean loss of the whole batch and the outputs of these signals.

        Parameters
        ----------
        x, y, masks : of the signals of this process. total : signals of all processes.
        numbers : of the optimiser, at this step.
        """
        share = len(y) / total
        if len(y):
            put = {name: self.put(mask) for name, mask in masks.items()}
            arrays = (self.put(x), self.put(self.targets(y)), put, self.put(np.array(1 / total)))
            loss, others, gradients = self._gradients(weights.parameters, weights.state, *arrays)
            outputs = others.pop("outputs")
            # A copy: not everywhere may what a compiled function gave be changed.
            state = others if share == 1 else {k: a * share for k, a in others.items()}
        else:
            loss, outputs = self.put(np.zeros(())), self.put(np.zeros((0, *self.network.output_space.shape)))
            gradients, state = (
                {k: a * 0.0 for k, a in p.items()} for p in (weights.parameters, weights.state)
            )
        if self.processes.count > 1:
            apart = {f"g {k}": a for k, a in gradients.items()} | {f"s {k}": a for k, a in state.items()}
            summed = self.processes.total(apart | {"loss": loss})
            gradients, state = (
                {k: summed[f"{kind} {k}"] for k in p} for kind, p in (("g", gradients), ("s", state))
            )
            loss = summed["loss"]
        put = {name: self.put(np.array(value)) for name, value in numbers.items()}
        parameters, slots = self._update(weights.parameters, gradients, weights.slots, put)
        return Weights(parameters, state, slots), loss, outputs

    def targets(self, y: NDArray[np.int64]) -> NDArray[np.float64]:
        """Probabilities of the classes, (B, K)."""
        classes, smoothing = math.prod(self.network.output_space.shape), self.recipe.smoothing
        return np.eye(classes)[y] * (1 - smoothing) + smoothing / classes

    def outputs(self, weights: Weights, x: NDArray[Any]) -> Array:
        """What the network says of signals, as it is used."""
        return self._outputs(weights.parameters, weights.state, self.put(x))

    # ------------------------------------------------------- what is compiled: arrays in, arrays out

    def _precision(self, x: Array) -> Any:
        return self.backend.mixed(x) if self.recipe.precision == "bfloat16" else nullcontext()

    def _differentiate(
        self, parameters: Arrays, state: Arrays, x: Array, targets: Array, masks: Arrays, share: Array
    ) -> tuple[Array, Arrays, Arrays]:
        return self.backend.gradients(partial(self._loss, state, x, targets, masks, share), parameters)

    def _loss(
        self, state: Arrays, x: Array, targets: Array, masks: Arrays, share: Array, parameters: Arrays
    ) -> tuple[Array, Arrays]:
        xp = self.backend
        with self._precision(x):
            y, new = nn.apply(self.network, parameters, state, x, training=True, masks=masks)
        y = xp.cast(y, self.recipe.stored)
        new = {name: xp.cast(a, self.recipe.stored) for name, a in new.items()}
        return xp.sum(cross_entropy(xp, y, targets), (0,)) * share, {"outputs": y, **new}

    def _follow(
        self, parameters: Arrays, gradients: Arrays, slots: Arrays, numbers: Arrays
    ) -> tuple[Arrays, Arrays]:
        rule = self.recipe.optimiser
        after: Arrays = {}
        kept: Arrays = {}
        for name, w in parameters.items():
            g = gradients[name]
            if self.recipe.decay and len(self.backend.shape(w)) > 1:
                g = g + w * self.recipe.decay
            own = tuple(slots[f"{slot}/{name}"] for slot in rule.slots)
            after[name], own = rule.update(self.backend, w, g, own, numbers)
            kept |= {f"{slot}/{name}": a for slot, a in zip(rule.slots, own, strict=True)}
        return nn.constrain(self.network, after), kept

    def _infer(self, parameters: Arrays, state: Arrays, x: Array) -> Array:
        with self._precision(x):
            y, _ = nn.apply(self.network, parameters, state, x)
        return self.backend.cast(y, self.recipe.stored)
