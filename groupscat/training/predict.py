"""The classes that a trained network gives to files."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from groupscat.backend import Backend
from groupscat.checks import choice
from groupscat.data.arrays import ArraySource
from groupscat.data.images import Colour
from groupscat.data.inputs import open_source
from groupscat.data.progress import Counter, Progress
from groupscat.data.source import Source
from groupscat.datasets.archive import channels_first
from groupscat.errors import ArgumentError, DataError, ShapeError
from groupscat.nn import Model

BATCH = 64
#: Colours of images by channels of the input, the first by default.
COLOURS: dict[int, tuple[Colour, ...]] = {1: ("grey",), 3: ("rgb", "yuv")}


def source_for(
    model: Model,
    inputs: Sequence[str | Path],
    key: str | None,
    skip_bad: bool,
    progress: Progress,
    colour: Colour | None = None,
) -> Source:
    """The signals in inputs, images decoded to the size and the colours that the network takes.

    Raises
    ------
    ArgumentError : the network does not take images, or not of this colour. ShapeError : arrays of another
        shape. DataError : bad files.
    """
    shape = model.spec.input_shape
    arrays = all(Path(path).suffix.lower() in (".npy", ".npz", ".zarr") for path in inputs)
    if arrays:
        if colour is not None:
            raise ArgumentError(f"colour={colour!r}: for images; the inputs are arrays.")
        source = open_source(inputs, key=key, skip_bad=skip_bad, progress=progress)
        found = channels_first(np.empty((0, *source.shape))).shape[1:]
        if found != shape:
            raise ShapeError(f"The signals have shape {source.shape}; {model.spec!r} takes {shape}.")
        return source
    if len(shape) != 3 or shape[0] not in COLOURS:
        raise ArgumentError(f"{model.spec!r} takes signals of shape {shape}, no images: give arrays of them.")
    known = COLOURS[shape[0]]
    colour = choice("colour", colour or model.about.get("colour", known[0]), known)
    return open_source(inputs, colour=colour, shape=shape[1:], skip_bad=skip_bad, progress=progress)


def predict(
    model: Model, source: Source, backend: Backend, device: str | None = None, counter: Counter | None = None
) -> tuple[list[str], NDArray[np.float64]]:
    """Names of the good signals, and the probabilities of their classes (n, classes).

    Parameters
    ----------
    model : of arrays of ``backend``, on ``device``.

    Raises
    ------
    DataError : there is no good signal.
    """
    dtype = backend.dtype(next(iter((*model.parameters.values(), *model.state.values()))))
    # As where the network was trained: bytes are numbers in [0, 1].
    scale = 1 / 255 if isinstance(source, ArraySource) and source.bytes else 1.0
    names: list[str] = []
    found = []
    for batch in source.batches(BATCH, "float64" if dtype == "float64" else "float32"):
        x = channels_first(batch.values) * batch.values.dtype.type(scale)
        y = np.array(backend.to_numpy(model(backend.put(x, dtype, device))), np.float64).reshape(len(x), -1)
        y = np.exp(y - y.max(1, keepdims=True))
        found.append(y / y.sum(1, keepdims=True))
        names += [source.names[row] for row in batch.rows]
        if counter is not None:
            counter.advance(len(batch.rows))
    if not found:
        raise DataError(f"None of the {source.unit}s can be used.")
    return names, np.concatenate(found)


def as_csv(
    names: Sequence[str], probabilities: NDArray[np.float64], classes: Sequence[str], each: bool
) -> bytes:
    """A table: name, prediction, probability of it; ``each``: and of every class.

    >>> as_csv(["a.png"], np.array([[0.25, 0.75]]), ("cat", "dog"), each=True).decode().split()
    ['name,prediction,probability,cat,dog', 'a.png,dog,0.75,0.25,0.75']
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "prediction", "probability", *(classes if each else ())])
    for name, row in zip(names, probabilities, strict=True):
        best = int(row.argmax())
        numbers = [f"{p:.6g}" for p in (row[best], *(row if each else ()))]
        writer.writerow([name, classes[best], *numbers])
    return text.getvalue().encode()
