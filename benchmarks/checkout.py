"""A checkout used as it is, where nothing can be installed: its plug-ins are made known for this process.

Backends are found by entry points of an installed distribution. Where none is installed, one that names the
entry points of ``pyproject.toml`` is put on the path, also for processes that are started from here.
"""

from __future__ import annotations

import atexit
import importlib
import os
import shutil
import sys
import tempfile
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

ROOT = Path(__file__).parents[1]
GROUP = "groupscat.backends"


def known() -> bool:
    """Make the plug-ins of this checkout known unless they are; whether that was needed.

    >>> known() or "installed"
    'installed'
    """
    if entry_points(group=GROUP):
        return False
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    folder = Path(tempfile.mkdtemp(prefix="groupscat-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    described = folder / f"{project['name']}-{project['version']}.dist-info"
    described.mkdir()
    (described / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", encoding="utf-8"
    )
    entries = (f"{name} = {where}" for name, where in project["entry-points"][GROUP].items())
    (described / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *entries]) + "\n", encoding="utf-8")
    paths = [str(folder), str(ROOT), str(ROOT / "backends")]
    sys.path[:0] = paths
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])])
    importlib.invalidate_caches()
    return True
