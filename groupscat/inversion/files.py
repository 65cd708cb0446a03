"""The work behind ``groupscat reconstruct``: what to reconstruct, read from a file, and results as files."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import groupscat as gs
from groupscat.data import Source, open_source, read_features
from groupscat.data.arrays import OneSignal
from groupscat.data.images import pillow
from groupscat.data.progress import Progress
from groupscat.data.source import printable
from groupscat.data.store import is_store
from groupscat.errors import ArgumentError, DataError
from groupscat.features import build_operator
from groupscat.inversion.result import Reconstruction
from groupscat.scattering.operator import Operator

#: Full scale of 16 bits, in which recordings are written, and of the 8 bits of an image.
SIXTEEN, EIGHT = 32767, 255


@dataclass(frozen=True, eq=False)
class Task:
    """Coefficients to find a signal for.

    Attributes
    ----------
    operator, target : the coefficients are (channels..., *operator.output_shape).
    original : the signal that they are of; None where only they are known.
    unit : "image", "recording", "signal". sampling_rate : in Hz, of a recording.
    """

    operator: Operator
    target: NDArray[Any]
    original: NDArray[Any] | None
    unit: str
    sampling_rate: float | None = None

    def of_order(self, order: int) -> Task:
        """The same with the coefficients of orders up to ``order`` only.

        Raises
        ------
        ArgumentError : the operator has no orders to leave out.
        """
        S = self.operator
        if not isinstance(S, gs.Scattering):
            raise ArgumentError(
                f"--compare sets order {order} against all of a translation scattering, got "
                f"{type(S).__name__}. Leave it out, or choose --transform 1d or 2d."
            )
        if S.max_order <= order:
            raise ArgumentError(
                f"--compare sets order {order} against all: {type(S).__name__} of max_order={S.max_order} "
                "has no more. Leave it out, or choose --max-order 2."
            )
        lower = S.replace(max_order=order)
        axis = self.target.ndim - len(S.output_shape)
        return replace(self, operator=lower, target=self.target.take(range(len(lower.paths)), axis))


def read_task(
    path: Path,
    row: int | None,
    dtype: str,
    transform: str | None,
    arguments: Mapping[str, Any],
    progress: Progress,
    **options: Any,
) -> Task:
    """The coefficients of a signal in a file, or those in a file of features.

    Parameters
    ----------
    row : which signal of an array (n, ...) or which row of a file of features; None: the whole array of
        a .npy, else the first.
    transform, arguments : of :func:`groupscat.features.build_operator`; a file of features knows its own.
    options : of :func:`groupscat.data.open_source`.

    Raises
    ------
    DataError : the file cannot be read. ArgumentError : there is no such row, or an option does not belong.
    """
    if is_store(path):
        stray = [name for name, value in {"transform": transform, **arguments}.items() if value is not None]
        if stray:
            option = f"-{stray[0]}" if len(stray[0]) == 1 else f"--{stray[0].replace('_', '-')}"
            raise ArgumentError(f"{printable(path)} knows its transform; leave out {option}.")
        return _of_features(path, row or 0, dtype)
    source: Source
    if path.suffix.lower() == ".npy" and row is None:
        source = OneSignal(_array(path), path.name)
    else:
        source = open_source([path], progress=progress, **options)
    row = _row(row or 0, len(source.names), path)
    x = source.read(range(row, row + 1), dtype).values[0]
    given = {**arguments, "sampling_rate": arguments.get("sampling_rate") or source.sampling_rate}
    S = build_operator(source, transform, given)
    return Task(S, S(x), x, source.unit, getattr(S, "sampling_rate", None))


def _of_features(path: Path, row: int, dtype: str) -> Task:
    store = read_features(path)
    row = _row(row, len(store), path)
    config = store.config
    arguments = {k: tuple(v) if isinstance(v, list) else v for k, v in config["arguments"].items()}
    operator: Operator = getattr(gs, config["transform"])(**arguments)
    target = np.asarray(store.features[row])
    wide = np.result_type(dtype, np.complex64) if np.iscomplexobj(target) else np.dtype(dtype)
    unit = str(config.get("inputs", {}).get("unit", "signal"))
    return Task(operator, target.astype(wide), None, unit, getattr(operator, "sampling_rate", None))


def _array(path: Path) -> NDArray[Any]:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"Cannot read {printable(path)}: {reason}.") from error
    if values.ndim == 0 or values.dtype.kind not in "fciub":
        raise DataError(f"{printable(path)} holds {values.dtype} of shape {values.shape}, not a signal.")
    return np.asarray(values)


def _row(row: int, count: int, path: Path) -> int:
    if row >= count:
        raise ArgumentError(f"--row {row}: {printable(path)} has the rows 0 to {count - 1}.")
    return row


def files_of(found: Reconstruction, task: Task) -> dict[str, bytes]:
    """The signal by suffix: ".npy" always, ".png" of an image in grey or RGB, ".wav" of a recording."""
    x = np.asarray(found.x)
    files = {".npy": _bytes(lambda file: np.save(file, x))}
    if task.unit == "image" and (x.ndim == 2 or x.shape[:-2] == (3,)):
        levels = np.rint(EIGHT * np.clip(x, 0, 1)).astype(np.uint8)
        picture = pillow()[0].fromarray(np.moveaxis(levels, 0, -1) if x.ndim == 3 else levels)
        files[".png"] = _bytes(lambda file: picture.save(file, "PNG"))
    if task.sampling_rate is not None and len(task.operator.shape) == 1 and not np.iscomplexobj(x):
        from scipy.io import wavfile

        # What exceeds full scale would be clipped, and is heard: softer instead.
        loud = SIXTEEN * x / max(1.0, float(np.abs(x).max()))
        samples = np.rint(np.atleast_2d(loud.reshape(-1, x.shape[-1])).T).astype(np.int16)
        rate = round(task.sampling_rate)
        files[".wav"] = _bytes(lambda file: wavfile.write(file, rate, samples))
    return files


def _bytes(write: Any) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()
