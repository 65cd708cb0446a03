"""The hidden folder in which an output is made, and what it remembers of the work done.

Every batch is written in this order: its rows, their way to the disk (fsync), then one line of the journal.
So the journal never promises what is not there, and what lies behind its last whole line is written anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any

from groupscat.data.lock import Lock
from groupscat.data.store import part_of

FORMAT = 1


@dataclass(frozen=True)
class Layout:
    """The features' array: shape of one row, element type, how many rows at most, rows per batch."""

    shape: tuple[int, ...]
    dtype: str
    rows: int
    batch: int


@dataclass(frozen=True)
class Entry:
    """A batch that is done: rows written up to it, its bad signals (position, reason), the writer's state."""

    rows: int
    bad: list[list[Any]]
    state: dict[str, Any]


class Part:
    """The folder ``.NAME.part`` beside the output NAME, locked while a run works in it.

    Files in it: ``run`` (the configuration and the layout), ``inputs`` (a line each), ``journal`` (a line a
    batch) and the output itself, in the making.
    """

    def __init__(self, output: Path) -> None:
        self.folder = part_of(output)
        self.entries: list[Entry] = []
        self.config: dict[str, Any] = {}
        self.layout: Layout | None = None
        self._lock = Lock(self.folder / "lock")
        self._journal: IO[bytes] | None = None

    def exists(self) -> bool:
        """Whether some run left a batch that is done, and not the whole: then the output has been moved."""
        try:
            begun = b"\n" in (self.folder / "journal").read_bytes()
        except OSError:
            return False
        return begun and any((self.folder / f"features{suffix}").exists() for suffix in (".npz", ".zarr"))

    def acquire(self) -> bool:
        """Lock the folder, made where missing; False: another process works in it."""
        self.folder.mkdir(exist_ok=True)
        return self._lock.acquire()

    def load(self) -> None:
        """What an interrupted run left: ``config``, ``layout``, ``entries``; nothing where it is no use."""
        if not self.exists():
            return
        try:
            run = json.loads((self.folder / "run").read_text(encoding="utf-8"))
            if run["format"] != FORMAT:
                return
            layout = Layout(**run["layout"] | {"shape": tuple(run["layout"]["shape"])})
            lines = (self.folder / "journal").read_bytes().splitlines(keepends=True)
        except (OSError, ValueError, KeyError, TypeError):
            return
        entries = []
        for line in lines:
            try:
                entry = Entry(**json.loads(line)) if line.endswith(b"\n") else None
            except (ValueError, TypeError):  # a line whose way to the disk was cut short
                entry = None
            if entry is None:
                break
            entries.append(entry)
        if entries:
            self.config, self.layout, self.entries = run["config"], layout, entries
            self._whole = sum(map(len, lines[: len(entries)]))

    def clear(self) -> None:
        """Empty the folder, but for the lock."""
        self.entries = []
        self._close()
        for path in self.folder.iterdir():
            if path.name != "lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def begin(self, config: dict[str, Any], inputs: Iterable[str], layout: Layout) -> None:
        """Write down what is going to be done. ``inputs``: a line each."""
        with open(self.folder / "inputs", "w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in inputs)
            _sync(file)
        with open(self.folder / "run", "w", encoding="utf-8") as file:
            json.dump({"format": FORMAT, "config": config, "layout": asdict(layout)}, file)
            _sync(file)
        self._journal = open(self.folder / "journal", "xb")  # noqa: SIM115 -- closed by release
        sync_folder(self.folder)
        self.config, self.layout = config, layout

    def reopen(self) -> None:
        """Go on with the journal behind its last whole line."""
        self._journal = open(self.folder / "journal", "r+b")  # noqa: SIM115 -- closed by release
        self._journal.truncate(self._whole)
        self._journal.seek(self._whole)

    def note(self, entry: Entry) -> None:
        """A batch is on the disk."""
        assert self._journal is not None
        self._journal.write(json.dumps(asdict(entry)).encode() + b"\n")
        _sync(self._journal)
        self.entries.append(entry)

    def differing_input(self, inputs: Iterable[str]) -> str | None:
        """The first input that is not what the interrupted run had, in words."""
        with open(self.folder / "inputs", encoding="utf-8") as file:
            for before, now in zip_longest((line.rstrip("\n") for line in file), inputs):
                if before != now:
                    return _difference(before, now)
        return None

    def release(self, remove: bool) -> None:
        """Let go of the folder."""
        self._close()
        if remove:
            with contextlib.suppress(OSError):
                self.clear()
        self._lock.release()
        if remove:
            # Never ignored files of others: rmdir takes an empty folder only.
            with contextlib.suppress(OSError):
                (self.folder / "lock").unlink(missing_ok=True)
                self.folder.rmdir()

    def _close(self) -> None:
        if self._journal is not None:
            with contextlib.suppress(OSError):
                self._journal.close()
            self._journal = None


def differing_keys(before: dict[str, Any], now: dict[str, Any], path: str = "") -> Iterator[str]:
    """Where two configurations differ, in words.

    >>> list(differing_keys({"J": 2, "inputs": {"colour": "grey"}}, {"J": 3, "inputs": {"colour": "grey"}}))
    ['J was 2 and is 3']
    """
    for key in sorted(before.keys() | now.keys()):
        a, b = before.get(key), now.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from differing_keys(a, b, f"{path}{key}.")
        elif a != b:
            yield f"{path}{key} was {json.dumps(a)} and is {json.dumps(b)}"


def _difference(before: str | None, now: str | None) -> str:
    if before is None or now is None:
        line = json.loads(before or now or "")
        return f"{line[2]} is {'new' if before is None else 'missing'}"
    a, b = json.loads(before), json.loads(now)
    if a[2] != b[2]:
        return f"{a[2]} was in the place of {b[2]}"
    return f"{b[2]} has changed (another size or modification time)"


def _sync(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk, where the system knows how."""
    with contextlib.suppress(OSError):  # Windows opens no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
