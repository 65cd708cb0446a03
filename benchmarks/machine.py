"""What the numbers were measured on and with; names no host and no path."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
from pathlib import Path

PACKAGES = ("groupscat", "numpy", "scipy", "torch", "kymatio")


def machine() -> dict[str, str]:
    """Processor, cores, memory, system and versions."""
    packages = ", ".join(
        f"{name} {importlib.metadata.version(name)}" if importlib.util.find_spec(name) else f"{name} absent"
        for name in PACKAGES
    )
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
