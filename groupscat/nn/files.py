"""Trained networks as files: weights and specification in one, read in any framework, without pickle."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from groupscat.backend import Array, backend_of, get_backend
from groupscat.errors import ArgumentError, BackendError, DataError, GroupscatError
from groupscat.nn.config import from_config, to_config
from groupscat.nn.functional import apply
from groupscat.nn.network import Network

#: The entry of the file's metadata that holds the specification, and its version.
KEY, VERSION = "groupscat", 1


class Trained(Protocol):
    """What can be saved: a specification and arrays by its names, of any framework."""

    @property
    def spec(self) -> Network: ...

    def arrays(self) -> Mapping[str, Array]: ...


@dataclass(frozen=True, eq=False)
class Model:
    """A network with its numbers, arrays of one framework.

    Calling it is :func:`groupscat.nn.apply` of the trained network. ``classes``: what its outputs stand for,
    where that is known. ``about``: text by name that belongs to it, such as how the images were read that it
    was trained on.

    >>> import numpy as np
    >>> from groupscat import nn
    >>> network = nn.plain_cnn(K=4)
    >>> model = Model(network, *nn.init(network))
    >>> model(np.zeros((2, 3, 32, 32), np.float32)).shape
    (2, 10)
    """

    spec: Network
    parameters: Mapping[str, Array]
    state: Mapping[str, Array]
    classes: tuple[str, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, x: Array) -> Array:
        return apply(self.spec, self.parameters, self.state, x)[0]

    def arrays(self) -> dict[str, Array]:
        """Parameters and state by name."""
        return {**self.parameters, **self.state}


def save(model: Trained, path: str | os.PathLike[str]) -> None:
    """Write a network, its parameters and its state to a safetensors file.

    Parameters
    ----------
    model : a :class:`Model`, or a ``groupscat.torch.Network``.
    path : of the file, ``….safetensors`` by custom; what is there is replaced once all is written.

    Raises
    ------
    ArgumentError : the model is none, or its arrays are not those of its specification.
    DataError : the file cannot be written. BackendError : safetensors is not installed.
    """
    if not isinstance(getattr(model, "spec", None), Network):
        raise ArgumentError(f"{model!r}: expected a groupscat.nn.Model or a groupscat.torch.Network.")
    write_arrays(path, checked_arrays(model), metadata(model))


def checked_arrays(model: Trained) -> dict[str, NDArray[Any]]:
    """The numbers of a model by name, copies.

    Raises
    ------
    ArgumentError : they are not those of its specification.
    """
    arrays = {name: backend_of(a).to_numpy(a).copy(order="C") for name, a in model.arrays().items()}
    wrong = _difference(model.spec, {name: a.shape for name, a in arrays.items()})
    if wrong:
        raise ArgumentError(f"The arrays are not those of {model.spec!r}: {wrong}.")
    return arrays


def metadata(model: Trained) -> dict[str, str]:
    """What a file says about the network in it."""
    header = {
        "version": VERSION,
        "network": to_config(model.spec),
        "classes": list(getattr(model, "classes", ())),
        "about": dict(getattr(model, "about", {})),
    }
    return {KEY: json.dumps(header)}


def write_arrays(
    path: str | os.PathLike[str], arrays: dict[str, NDArray[Any]], about: dict[str, str]
) -> None:
    """A safetensors file.

    Raises
    ------
    DataError : it cannot be written. BackendError : safetensors is not installed.
    """
    write(path, _safetensors().numpy.save(arrays, metadata=about))


def read_arrays(path: str | os.PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """The arrays in a safetensors file, and what it says about them.

    Raises
    ------
    DataError : no such file; it is truncated or none. BackendError : safetensors is not installed.
    """
    safetensors = _safetensors()
    try:
        with safetensors.safe_open(os.fspath(path), framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return arrays, file.metadata() or {}
    except (OSError, TypeError, safetensors.SafetensorError) as error:
        raise DataError(f"{os.fspath(path)!r} cannot be read: {error}. Was it written to its end?") from error


def write(path: str | os.PathLike[str], data: bytes) -> None:
    """A file of these bytes; one that is there is replaced once all is written.

    Raises
    ------
    DataError : it cannot be written.
    """
    target = Path(path)
    part = target.parent / f"{target.name}.{os.getpid()}.part"
    try:
        part.write_bytes(data)
        os.replace(part, target)
    except OSError as error:
        raise DataError(f"{os.fspath(path)!r} cannot be written: {error}.") from error
    finally:
        with suppress(OSError):
            part.unlink()


def load(path: str | os.PathLike[str], backend: str = "numpy", device: str | None = None) -> Model:
    """A network from the file that :func:`save` has written.

    Parameters
    ----------
    backend : name of the framework of its arrays. device : where they live; None: the framework's default.

    Returns
    -------
    The model; ``groupscat.torch.Network(model)`` goes on training it in Torch.

    Raises
    ------
    DataError : no such file; it is truncated, or not of groupscat; its tensors are not those of its network.
    BackendError : safetensors or the framework is not installed. DeviceError : there is no such device.

    >>> import tempfile
    >>> from groupscat import nn
    >>> network = nn.plain_cnn(K=4)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "cnn.safetensors")
    ...     save(Model(network, *nn.init(network)), path)
    ...     model = load(path)
    >>> model.spec == network
    True
    """
    xp = get_backend(backend)
    arrays, about = read_arrays(path)
    network, classes, known = described(path, about.get(KEY))
    wrong = _difference(network, {name: a.shape for name, a in arrays.items()})
    types = {a.dtype.name for a in arrays.values()}
    if not wrong and (len(types) > 1 or types - {"float16", "float32", "float64"}):
        wrong = f"element types {sorted(types)}, expected one of floats"
    if wrong:
        raise DataError(f"{os.fspath(path)!r} holds other tensors than those of its {network!r}: {wrong}.")
    put = {name: xp.put(a, a.dtype.name, device) for name, a in arrays.items()}
    parameters, state = ({k: put[k] for k in names} for names in (network.parameters, network.state))
    return Model(network, parameters, state, classes, known)


def described(
    path: str | os.PathLike[str], text: str | None
) -> tuple[Network, tuple[str, ...], dict[str, str]]:
    """The specification in a file's metadata, the names of its classes, and what else is known.

    Raises
    ------
    DataError : there is none.
    """
    name = os.fspath(path)
    if text is None:
        raise DataError(f"{name!r} has no specification of groupscat: expected a file of groupscat.nn.save.")
    try:
        header = json.loads(text)
        version = header["version"]
        if version != VERSION:
            raise DataError(f"{name!r} has version {version!r}; expected {VERSION}. Update groupscat.")
        network, classes = from_config(header["network"]), header.get("classes", [])
        about = header.get("about", {})
        if not (isinstance(about, dict) and all(isinstance(text, str) for text in about.values())):
            raise DataError(f"{name!r} has about={about!r}; expected text by name.")
        if not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
            raise DataError(f"{name!r} has classes={classes!r}; expected a list of names.")
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        shown = error if isinstance(error, GroupscatError) else f"{type(error).__name__}: {error}"
        raise DataError(f"{name!r} has a specification that is none: {shown}") from error
    if not isinstance(network, Network):
        raise DataError(f"{name!r} specifies a {type(network).__name__}; expected a Network.")
    return network, tuple(classes), about


def _difference(network: Network, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """What keeps arrays of these shapes from being a network's; nothing where they are."""
    wanted = network.parameters | network.state
    missing, unknown = sorted(set(wanted) - set(shapes)), sorted(set(shapes) - set(wanted))
    found = [f"missing {missing}"] * bool(missing) + [f"unknown {unknown}"] * bool(unknown)
    found += [
        f"{name!r} of shape {shapes[name]}, expected {shape}"
        for name, shape in wanted.items()
        if name in shapes and tuple(shapes[name]) != shape
    ]
    return "; ".join(found)


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ModuleNotFoundError as error:
        raise BackendError(
            'Files of networks need safetensors: pip install "groupscat[safetensors]"'
        ) from error
    return safetensors
