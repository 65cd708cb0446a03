"""From a source of signals to a file of scattering features."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

import groupscat as gs
from groupscat.data import FeatureWriter, Source
from groupscat.data.part import Layout
from groupscat.data.progress import Counter
from groupscat.errors import DataError
from groupscat.features.cluster import results_of_cluster
from groupscat.features.compute import Result, Run, results
from groupscat.features.tables import path_table, tables
from groupscat.features.transform import batch_size
from groupscat.features.workers import results_of_workers
from groupscat.scattering.operator import Operator


def write_features(
    operator: Operator,
    source: Source,
    out: FeatureWriter,
    run: Run,
    *,
    options: Mapping[str, Any] | None = None,
    counter: Counter | None = None,
) -> tuple[int, ...] | None:
    """Transform every signal and write features, names, labels, the path table and the configuration.

    Parameters
    ----------
    out : an entered writer; it is committed. options : of the command line, to compute the same again.
    counter : is told of the signals that are done, skipped ones included.

    Returns
    -------
    Shape of the features: (n, *channels, *operator.output_shape); None: they were complete already.

    Raises
    ------
    DataError : a signal cannot be used, none can, or the file cannot be written.
    DeviceError : the backend has no such device.
    """
    channels = source.shape[: len(source.shape) - len(operator.shape)]
    shape = (*channels, *operator.output_shape)
    itemsize = {"float32": 4, "float64": 8}[run.dtype]
    size = run.size or batch_size(operator, math.prod(channels), itemsize)
    inputs = list(source.fingerprint())
    digest = hashlib.sha256("\n".join(inputs).encode()).hexdigest()
    configuration = describe(operator, run, size) | {
        "channels": list(channels),
        "inputs": {**source.about, "digest": digest},
        "options": dict(options or {}),
    }
    configuration = json.loads(json.dumps(configuration, sort_keys=True))  # as it will be read
    out.open(configuration, inputs)
    if out.complete:
        return None
    kept: list[int] = []
    spans = source.spans(size)
    for span, entry in zip(spans, out.entries, strict=False):
        bad = {int(row): str(why) for row, why in entry.bad}
        kept += [row for row in span if row not in bad]
        source.skipped += source.named(tuple(bad.items()))
    first = len(out.entries)
    counter = counter or Counter()
    counter.begin(sum(map(len, spans[:first])))
    if run.scheduler is not None:
        computed = results_of_cluster
    else:
        computed = results if run.workers == 1 else results_of_workers
    begin = not out.entries
    early: list[Result] = []  # batches without a good signal, before the type of the features is known
    with contextlib.closing(computed(operator, source, run, size, first)) as batches:
        for span, result in zip(spans[first:], batches, strict=True):
            early.append(result)
            if result.features is not None and begin:
                out.begin(Layout(shape, result.features.dtype.name, len(source.names), size))
                begin = False
            while early and not begin:
                done = early.pop(0)
                out.append(np.empty((0, *shape)) if done.features is None else done.features, done.bad)
                kept += done.rows
            counter.advance(len(span))
    if not kept:
        raise DataError(f"None of the {source.unit}s can be used, for example {source.skipped[0]}.")
    arrays = tables(source, kept)
    arrays |= {f"path_{name}": column for name, column in path_table(operator.paths).items()}
    arrays["config"] = np.array(json.dumps(configuration, sort_keys=True))
    arrays["version"] = np.array(gs.__version__)
    out.commit(arrays)
    return (len(kept), *shape)


def describe(operator: Operator, run: Run, size: int) -> dict[str, Any]:
    """What is needed to compute the same again: ``getattr(groupscat, transform)(**arguments)``."""
    return {
        "version": gs.__version__,
        "transform": type(operator).__name__,
        "arguments": operator.config,
        "backend": run.backend.name,
        "device": run.device,
        "dtype": run.dtype,
        "batch_size": size,
    }
