"""``benchmarks/report.md``: one chapter per command, each replaced by its own command only."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from benchmarks.machine import machine

REPORT = Path(__file__).with_name("report.md")
#: Chapters in the order they are read in; others follow.
ORDER = (
    "Agreement and speed",
    "Backends",
    "n-d convolution",
    "Group layers",
    "Scattering on groups",
    "Hierarchical networks",
    "MNIST",
    "Rotated MNIST",
    "Spoken digits",
    "Spoken digits, time-frequency scattering",
    "CIFAR-10, scattering + linear",
    "CIFAR-10, scattering + MLP",
    "CIFAR-10, few images",
    "CIFAR-10, hierarchical CNN",
    "Throughput",
    "Scale",
)


def facts(command: str, **more: str) -> str:
    """When, on what and how the figures of a chapter were made."""
    known = {
        "date": datetime.date.today().isoformat(),
        **machine(),
        "command": f"`python -m {command}`",
        **more,
    }
    return "\n".join(f"- {name}: {value}" for name, value in known.items())


def write_chapter(title: str, body: str, path: Path = REPORT) -> None:
    """Put a chapter into the report in place of the one with this title.

    >>> import tempfile, pathlib
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "report.md")
    >>> for title, body in (("MNIST", "one"), ("Backends", "two"), ("MNIST", "three")):
    ...     write_chapter(title, body, path)
    >>> print(path.read_text())
    # Backends
    <BLANKLINE>
    two
    <BLANKLINE>
    # MNIST
    <BLANKLINE>
    three
    <BLANKLINE>
    >>> folder.cleanup()
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    parts = re.split(r"(?m)^# (.*)\n", text)[1:]
    chapters = dict(zip(parts[::2], parts[1::2], strict=True))
    chapters[title] = body
    rank = {name: k for k, name in enumerate(ORDER)}
    ordered = sorted(chapters, key=lambda name: rank.get(name, len(rank)))
    whole = "\n\n".join(f"# {name}\n\n{chapters[name].strip()}" for name in ordered)
    path.write_text(whole + "\n", encoding="utf-8")
