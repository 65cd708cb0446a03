"""What has been measured, kept in a file as it is found, so that an interrupted run goes on where it was."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.timing import Timing


def source() -> str:
    """A digest of the library as it is here: results of another source do not belong to the same run."""
    digest = hashlib.sha256()
    for package in ("groupscat", "groupscat_torch", "groupscat_native"):
        spec = importlib.util.find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            for file in sorted(Path(folder).rglob("*")):
                if file.suffix in (".py", ".c", ".h", ".so", ".pyd", ".dylib"):
                    digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


class Records:
    """Results by name, in a JSON file that holds all of them after every ``keep``.

    Parameters
    ----------
    path : the file, read if it exists; None: nothing is kept.

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name, "report.json")
    >>> Records(path).once("answer", lambda: 42)
    42
    >>> Records(path).once("answer", lambda: 0)
    42
    >>> folder.cleanup()
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.found: dict[str, Any] = {}
        self.read()

    def read(self) -> None:
        """What the file has by now: another process may have added to it."""
        if self.path is not None and self.path.exists():
            self.found = json.loads(self.path.read_text(encoding="utf-8"))

    @classmethod
    def begin(cls, path: Path, setting: dict[str, Any], resume: bool) -> Records:
        """Records of a run under a ``setting``, that of all results: machine, versions, effort.

        Without ``resume`` what the file has is dropped.

        Raises
        ------
        ValueError : what is to be resumed was measured under another setting.
        """
        if not resume:
            path.unlink(missing_ok=True)
        records = cls(path)
        was = records.found.get("setting", setting)
        for name in sorted({*setting, *was}):
            if setting.get(name) != was.get(name):
                raise ValueError(
                    f"cannot resume {path.name}: {name} is {setting.get(name)} and was {was.get(name)}. "
                    "Run without --resume."
                )
        records.keep("setting", setting)
        return records

    def keep(self, name: str, result: Any) -> None:
        """Add a result (of what JSON has) and write the file whole, so that it is never half a file."""
        self.found[name] = result
        if self.path is not None:
            partial = self.path.with_suffix(".part")
            partial.write_text(json.dumps(self.found, indent=1, ensure_ascii=False), encoding="utf-8")
            os.replace(partial, self.path)

    def once(self, name: str, measure: Callable[[], Any]) -> Any:
        """The result of that name, measured if it is not there; stderr says what is being measured."""
        if name not in self.found:
            print(f"{time.strftime('%H:%M:%S')} … {name}", file=sys.stderr, flush=True)
            self.keep(name, measure())
        return self.found[name]

    def timings(self, name: str, measure: Callable[[], dict[str, Timing]]) -> dict[str, Timing]:
        """``once``, of times."""
        kept = self.once(name, lambda: {key: asdict(t) for key, t in measure().items()})
        return {key: Timing(**t) for key, t in kept.items()}
