"""Reading pickles of dictionaries, lists, text and arrays of numbers, and of nothing else.

A pickle is a program: what it may call is all that decides what it can do. Here it may call the stand-ins
below and no function of Python or NumPy, so that a file from elsewhere can be read.
"""

from __future__ import annotations

import io
import math
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.errors import DataError


class _Type:
    """Stands for numpy.dtype: a type of numbers, by its code and byte order."""

    def __init__(self, code: Any, *_: Any) -> None:
        self.code = code.decode("ascii") if isinstance(code, bytes) else str(code)
        self.order = "="

    def __setstate__(self, state: Any) -> None:
        order = state[1].decode("ascii") if isinstance(state[1], bytes) else str(state[1])
        self.order = "=" if order == "|" else order

    def numpy(self) -> np.dtype[Any]:
        dtype = np.dtype(self.code).newbyteorder(self.order)  # type: ignore[arg-type]
        if dtype.kind not in "biuf":
            raise pickle.UnpicklingError(f"an array of {dtype}")
        return dtype


class _Array:
    """Stands for numpy.ndarray: shape, type, order and bytes."""

    values: NDArray[Any] | None = None

    def __init__(self, *_: Any) -> None:
        """What the pickle passes here is replaced by the state that follows."""

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        shape = tuple(int(n) for n in shape)
        dtype = dtype.numpy()
        if len(data) != math.prod(shape) * dtype.itemsize:
            raise pickle.UnpicklingError(f"an array of shape {shape} and {len(data)} bytes")
        self.values = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


class _Encode:
    """Stands for _codecs.encode, by which Python 3 writes bytes for Python 2."""

    __slots__ = ()

    def __call__(self, text: str, code: str) -> bytes:
        if code != "latin1":
            raise pickle.UnpicklingError(f"text encoded as {code!r}")
        return text.encode("latin1")

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("a function with a state")


STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("_codecs", "encode"): _Encode(),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return STAND_INS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it calls {module}.{name}, and only arrays, numbers, text, lists and dictionaries are read"
            ) from None


def read_plain(data: bytes, origin: str) -> dict[str, Any]:
    """The dictionary in a pickle, its keys as text, arrays as NumPy's.

    Raises
    ------
    DataError : it is damaged, or holds anything else.

    >>> read_plain(pickle.dumps({b"data": np.arange(3), "labels": [1, 2]}, protocol=2), "batch")
    {'data': array([0, 1, 2]), 'labels': [1, 2]}
    >>> read_plain(pickle.dumps(print), "batch")
    Traceback (most recent call last):
    ...
    groupscat.errors.DataError: Cannot read batch (... bytes): it calls builtins.print, and only arrays, ...
    """
    file = io.BytesIO(data)
    try:
        found = _plain(_Unpickler(file, encoding="bytes").load())
    except Exception as error:  # a damaged pickle raises nearly every kind of error
        why = str(error).rstrip(".") or type(error).__name__
        raise DataError(f"Cannot read {origin} ({len(data)} bytes): {why}.") from error
    if not isinstance(found, dict):
        raise DataError(f"{origin} holds a {type(found).__name__}; expected a dictionary.")
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, _Array):
        return np.empty(0) if value.values is None else value.values
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
