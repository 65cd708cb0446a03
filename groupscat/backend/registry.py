"""Which backend computes: found through entry points, chosen by the array it is given."""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from groupscat.backend.base import Backend
from groupscat.errors import BackendError, DtypeError

GROUP = "groupscat.backends"
ENVIRONMENT_VARIABLE = "GROUPSCAT_BACKEND"


@cache
def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def backend_names() -> list[str]:
    """The names of all registered backends, whether or not their framework is installed."""
    return sorted(_entries())


@cache
def get_backend(name: str) -> Backend:
    """The backend registered under ``name``, imported on first use.

    >>> get_backend("numpy").name
    'numpy'

    Raises
    ------
    BackendError : no such name (the known ones are listed), or its framework cannot be imported.
    """
    if name not in _entries():
        raise BackendError(f"There is no backend {name!r}; registered: {', '.join(backend_names())}.")
    try:
        backend = _entries()[name].load()()
    except ImportError as error:
        raise BackendError(
            f"The backend {name!r} could not be imported ({error}). Install its framework, for example "
            f'with: pip install "groupscat[{name}]"'
        ) from error
    assert isinstance(backend, Backend)
    return backend


def backend_of(x: object) -> Backend:
    """The backend whose framework ``x`` is an array of.

    Only frameworks that are imported already are asked: an array of another one cannot exist.

    Raises
    ------
    DtypeError : ``x`` is not an array of any registered backend.
    """
    for name in ["numpy", *(n for n in _entries() if n != "numpy")]:
        if name in sys.modules:
            try:
                backend = get_backend(name)
            except BackendError:
                continue  # a broken plug-in must not stop the others
            if backend.owns(x):
                return backend
    raise DtypeError(
        f"Expected an array of one of the backends {', '.join(backend_names())}, got "
        f"{type(x).__module__}.{type(x).__qualname__}. Convert it first, for example with numpy.asarray(x)."
    )


#: Read once, at import: the backend where there is no array to follow (the command line).
DEFAULT_NAME = os.environ.get(ENVIRONMENT_VARIABLE) or "numpy"


def default_backend() -> Backend:
    """The backend used where there is no array to follow: ``GROUPSCAT_BACKEND``, else NumPy.

    Raises
    ------
    BackendError : the environment variable names no backend, or one that is not installed.
    """
    if DEFAULT_NAME not in _entries():
        raise BackendError(
            f"{ENVIRONMENT_VARIABLE}={DEFAULT_NAME!r} names no backend; registered: "
            f"{', '.join(backend_names())}. Unset it or choose one of these."
        )
    return get_backend(DEFAULT_NAME)
