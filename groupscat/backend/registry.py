"""Which backend computes: found through entry points, chosen by the array it is given."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING

from groupscat.backend.base import Backend
from groupscat.errors import BackendError, DtypeError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "groupscat.backends"
ENVIRONMENT_VARIABLE = "GROUPSCAT_BACKEND"


@cache
def _entries() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points  # a tenth of the time of importing groupscat

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def backend_names() -> list[str]:
    """The names of all registered backends, whether or not their framework is installed."""
    return sorted(_entries())


def get_backend(name: str) -> Backend:
    """The backend registered under ``name``, imported on first use.

    >>> get_backend("numpy").name
    'numpy'

    Raises
    ------
    BackendError : no such name (the known ones are listed), or it cannot be imported (the original error
        is named).
    """
    found = _load(name)
    if isinstance(found, BackendError):
        raise BackendError(str(found)) from found.__cause__
    return found


@cache
def _load(name: str) -> Backend | BackendError:
    """The backend, or why there is none: a broken plug-in is tried once, not at every call."""
    if name not in _entries():
        return BackendError(f"There is no backend {name!r}; registered: {', '.join(backend_names())}.")
    try:
        backend = _entries()[name].load()()
    except Exception as error:  # a plug-in or its framework may raise anything
        wrong = BackendError(
            f"The backend {name!r} could not be imported ({type(error).__name__}: {error}). {_way_out(name)}"
        )
        wrong.__cause__ = error
        return wrong
    if not isinstance(backend, Backend):
        return BackendError(
            f"The backend {name!r} is registered as {type(backend).__qualname__}, which is no subclass of "
            f"groupscat.Backend. Correct its entry point in the group {GROUP}."
        )
    return backend


def _way_out(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        extras = metadata("groupscat").get_all("Provides-Extra") or []
    except PackageNotFoundError:  # run from its sources
        extras = []
    if name in extras:
        return f'Install or repair its framework, for example with: pip install "groupscat[{name}]"'
    return f"Install or repair its framework, or uninstall the package that registers {name!r}."


def backend_of(x: object) -> Backend:
    """The backend whose framework ``x`` is an array of.

    Only frameworks that are imported already are asked: an array of another one cannot exist.

    Raises
    ------
    DtypeError : ``x`` is not an array of any registered backend that works.
    """
    broken = []
    for name in ["numpy", *(n for n in _entries() if n != "numpy")]:
        if name in sys.modules:
            found = _load(name)
            if isinstance(found, BackendError):
                broken.append(str(found))  # a broken plug-in must not stop the others
            elif found.owns(x):
                return found
    message = (
        f"Expected an array of one of the backends {', '.join(backend_names())}, got "
        f"{type(x).__module__}.{type(x).__qualname__}. Convert it first, for example with numpy.asarray(x) "
        "(a masked array with x.filled(value), or its mask is lost; for Dask arrays see groupscat.dask)."
    )
    raise DtypeError("\n".join([message, *broken]))


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
