"""Layers that training does not change, at the front of a network: computed once, not in every epoch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat import nn
from groupscat.backend import Array, Backend
from groupscat.data.progress import Progress
from groupscat.datasets.dataset import Dataset
from groupscat.nn import Network
from groupscat.nn.adapt import FrontEnd
from groupscat.training.recipe import Recipe
from groupscat.training.step import Weights

#: Bytes that the outputs of frozen layers may take, before they are computed in every epoch after all.
LIMIT = 6 << 30
#: Signals at a time.
BATCH = 128


def frozen(network: Network) -> int:
    """How many layers at the front have nothing to learn, where a scattering transform is among them; else 0.

    >>> frozen(nn.scattering_mlp(J=2)), frozen(nn.hcnn())
    (1, 0)
    """
    learned = {int(name.partition(".")[0]) for name in (*network.parameters, *network.state, *network.masks)}
    count = min(learned, default=len(network.layers))
    return count if any(isinstance(layer, FrontEnd) for layer in network.layers[:count]) else 0


def size(network: Network, count: int, dtype: str) -> int:
    """Bytes of the outputs of a network for so many signals."""
    return count * network.output_space.size * np.dtype(dtype).itemsize


def computed(
    network: Network,
    data: Dataset,
    backend: Backend,
    like: Array,
    recipe: Recipe,
    progress: Progress,
    version: int | None = None,
) -> Dataset:
    """The outputs of a network without parameters for all data, in their place.

    ``version``: of what the augmentation of the recipe makes of them in the epoch of this number.
    """
    x: NDArray[Any] = np.empty((len(data), *network.output_space.shape), recipe.stored)
    what = f"scattering {data.name}{'' if version is None else f', version {version + 1}'}"
    with progress.counter(len(data), "signal", what) as counter:
        for first in range(0, len(data), BATCH):
            rows = np.arange(first, min(first + BATCH, len(data)))
            given = data.batch(rows, recipe.stored)
            if version is not None and recipe.augment is not None:
                given = recipe.augment(given, recipe.seed, version, rows)
            y, _ = nn.apply(network, {}, {}, backend.asarray(given, like=like))
            x[rows] = backend.to_numpy(y)
            counter.advance(len(rows))
    return replace(data, x=x, scale=1.0)


def shifted(weights: Weights, by: int) -> Weights:
    """Weights by the names of a network with so many layers more at the front.

    >>> shifted(Weights({"0.weight": 1}, {}, {"momentum/0.weight": 2}), 3)
    Weights(parameters={'3.weight': 1}, state={}, slots={'momentum/3.weight': 2})
    """

    def moved(name: str) -> str:
        slot, slash, own = name.rpartition("/")
        layer, _, rest = own.partition(".")
        return f"{slot}{slash}{int(layer) + by}.{rest}"

    return Weights(
        *({moved(k): a for k, a in x.items()} for x in (weights.parameters, weights.state, weights.slots))
    )
