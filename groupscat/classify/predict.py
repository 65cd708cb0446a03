"""The work behind ``groupscat predict``: features computed as a model knows them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import groupscat as gs
from groupscat.backend import Backend
from groupscat.classify.model import Model
from groupscat.classify.rows import Rows, flat_features, leading_axes
from groupscat.data import open_source
from groupscat.data.progress import Counter, Progress
from groupscat.data.source import Source
from groupscat.errors import ArgumentError, DataError

#: Signals of one batch.
BATCH = 64


def source_of(model: Model, inputs: Sequence[str | Path], skip_bad: bool, progress: Progress) -> Source:
    """The inputs, read as those of the model's features were: colour, size, sampling rate, channels.

    Raises
    ------
    DataError : an input cannot be read, or its signals are not of the model's shape.
    """
    recorded = {**model.config.get("options", {}), **model.config.get("inputs", {})}
    options: dict[str, Any] = {}
    if "colour" in recorded and not _arrays(inputs):
        options = {"colour": recorded["colour"], "shape": _pair(recorded.get("shape"))}
        options["crop"] = _pair(recorded.get("crop"))
        if recorded.get("resized") and options["shape"] is None:
            options["shape"] = tuple(model.config["arguments"]["shape"])
    elif "rate" in recorded and not _arrays(inputs):
        options = {"rate": recorded["rate"], "channels": recorded.get("channels")}
        options["length"] = recorded.get("samples")
    given = {name: value for name, value in options.items() if value is not None}
    unit = recorded.get("unit", "signal")
    try:
        source = open_source(inputs, skip_bad=skip_bad, progress=progress, **given)
    except ArgumentError as error:  # about options that the model brings, not the user
        raise DataError(f"The model was trained on features of {unit}s. {error}") from error
    if source.unit != unit:
        raise DataError(
            f"The model was trained on features of {unit}s, and these are {source.unit}s, whose values may "
            f"be on another scale. Give {unit}s, or train a model on features of {source.unit}s."
        )
    wanted = (*model.config.get("channels", ()), *model.config["arguments"]["shape"])
    if tuple(source.shape) != wanted:
        raise DataError(
            f"The {source.unit}s have shape {tuple(source.shape)}; the model was trained on features of "
            f"shape {wanted}. Give signals of that shape."
        )
    return source


def predict_source(
    model: Model, source: Source, backend: Backend, device: str | None = None, counter: Counter | None = None
) -> tuple[list[str], NDArray[Any]]:
    """Names and classes of the good signals of a source, a batch at a time; ``counter`` is told of each."""
    counter = counter or Counter()
    arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in model.config["arguments"].items()}
    S = getattr(gs, model.config["transform"])(**arguments)
    dtype = model.config.get("dtype", "float32")
    kind = {"float32": "complex64", "float64": "complex128"}[dtype] if source.is_complex else dtype
    leading = leading_axes(S.output_shape, 0, len(S.paths))
    grid = len(S.output_shape) - leading
    names: list[str] = []
    found = []
    for batch in source.batches(BATCH, dtype):
        y = backend.to_numpy(S(backend.put(batch.values, kind, device)))
        X = flat_features(
            np.asarray(y, np.float32), grid=grid, log=model.options.log, pool=model.options.pool
        )
        batch_names = [source.names[row] for row in batch.rows]
        found.append(model.predict_rows(Rows(X, batch_names, len(S.paths))))
        names += batch_names
        counter.advance(len(batch.rows))
    if not found:
        raise DataError(f"None of the {source.unit}s can be used.")
    return names, np.concatenate(found)


def as_csv(names: Sequence[str], predicted: NDArray[Any]) -> bytes:
    """A table with the columns name and prediction.

    >>> import numpy as np
    >>> as_csv(["a.png"], np.array(["cat"]))
    b'name,prediction\\na.png,cat\\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "prediction"])
    writer.writerows(zip(names, predicted.tolist(), strict=True))
    return text.getvalue().encode()


def _pair(value: Any) -> tuple[int, int] | None:
    return None if value is None else (int(value[0]), int(value[1]))


def _arrays(inputs: Sequence[str | Path]) -> bool:
    return all(Path(path).suffix.lower() in (".npy", ".npz", ".zarr") for path in inputs)
