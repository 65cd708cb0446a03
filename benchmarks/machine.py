"""What the numbers were measured on and with; names no host and no path."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from pathlib import Path

PACKAGES = ("groupscat", "numpy", "scipy", "torch", "tensorflow", "jax", "cupy", "kymatio", "scikit-learn")


def machine() -> dict[str, str]:
    """Processor, cores, memory, system and versions."""
    packages = ", ".join(f"{name} {found}" for name in PACKAGES if (found := version(name)))
    return {
        "processor": _processor(),
        "cores used": str(
            len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        ),
        "memory": _memory(),
        "system": _system(),
        "Python": platform.python_version(),
        "packages": packages,
    }


def version(package: str) -> str | None:
    """The version of what can be imported under that name; distributions may be called otherwise."""
    names = importlib.metadata.packages_distributions().get(package, [package])
    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    return f"{found[1].strip() if found else platform.processor() or 'unknown'}, {platform.machine()}"


def _memory() -> str:
    try:
        return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
    except (AttributeError, ValueError, OSError):
        return "unknown"


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()
