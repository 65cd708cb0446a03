"""Kymatio's main branch, from a checkout, beside a release that may be installed.

It has joint time-frequency scattering and the right 1-D coefficients, but is not on PyPI: the environment
variable ``GROUPSCAT_KYMATIO_MAIN`` names the folder that holds its package ``kymatio``.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
import warnings
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from benchmarks.peers import Peer

VARIABLE = "GROUPSCAT_KYMATIO_MAIN"
#: The name under which the package is loaded: relative imports then never meet those of a release.
PACKAGE = "kymatio_main"
#: What tells the main branch from a release.
JOINT = Path("kymatio", "scattering1d", "core", "timefrequency_scattering.py")
LABELS = {"torch": "Torch", "numpy": "NumPy"}


@cache
def kymatio_main(front: Literal["torch", "numpy"] = "torch") -> Peer:
    """Its ``Scattering1D`` and ``TimeFrequencyScattering`` for a framework, or why they cannot be had."""
    name = f"Kymatio main ({LABELS[front]})"
    given = os.environ.get(VARIABLE)
    if not given:
        return Peer(name, None, f"absent: {VARIABLE} names no checkout; it is not on PyPI")
    folder = Path(given).expanduser()
    if not (folder / JOINT).is_file():
        return Peer(
            name, None, f"absent: {VARIABLE}={given} has no {JOINT.as_posix()}; give the root of a checkout"
        )
    if importlib.util.find_spec(front) is None:
        return Peer(name, None, f"absent: it is compared on {LABELS[front]}, which is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = _load(folder)
        module = _front(front)
    known = [str(getattr(package, "__version__", "")), _commit(folder), LABELS[front]]
    return Peer(f"Kymatio main ({', '.join(filter(None, known))})", module)


def _load(folder: Path) -> ModuleType:
    """The package under its own name; nothing is looked up in, or added to, ``sys.path``."""
    if PACKAGE in sys.modules:
        return sys.modules[PACKAGE]
    root = folder / "kymatio"
    spec = importlib.util.spec_from_file_location(
        PACKAGE, root / "__init__.py", submodule_search_locations=[str(root)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    try:
        spec.loader.exec_module(package)
    except BaseException:
        del sys.modules[PACKAGE]
        raise
    return package


def _front(framework: str) -> ModuleType:
    """Its 1-D classes. Each is given its backend, which by name would be looked up in a release."""
    part = f"{PACKAGE}.scattering1d"
    classes = importlib.import_module(f"{part}.frontend.{framework}_frontend")
    backend = importlib.import_module(f"{part}.backend.{framework}_backend").backend
    suffix = LABELS[framework]
    module = ModuleType(f"{PACKAGE}.{framework}")
    made: dict[str, Any] = {
        "Scattering1D": partial(getattr(classes, f"Scattering{suffix}1D"), backend=backend),
        "TimeFrequencyScattering": partial(
            getattr(classes, f"TimeFrequencyScattering{suffix}"), backend=backend
        ),
    }
    vars(module).update(made)
    return module


def _commit(folder: Path) -> str:
    """The commit of a checkout, "" where Git does not know it."""
    if not (folder / ".git").exists():
        return ""
    try:
        found = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "--short", "HEAD"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip()
