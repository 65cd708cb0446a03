"""``groupscat info``."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import sys
from typing import Any

import numpy as np

import groupscat as gs
from groupscat.backend import registry
from groupscat.cli.common import OK
from groupscat.errors import DeviceError

OPTIONAL = {
    "pillow": "io",
    "tqdm": "io",
    "threadpoolctl": "io",
    "soundfile": "audio",
    "zarr": "zarr",
    "matplotlib": "plot",
    "scikit-learn": "sklearn",
    "skops": "sklearn",
    "pandas": "pandas",
}


def add(commands: Any) -> None:
    """The parser of the command."""
    info = commands.add_parser(
        "info", help="versions, backends and devices", description="Versions, backends and devices."
    )
    info.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    print(f"groupscat {gs.__version__}")
    print(f"  python {platform.python_version()} on {platform.platform()}")
    for package in ("numpy", "scipy"):
        print(f"  {package} {_version(package)}")
    print("backends")
    for name in gs.backend_names():
        print(f"  {name}: {_backend_state(name)}")
    origin = (
        f"set by {registry.ENVIRONMENT_VARIABLE}"
        if registry.ENVIRONMENT_VARIABLE in os.environ
        else "the default"
    )
    known = "" if registry.DEFAULT_NAME in gs.backend_names() else ", which names no backend"
    print(f"  used where none is named: {registry.DEFAULT_NAME} ({origin}{known})")
    print("optional packages")
    for package, extra in OPTIONAL.items():
        missing = f'not installed: pip install "groupscat[{extra}]"'
        print(f"  {package} {_version(package) or missing}")
    return OK


def _backend_state(name: str) -> str:
    """Version, devices and details of a backend, or what is wrong with it."""
    try:
        if importlib.util.find_spec(name) is None:
            return f'not installed: pip install "groupscat[{name}]"'
        backend = gs.get_backend(name)
        version = getattr(sys.modules.get(name), "__version__", "of unknown version")
        state = f"{version}, devices: {', '.join(backend.devices()) or _why_none(backend)}"
        return "; ".join([state, *backend.details.splitlines()[:1]])
    except Exception as error:  # a broken framework may raise anything, and this is where one looks for it
        return f"broken: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def _why_none(backend: gs.Backend) -> str:
    """Why a backend has no device, in its own words."""
    try:
        backend.put(np.zeros(1), "float32")
    except DeviceError as error:
        return f"none. {error}"
    return "unknown"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
