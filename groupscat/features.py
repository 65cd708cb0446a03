"""From a source of signals to a file of scattering features: the work behind ``groupscat features``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import groupscat as gs
from groupscat.backend import Backend
from groupscat.data import ImageSource, NpzWriter, Source
from groupscat.data.store import OWN
from groupscat.errors import ArgumentError, DataError
from groupscat.plan.paths import Path, Paths
from groupscat.scattering.operator import Operator

Transform = Literal["1d", "2d", "3d", "harmonic3d"]
#: Operator and number of signal axes of each transform; both are attributes of ``groupscat``.
TRANSFORMS: dict[str, tuple[str, int]] = {
    "1d": ("Scattering1D", 1),
    "2d": ("Scattering2D", 2),
    "3d": ("Scattering3D", 3),
    "harmonic3d": ("HarmonicScattering3D", 3),
}
#: Constructor arguments that a transform takes from the command line, besides J, shape, T and stride.
TAKES = {
    "1d": {"Q", "max_order", "padding", "method", "sampling_rate"},
    "2d": {"L", "max_order", "padding", "method"},
    "3d": {"L", "max_order", "padding", "method"},
    "harmonic3d": {"L", "max_order"},
}
#: Memory that one batch may take unless a batch size is given, bytes.
BATCH_BYTES = 256 << 20


def choose_transform(source: Source) -> Transform:
    """Images → 2d; arrays by the axes of one signal: (N,) → 1d, (H, W) → 2d, (M, N, O) → 3d.

    Raises
    ------
    ArgumentError : a signal has more than three axes, so that only the user knows which are channels.
    """
    if isinstance(source, ImageSource):
        return "2d"
    by_axes: dict[int, Transform] = {1: "1d", 2: "2d", 3: "3d"}
    if len(source.shape) not in by_axes:
        raise ArgumentError(
            f"A signal of shape {source.shape} has {len(source.shape)} axes; say with --transform "
            "how many of the last ones are to be transformed (the others are channels)."
        )
    return by_axes[len(source.shape)]


def default_J(transform: str, shape: Sequence[int]) -> int:
    """The largest useful scale: 2^J at most a quarter of the shortest side and J ≤ 3; in one dimension at
    most a sixteenth of the length and J ≤ 8; at least 1.

    >>> default_J("2d", (32, 48)), default_J("2d", (8, 8)), default_J("1d", (8192,))
    (3, 1, 8)
    """
    part, most = (16, 8) if transform == "1d" else (4, 3)
    return max(1, min(most, (min(shape) // part).bit_length() - 1))


def build_operator(source: Source, transform: str | None, arguments: Mapping[str, Any]) -> Operator:
    """The operator for the signals of ``source``.

    Parameters
    ----------
    transform : a key of ``TRANSFORMS``; None: by :func:`choose_transform`.
    arguments : constructor arguments; None stands for the default.

    Raises
    ------
    ArgumentError : an argument that this transform does not take, or a value it cannot have.
    DataError : the signals have too few axes.
    """
    transform = transform or choose_transform(source)
    name, d = TRANSFORMS[transform]
    given = {key: value for key, value in arguments.items() if value is not None}
    stray = given.keys() - {"J", "T", "stride"} - TAKES[transform]
    if stray:
        takes = ", ".join(["J", "T", "stride", *sorted(TAKES[transform])])
        raise ArgumentError(f"The {transform} transform has no {sorted(stray)[0]}; it takes {takes}.")
    if len(source.shape) < d:
        raise DataError(
            f"The {transform} transform needs signals of {d} axes; these have shape {source.shape}."
        )
    shape = source.shape[-d:]
    if transform == "3d" and "J" not in given and min(shape) < 8:
        raise ArgumentError(
            f"Signals of shape {shape} are thin for volumes. If an axis holds channels, put it first and "
            "pass --transform 2d; if not, choose -J."
        )
    if given.get("T", "global" if transform == "harmonic3d" else None) == 0 and "stride" not in given:
        raise ArgumentError(
            "--T 0 leaves each path at its own sampling rate; give all the same one, for example --stride 1."
        )
    given.setdefault("J", default_J(transform, shape))
    if source.is_complex:
        if transform == "harmonic3d":
            raise DataError("The harmonic3d transform is for real volumes; these are complex.")
        given["complex_input"] = True
    operator: Operator = getattr(gs, name)(shape=shape, **given)
    return operator


def batch_size(operator: Operator, channels: int, itemsize: int) -> int:
    """Signals whose transform takes about ``BATCH_BYTES``, at least 1, at most 512."""
    output = math.prod(operator.output_shape)
    per_signal = channels * itemsize * (operator.plan.peak_floats + output)
    return max(1, min(512, BATCH_BYTES // per_signal))


@dataclass(frozen=True)
class Run:
    """How to compute: backend and device, element type, signals per batch (None: by memory)."""

    backend: Backend
    device: str | None = None
    dtype: str = "float32"
    size: int | None = None


def write_features(
    operator: Operator,
    source: Source,
    out: NpzWriter,
    run: Run,
    *,
    about: Mapping[str, Any] | None = None,
    advance: Callable[[int], object] = lambda count: None,
) -> tuple[int, ...]:
    """Transform every signal and write features, names, labels, the path table and the configuration.

    Parameters
    ----------
    out : an entered writer; it is committed. about : more to record in the configuration.
    advance : called with the number of signals done (skipped ones included) after each batch.

    Returns
    -------
    Shape of the features: (n, *channels, *operator.output_shape).

    Raises
    ------
    DataError : a signal cannot be used, none can, or the file cannot be written.
    DeviceError : the backend has no such device.
    """
    channels = source.shape[: len(source.shape) - len(operator.shape)]
    shape = (*channels, *operator.output_shape)
    itemsize = {"float32": 4, "float64": 8}[run.dtype]
    size = run.size or batch_size(operator, math.prod(channels), itemsize)
    dtype = {"float32": "complex64", "float64": "complex128"}[run.dtype] if source.is_complex else run.dtype
    kept: list[int] = []
    seen = len(source.skipped)
    for batch in source.batches(size, run.dtype):
        x = run.backend.put(batch.values, dtype, run.device)
        y = run.backend.to_numpy(operator(x))
        if not kept:
            out.begin("features", shape, y.dtype.name, rows=len(source.names))
        out.append(y)
        kept += batch.rows
        advance(len(batch.rows) + len(source.skipped) - seen)
        seen = len(source.skipped)
    if not kept:
        raise DataError(f"None of the {source.unit}s can be used, for example {source.skipped[0]}.")
    configuration = describe(operator, run) | {"inputs": dict(about or {}), "channels": list(channels)}
    for name, array in tables(source, kept).items():
        out.add(name, array)
    for name, column in path_table(operator.paths).items():
        out.add(f"path_{name}", column)
    out.add("config", np.array(json.dumps(configuration, sort_keys=True)))
    out.add("version", np.array(gs.__version__))
    out.commit()
    return (len(kept), *shape)


def describe(operator: Operator, run: Run) -> dict[str, Any]:
    """What is needed to compute the same again: ``getattr(groupscat, transform)(**arguments)``."""
    return {
        "version": gs.__version__,
        "transform": type(operator).__name__,
        "arguments": operator.config,
        "backend": run.backend.name,
        "device": run.device,
        "dtype": run.dtype,
    }


def tables(source: Source, kept: Sequence[int]) -> dict[str, NDArray[Any]]:
    """Names, labels and what was skipped, as arrays."""
    rows = np.asarray(kept)
    found = {"names": _text([source.names[row] for row in kept])}
    for name, values in source.labels.items():
        taken = name in OWN or name.startswith("path_")
        found[f"input_{name}" if taken else name] = values[rows]
    found["skipped"] = _text([item.name for item in source.skipped])
    found["skipped_reasons"] = _text([item.reason for item in source.skipped])
    return found


def path_table(paths: Paths) -> dict[str, NDArray[Any]]:
    """The table of paths as arrays without Python objects, one row per coefficient.

    Columns of indices (n, j, theta, phase) have shape (paths, orders) and are padded with −1; columns of
    frequencies (xi, sigma, in cycles per sample, and hz) have shape (paths, orders), in more than one
    dimension (paths, orders, d), and are padded with NaN. order and parent are (paths,), and so are l and
    q of solid harmonics (−1 and NaN where there is none).
    """
    depth = max((path.order for path in paths), default=0)
    table: dict[str, NDArray[Any]] = {
        "order": np.array(paths.column("order"), np.int64),
        "parent": np.array(paths.column("parent"), np.int64),
        "n": _indices([path.n for path in paths], depth),
        "j": _indices([path.j for path in paths], depth),
    }
    optional: dict[str, Callable[[Path], Sequence[Any]]] = {
        "theta": lambda path: [t for t in path.theta if t is not None],
        "phase": lambda path: path.phases if any(path.phases) else (),
    }
    for name, values in optional.items():
        column = _indices([values(path) for path in paths], depth)
        if (column >= 0).any():
            table[name] = column
    table["xi"] = _frequencies([path.xi for path in paths], depth)
    table["sigma"] = _frequencies([path.sigma for path in paths], depth)
    if any(path.rate is not None for path in paths):
        table["hz"] = _frequencies([path.hz for path in paths], depth)
    if any(path.power is not None for path in paths):
        table["l"] = np.array([-1 if path.l is None else path.l for path in paths], np.int64)
        table["q"] = np.array([math.nan if path.power is None else path.power for path in paths])
    return table


def _indices(rows: Sequence[Sequence[int]], depth: int) -> NDArray[np.int64]:
    column = np.full((len(rows), depth), -1, np.int64)
    for k, row in enumerate(rows):
        column[k, : len(row)] = row
    return column


def _frequencies(rows: Sequence[Sequence[Any]], depth: int) -> NDArray[np.float64]:
    inner = max((np.shape(value) for row in rows for value in row), key=len, default=())
    column = np.full((len(rows), depth, *inner), np.nan)
    for k, row in enumerate(rows):
        for m, value in enumerate(row):
            column[k, m] = value
    return column


def _text(items: Sequence[str]) -> NDArray[np.str_]:
    return np.array(list(items), dtype=np.str_)
