"""Times of every case at one number of threads: ``python -m benchmarks.speed [--threads N] [--quick]``.

Everything in one process, float32. Each case first checks that the coefficients, and the gradients of Σ y²
by x, are the peer's. Then ours on Torch, the peers and the bare Fourier transforms are called in turn,
forward and forward+backward; after them those on NumPy. ``python -m benchmarks`` does this for each number of
threads.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.cases import Transform
from benchmarks.contestants import (
    COMPILED,
    EVERY,
    FORWARD,
    MODES,
    NUMPY,
    ON_NUMPY,
    ON_TORCH,
    OURS,
    host,
    present,
    reference,
)
from benchmarks.measured import Measured
from benchmarks.records import Records
from benchmarks.times import render as times_of
from benchmarks.timing import Effort, Timing, cores, interleaved, limit_threads

#: For one case, called one way.
FULL = Effort(budget=4, least=3, most=60, slow=8)
QUICK = Effort(budget=1, least=2, most=15, slow=3)
#: Left out of a quick look, because the peer takes minutes.
HEAVY = "JTFS 1×65536"
#: Cases of which a compiled Kymatio is timed, if it is: each takes up to a minute of compiling.
TO_COMPILE = "2-D 64×32² J=2|1-D 16×8192"
#: The exit status when coefficients or gradients are not the peer's.
DISAGREE = 3


def measure_case(case: Transform, threads: int, effort: Effort, others: Iterable[str] = ()) -> list[Measured]:
    """Check one case against its peer and time it, each way of calling it.

    ``others``: contestants that take part only when they are asked for.
    """
    names = [name for name in (*ON_TORCH, *ON_NUMPY) if name != COMPILED or name in others]
    found, absent = present(names, case)
    results = []
    for mode in MODES:
        calls = {name: c.calls[mode] for name, c in found.items() if mode in c.calls}
        seen: dict[str, Any] = {}

        def look(name: str, result: Any, seen: dict[str, Any] = seen) -> None:
            seen[name] = host(result)

        # One group after the other: threads of SciPy and of Torch disturb each other where calls alternate.
        times: dict[str, Timing] = {}
        for group in (ON_TORCH, ON_NUMPY):
            members = {name: call for name, call in calls.items() if name in group}
            times |= interleaved(members, effort, look)
        compiling = {name: found[name].compiling for name in calls if found[name].compiling}
        errors = differences(case, seen, mode)
        results.append(Measured(case.name, threads, mode, times, errors, absent, compiling))
    return results


def differences(case: Transform, results: Mapping[str, Any], mode: str) -> dict[str, float]:
    """The error of ours against the peer's, of coefficients or of gradients; by contestant."""
    peer = results.get(reference(case))
    if peer is None:
        return {}
    ours = {name: results[name] for name in (OURS, NUMPY) if name in results}
    if mode == FORWARD:
        return {name: case.error(y, peer, _orders(case)) for name, y in ours.items()}
    return {name: float(abs(y - peer).max() / abs(peer).max()) for name, y in ours.items()}


def _orders(case: Transform) -> list[int]:
    import groupscat

    orders: list[int] = case.build(groupscat).paths.column("order")
    return orders


def chosen(pattern: str) -> list[Transform]:
    """The cases whose name matches.

    Raises
    ------
    argparse.ArgumentTypeError : none does; it names all.
    """
    found = [case for case in EVERY if re.search(pattern, case.name)]
    if not found:
        names = ", ".join(case.name for case in EVERY)
        raise argparse.ArgumentTypeError(f"{pattern!r} matches none of: {names}")
    return found


def default_cases(quick: bool) -> list[Transform]:
    """All, but for a quick look not those where a peer takes minutes."""
    return [case for case in EVERY if not (quick and re.search(HEAVY, case.name))]


def measure(
    records: Records, cases: Iterable[Transform], threads: int, quick: bool = False, compiled: str = ""
) -> list[Measured]:
    """All of the cases, timed where the records lack them.

    ``compiled``: a pattern of the cases in which a compiled Kymatio takes part; "": of none.
    """
    results = []
    effort = QUICK if quick else FULL
    for case in cases:
        others = [COMPILED] if compiled and re.search(compiled, case.name) else []

        def times(case: Transform = case, others: list[str] = others) -> list[dict[str, Any]]:
            return [m.kept() for m in measure_case(case, threads, effort, others)]

        kept = records.once(record_of(case, threads) + ", compiled" * bool(others), times)
        results += [Measured.read(m) for m in kept]
    return results


def record_of(case: Transform, threads: int) -> str:
    """The name of the times of a case in the records."""
    return f"times, {threads} thread{'s' * (threads > 1)}: {case.name}"


def options(parser: argparse.ArgumentParser) -> None:
    """What ``python -m benchmarks`` takes as well."""
    parser.add_argument("--quick", action="store_true", help="few repetitions: a look, not a result")
    parser.add_argument("--cases", type=chosen, metavar="REGEX", help="only those whose name matches")
    parser.add_argument(
        "--compile",
        nargs="?",
        const=TO_COMPILE,
        default="",
        metavar="REGEX",
        help=f"time a compiled Kymatio too, forward, in these cases (default of REGEX: {TO_COMPILE})",
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options(parser)
    parser.add_argument(
        "--threads", type=int, default=cores(), help="cores and threads to use (default: all)"
    )
    parser.add_argument("--records", type=Path, metavar="FILE", help="keep results here; what it has stays")
    arguments = parser.parse_args()
    limit_threads(arguments.threads)
    records = Records(arguments.records)
    cases = arguments.cases or default_cases(arguments.quick)
    found = measure(records, cases, arguments.threads, arguments.quick, arguments.compile)
    print(times_of(found))
    by_name = {case.name: case for case in cases}
    return 0 if all(m.agrees(by_name[m.case]) for m in found) else DISAGREE


if __name__ == "__main__":
    sys.exit(main())
