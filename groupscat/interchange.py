"""Arrays from one framework to another, on the same memory where that is safe."""

from __future__ import annotations

from groupscat.backend import Array, backend_of, get_backend
from groupscat.errors import ArgumentError, DtypeError, GroupscatError


def convert(x: Array, backend: str, *, copy: bool | None = None) -> Array:
    """``x`` as an array of another framework, values, shape and element type kept.

    Memory is shared (DLPack) when both frameworks can address it and agree on whether arrays may be
    written to: NumPy, Torch and CuPy do write, TensorFlow and JAX rely on arrays that never change. What
    cannot be shared (read-only or reversed NumPy arrays, another device) is copied through the host.

    Parameters
    ----------
    x : an array of any backend. backend : the name of one, see :func:`groupscat.backend_names`.
    copy : None: only if needed; True: always; False: never.

    Raises
    ------
    ArgumentError : ``copy=False``, but the memory cannot be shared.
    BackendError : unknown backend, or its framework is not installed.
    DtypeError : x is no array, requires a gradient, or has an element type that must not be converted.

    >>> import numpy as np
    >>> x = np.ones(3)
    >>> convert(x, "numpy") is x, convert(x, "numpy", copy=True) is x
    (True, False)

    Source: Python array API standard 2024.12, data interchange.
    """
    source, target = backend_of(x), get_backend(backend)
    if source is target and copy is not True:
        return x
    reason = f"{source.name} and {target.name} differ in whether arrays may be written to"
    try:
        exported = source.to_dlpack(x)
        if copy is not True and source.mutable == target.mutable:
            return target.from_dlpack(exported)
    except BufferError as error:
        reason = str(error)
    if copy is False:
        raise ArgumentError(
            f"copy=False, but the memory of x cannot be shared ({reason}). "
            "Pass copy=None to copy where needed."
        )
    try:
        values = source.to_numpy(x)
        native = values.astype(values.dtype.newbyteorder("="))  # a copy, in the order every framework reads
        return target.put(native, str(source.dtype(x)))
    except GroupscatError:
        raise
    except (AttributeError, TypeError, ValueError) as error:  # each framework has its own words
        raise DtypeError(
            f"x, {source.dtype(x)} of {source.name}, cannot become an array of {target.name} "
            f"({str(error).strip().splitlines()[0]}). Convert x to another element type first; "
            "inside a traced function it has no values yet."
        ) from error
