"""What is done before a training: a network for some data, with the layer that takes them as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from groupscat import nn
from groupscat.datasets.dataset import Dataset
from groupscat.errors import ArgumentError, DataError, GroupscatError
from groupscat.nn import Model, Network
from groupscat.nn.config import from_config


def network_for(name: str, data: Dataset, options: Mapping[str, Any]) -> Network | Model:
    """The network to train on data.

    Parameters
    ----------
    name : of a published one (``groupscat.nn.PUBLISHED``), built for the shape and the classes of the data
        with ``options``; a ``.safetensors`` file, whose model is trained further; a ``.json`` file of
        :func:`groupscat.nn.to_config`.

    Raises
    ------
    ArgumentError : there is none of this name, or it does not have such an option. DataError : a bad file.
    """
    file = Path(name)
    if file.suffix.lower() in (".safetensors", ".json"):
        if options:
            raise ArgumentError(
                f"{name} is whole: options such as {next(iter(options))!r} are for networks by name."
            )
        return nn.load(file) if file.suffix.lower() == ".safetensors" else _specified(file)
    if name not in nn.PUBLISHED:
        known = ", ".join(nn.PUBLISHED)
        raise ArgumentError(f"model={name!r}: expected one of {known}, or a file .safetensors or .json.")
    given = {"input_shape": data.shape, "classes": len(data.classes), **options}
    try:
        network: Network = nn.PUBLISHED[name](**given)
    except TypeError as error:
        raise ArgumentError(f"{name} cannot be built with {dict(options)}: {error}.") from error
    return network


def _specified(file: Path) -> Network:
    try:
        network = from_config(json.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise DataError(f"Cannot read {file}: {error.strerror or error}.") from error
    except ValueError as error:
        if isinstance(error, GroupscatError):
            raise
        raise DataError(f"{file} is no JSON: {error}.") from error
    if not isinstance(network, Network):
        raise DataError(f"{file} specifies a {type(network).__name__}; expected a Network.")
    return network


def standardised(network: Network, data: Dataset) -> Network:
    """The network behind a layer that makes every channel of the data have mean 0 and deviation 1.

    A channel that is the same everywhere is centred only. The numbers are those of these data: the ones to
    train on. The network then takes signals as they are, also where it is served later.
    """
    mean, deviation = data.statistics()
    deviation = np.where(deviation > 0, deviation, 1.0)
    return Network([nn.Standardise(mean.tolist(), deviation.tolist()), *network.layers], network.input_shape)
