"""What ``python -m benchmarks`` measures, each piece once and kept."""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import groupscat
from benchmarks import agreement, speed, startup
from benchmarks.cases import Transform
from benchmarks.chapter import Found, Start
from benchmarks.contestants import NUMPY, OURS, PEER, reference
from benchmarks.measured import Measured
from benchmarks.memory import peak
from benchmarks.peers import kymatio
from benchmarks.records import Records
from benchmarks.timing import Timing

#: Repetitions of what the first result takes: (quick, full).
IMPORTS, RESULTS, OURS_BUILT = (3, 7), (2, 5), (5, 15)
#: The peer's filters of 224² and 512²; those take it seconds and half a minute.
PEER_BUILT = {224: (1, 3), 512: (0, 1)}


def collect(
    records: Records,
    cases: Sequence[Transform],
    threads: Sequence[int],
    *,
    whole: bool,
    quick: bool,
    compiled: str,
    data: str | None,
) -> tuple[Found, int]:
    """All that is asked for, and how many coefficients disagree. ``whole``: more than the cases alone."""
    failures, text = 0, ""
    if whole:
        text, failures = records.once("agreement", lambda: _agreement(data))
    measured: list[Measured] = []
    for count in threads:
        measured += times(records, cases, count, quick, compiled)
    memory = {case.name: memory_of(records, case) for case in cases}
    by_name = {case.name: case for case in cases}
    failures += sum(not m.agrees(by_name[m.case]) for m in measured)
    return Found(measured, memory, start(records, quick) if whole else None, text), failures


def times(
    records: Records, cases: Sequence[Transform], threads: int, quick: bool, compiled: str
) -> list[Measured]:
    """The cases at a number of threads, by a process of its own that adds to the records.

    Raises
    ------
    SystemExit : the process has failed; its messages are on stderr.
    """
    names = "|".join(re.escape(case.name) for case in cases)
    command = [sys.executable, "-m", "benchmarks.speed", "--threads", str(threads), "--cases", f"^({names})$"]
    command += ["--records", str(records.path)] + ["--quick"] * quick
    command += ["--compile", compiled] if compiled else []
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    if done.returncode not in (0, speed.DISAGREE):
        sys.exit(f"timing with --threads {threads} ended with status {done.returncode}; --resume goes on")
    records.read()
    return speed.measure(records, cases, threads, quick, compiled)


def memory_of(records: Records, case: Transform) -> dict[str, Any]:
    """By contestant, each in a process of its own."""
    return {
        who: records.once(f"memory: {case.name}, {who}", partial(peak, case.name, who))
        for who in (OURS, NUMPY, reference(case))
    }


def start(records: Records, quick: bool) -> Start:
    """Importing, the first result of the command line, and building operators."""
    imports = records.timings("imports", lambda: startup.imports(IMPORTS[not quick]))
    first = records.once("first result", lambda: _first_result(RESULTS[not quick]))
    built: dict[str, dict[str, dict[str, Timing]]] = {}
    for side, J in startup.SIZES:
        size = f"{side}² J={J}"
        for who, front in fronts().items():
            often = (PEER_BUILT[side] if who == PEER else OURS_BUILT)[not quick]
            if often:
                built.setdefault(size, {})[who] = records.timings(
                    f"building {size}, {who}",
                    partial(_built, front, often, who != NUMPY, side, J),
                )
    return Start(imports, built, None if first is None else Timing(**first))


def fronts() -> dict[str, Any]:
    """The modules whose operators are built, of those that can be had."""
    found: dict[str, Any] = {}
    if importlib.util.find_spec("torch") is not None:
        found[OURS] = importlib.import_module("groupscat.torch")
    found[NUMPY] = groupscat
    if kymatio():
        found[PEER] = kymatio().module
    return found


def _built(front: Any, often: int, torch_input: bool, side: int, J: int) -> dict[str, Timing]:
    with warnings.catch_warnings():  # Kymatio's
        warnings.simplefilter("ignore")
        return startup.construction(front, often, torch_input, side, J)


def _first_result(often: int) -> dict[str, Any] | None:
    found = startup.first_result(often)
    return None if found is None else asdict(found)


def _agreement(data: str | None) -> tuple[str, int]:
    rows = agreement.measure(data)
    return agreement.render(rows), sum(row.failures for row in rows)
