"""Agreement and speed in one report: ``python -m benchmarks [--quick] [--threads N] [--data DIR]``.

Prints its chapter of ``benchmarks/report.md`` and writes it there. The exit status is 1 if coefficients
disagree; a speed below its expectation is said in the report and is no failure.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks import agreement, speed
from benchmarks.cases import EXPECTED
from benchmarks.peers import kymatio
from benchmarks.report import facts, write_chapter
from benchmarks.speed import OURS, PEER, Speed
from benchmarks.tables import table
from benchmarks.timing import limit_threads

#: How many times faster than Kymatio the filters of 224² images should be built.
EXPECTED_CONSTRUCTION = 50.0


def expectations(measured: Speed) -> str:
    """Each expectation beside what was measured, and by how much it is met or missed."""
    rows = []
    for m in measured.cases:
        rows.append(_verdict(f"{m.case.name}: time", m.ratio(PEER, OURS), EXPECTED[m.case.kind]))
    for m in measured.cases:
        rows.append(_verdict(f"{m.case.name}: memory of a call", m.memory_ratio(), 1.0))
    if measured.construction:
        rows.append(_verdict("building 224² J=3: time", measured.construction_ratio(), EXPECTED_CONSTRUCTION))
    return table(["Kymatio's over ours, Torch, float32", "expected", "measured", "verdict"], rows)


def _verdict(name: str, ratio: float | None, wanted: float) -> list[str]:
    if ratio is None:
        return [name, f"≥ {wanted:g}×", "absent", f"not measured: {kymatio().reason or 'no Torch'}"]
    verdict = f"pass by {ratio / wanted:.2f}" if ratio >= wanted else f"short by {1 - ratio / wanted:.0%}"
    return [name, f"≥ {wanted:g}×", f"{ratio:.2f}×", verdict]


def report(rows: list[agreement.Row], measured: Speed, command: str) -> str:
    """The chapter in Markdown."""
    return "\n\n".join(
        [
            facts(command),
            "## Expectations",
            expectations(measured),
            "## Agreement",
            agreement.render(rows),
            "## Speed",
            speed.render(measured),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="few repetitions: a look, not a result")
    parser.add_argument("--threads", type=int, help="cores and threads to use (default: all)")
    parser.add_argument("--data", help="folder that holds the golden files, or their folder golden/")
    arguments = parser.parse_args()
    limit_threads(arguments.threads)
    rows = agreement.measure(arguments.data)
    print(agreement.render(rows), file=sys.stderr, flush=True)
    measured = speed.measure(quick=arguments.quick)
    command = "benchmarks" + " --quick" * arguments.quick
    if arguments.threads:
        command += f" --threads {arguments.threads}"
    text = report(rows, measured, command)
    write_chapter("Agreement and speed", text)
    print(text)
    return int(any(row.failures for row in rows) or not all(m.agrees for m in measured.cases))


if __name__ == "__main__":
    sys.exit(main())
