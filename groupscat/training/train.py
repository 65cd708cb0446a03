"""Training a network on labelled signals, in the framework of one's choice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from groupscat import nn
from groupscat.backend import Backend, backend_of, default_backend, get_backend
from groupscat.checks import integer, positive
from groupscat.data.progress import Progress
from groupscat.datasets.dataset import Dataset
from groupscat.errors import ArgumentError, ShapeError
from groupscat.nn import Model, Network
from groupscat.training.checkpoint import Checkpoint, Place, Plan
from groupscat.training.folder import CHECKPOINT, Folder, checkpoint_in
from groupscat.training.frozen import LIMIT, computed, frozen, shifted, size
from groupscat.training.loop import Loop, Score
from groupscat.training.recipe import Recipe
from groupscat.training.step import Weights, begin


@dataclass(frozen=True, eq=False)
class Result:
    """What came out of a training.

    Attributes
    ----------
    model : the network with its last weights, arrays of NumPy. rows : of the table of epochs.
    test : how well it does on the test data, None without.
    """

    model: Model
    rows: tuple[dict[str, Any], ...]
    test: Score | None


def train(
    network: Network | Model,
    data: Dataset,
    recipe: Recipe | None = None,
    *,
    validation: Dataset | None = None,
    test: Dataset | None = None,
    test_each_epoch: bool = False,
    output: Path | None = None,
    overwrite: bool = False,
    backend: str | None = None,
    device: str | None = None,
    minutes: float = 10.0,
    precompute: int | None = None,
    tensorboard: bool = False,
    curve: bool = False,
    about: Mapping[str, str] | None = None,
    progress: Progress | None = None,
    note: Callable[[str], object] = lambda text: None,
) -> Result:
    """Train a network, or go on with a training that was stopped.

    Parameters
    ----------
    network : what is trained, from weights drawn by the seed of the recipe; or a model, from its own.
    data : signals of the shape of the network's input, as many classes as it has outputs.
    validation : scored after every epoch; the best network by them is kept as ``best.safetensors``.
    test : scored once, at the end, or with ``test_each_epoch`` also on the way; nothing is chosen by them.
    output : a folder for checkpoint, model, ``metrics.csv`` and more. If there is a checkpoint in it, of the
        same training, this goes on from there, to the same bits as if it had never stopped, on one kind of
        processor; in another framework, to the same numbers but for rounding. ``overwrite``: begin anew
        instead.
    backend : name of a framework that differentiates; None: the default one. device : of that framework.
    minutes : between checkpoints within an epoch.
    precompute : compute layers at the front that learn nothing once; with augmentation so many versions of
        every signal, of which each epoch has the next one. 0: in every step. None: once if there are a
        scattering transform among them, no augmentation, and no more than 6 GiB of coefficients, else in
        every step.
    tensorboard, curve : whether to write events, and a picture of the learning curve.
    about : kept with the model, beside what is known of one that is trained further.
    note : told what a user should know.

    Several processes started by ``torchrun`` share every batch.

    Raises
    ------
    ArgumentError : arguments that do not fit together; the folder holds another training.
    ShapeError : the data are not what the network takes. DataError : a checkpoint that is truncated.
    BackendError : the framework does not differentiate. TrainingError : the loss is no longer finite.

    >>> from groupscat.training import Cosine, Dataset, Recipe, train
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(64) % 2
    >>> data = Dataset(rng.normal(size=(64, 1, 8)) + 2 * y[:, None, None], y, ("low", "high"))
    >>> network = nn.Network([nn.Flatten(), nn.Dense(2)], input_shape=(1, 8))
    >>> result = train(network, data, Recipe(epochs=5, batch_size=16), backend="torch")
    >>> result.rows[-1]["error"] < 0.2
    True
    """
    recipe = recipe or Recipe()
    positive("minutes", minutes)
    model = network if isinstance(network, Model) else None
    network = network.spec if isinstance(network, Model) else network
    if not isinstance(network, Network):
        raise ArgumentError(f"{network!r}: expected a groupscat.nn.Network, or a groupscat.nn.Model.")
    if not network.parameters:
        raise ArgumentError(f"{network!r} has nothing to learn: expected a layer with parameters.")
    if not isinstance(recipe, Recipe):
        raise ArgumentError(f"recipe={recipe!r}: expected a groupscat.training.Recipe.")
    given = {"data": data, "validation": validation, "test": test}
    for name, d in given.items():
        if not isinstance(d, Dataset) and (d is not None or name == "data"):
            raise ArgumentError(f"{name} is a {type(d).__name__}: expected a groupscat.datasets.Dataset.")
    if precompute is not None:
        precompute = integer("precompute", precompute, 0)
    classes = data.classes if model is None else model.classes or data.classes
    sets = {name: _fitting(network, classes, d) for name, d in given.items() if d is not None}
    known = {**({} if model is None else model.about), **(about or {})}
    engine = _engine(backend)
    processes = engine.processes()
    like = engine.put(np.zeros(()), recipe.stored, device or processes.device)
    first = _first(network, model, recipe)
    versions = precompute or 0 if recipe.augment is not None and frozen(network) else 0
    # What is the best so far depends on the validation data too.
    both = " ".join(d.fingerprint for d in (data, validation) if d is not None)
    plan = Plan.of(network, recipe, both, _fingerprint(first), versions)
    place, weights, folder, logs = Place(), first, None, []
    if output is not None:
        folder = Folder(output, overwrite) if processes.rank == 0 else None
        processes.same("")  # until the folder is there
    try:
        found = None if output is None else checkpoint_in(output)
        if found is not None:
            assert output is not None
            found.check(plan, first, output / CHECKPOINT)
            place, weights = found.place, found.weights
            note(f"going on after {place.epoch} epochs and {place.step} steps in {output}")
        if folder is not None:  # fails now, and not after an hour, where a package is missing
            logs = folder.logs(place, recipe.epochs, tensorboard, curve, data.name)
        bars = progress if progress is not None and processes.rank == 0 else Progress()

        train_on, augment, left = [sets.pop("data")], recipe.augment, network
        at = _computed_once(network, [*train_on, *sets.values()], recipe, precompute, note)
        if at:
            head, left = nn.split(network, at)
            numbers = [None] if augment is None else range(versions)
            how = engine, like, recipe, bars
            train_on = [computed(head, train_on[0], *how, version) for version in numbers]
            sets = {name: computed(head, d, *how) for name, d in sets.items()}
            augment = None

        def finished(weights: Weights) -> Model:
            # In the order of the layers: JAX sorts by name.
            parameters = {name: weights.parameters[name] for name in network.parameters}
            return Model(network, parameters, {k: weights.state[k] for k in network.state}, classes, known)

        def keep(weights: Weights, place: Place) -> None:
            if folder is not None:
                whole = shifted(weights, at)
                folder.keep(Checkpoint(whole, place, plan), finished(whole))

        each = ("validation", "test") if test_each_epoch else ("validation",)
        steps = -(-len(data) // recipe.batch_size) * recipe.epochs
        with bars.counter(steps, "step", "training") as counter:
            loop = Loop(
                left, train_on, recipe, engine, like, shifted(weights, -at), place,
                augment=augment, others={name: d for name, d in sets.items() if name in each},
                keep=keep, minutes=minutes, logs=logs, counter=counter,
            )  # fmt: skip
            loop.run()
        score = loop.score(sets["test"]) if "test" in sets else None
        host = shifted(loop.now.weights.map(engine.to_numpy), at)
        return Result(finished(host), loop.now.place.rows, score)
    finally:
        if folder is not None:
            folder.release()


def _fitting(network: Network, classes: tuple[str, ...], data: Dataset) -> Dataset:
    """Data whose signals and classes are those of the network, the classes in the order of its outputs."""
    if data.shape != network.input_shape:
        raise ShapeError(
            f"{data!r} has signals of shape {data.shape}; {network!r} takes {network.input_shape}. Build it "
            "for input_shape of the data, or resize them."
        )
    if network.output_space.shape != (len(classes),):
        raise ShapeError(
            f"{network!r} gives {network.output_space}; expected one number for each of the {len(classes)} "
            f"classes of {data!r}. Build it with classes={len(classes)}."
        )
    return data if data.classes == classes else data.matched(classes)


def _engine(name: str | None) -> Backend:
    """The framework by name, or the default one, if it differentiates."""
    backend = default_backend() if name is None else get_backend(name)
    if not backend.differentiates:
        backend.gradients(lambda xs: (xs["x"], {}), {"x": backend.asarray(np.zeros(()))})  # says what can
    return backend


def _first(network: Network, model: Model | None, recipe: Recipe) -> Weights:
    """The weights at first, on the host."""
    if model is None:
        return begin(recipe, *nn.init(network, recipe.seed, recipe.stored))
    host = (
        {name: backend_of(a).to_numpy(a).astype(recipe.stored) for name, a in arrays.items()}
        for arrays in (model.parameters, model.state)
    )
    return begin(recipe, *host)


def _fingerprint(weights: Weights) -> str:
    digest = hashlib.sha256()
    for name, a in sorted((weights.parameters | weights.state).items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(a).tobytes())
    return digest.hexdigest()


def _computed_once(
    network: Network,
    sets: Sequence[Dataset],
    recipe: Recipe,
    versions: int | None,
    note: Callable[[str], object],
) -> int:
    """How many layers at the front are computed before training; of ``sets`` the first is trained on."""
    at = frozen(network)
    if not at or versions == 0:
        return 0
    if recipe.augment is not None:
        if versions == 1:
            raise ArgumentError(
                "precompute=1: one version of each signal is no augmentation. Ask for several, or for 0."
            )
        return at if versions else 0
    head, _ = nn.split(network, at)
    needed = sum(size(head, len(data), recipe.stored) for data in sets)
    if versions is None and needed > LIMIT:
        note(f"coefficients would take {needed / 2**30:.1f} GiB: they are computed anew in every epoch")
        return 0
    return at
