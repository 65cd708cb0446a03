"""Everything against its peers, in one report: ``python -m benchmarks [--quick] [--cases REGEX] …``.

Prints the chapter "Agreement and speed" of ``benchmarks/report.md`` and writes it there. All cases are timed
in one process, in turn with the peers; for each number of threads there is one such process, because thread
pools have their size from the start. Results are kept beside the report as they come, and after an
interruption ``--resume`` goes on. The exit status is 1 if coefficients disagree; a speed below what is wanted
is said in the report and is no failure.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import chapter
from benchmarks.collect import collect
from benchmarks.contestants import EVERY
from benchmarks.machine import machine
from benchmarks.records import Records, source
from benchmarks.report import REPORT, facts, write_chapter
from benchmarks.speed import default_cases, options
from benchmarks.timing import cores

TITLE = "Agreement and speed"


def parse(given: Sequence[str]) -> argparse.Namespace:
    """The options, checked."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options(parser)
    parser.add_argument(
        "--threads",
        type=int,
        nargs="+",
        metavar="N",
        help="numbers of cores and threads to time with (default: 1 2, with --quick 2)",
    )
    parser.add_argument("--data", help="folder that holds the golden files, or their folder golden/")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help=f"the report whose chapter is written (default: {REPORT.name}; none if cases are left out)",
    )
    parser.add_argument("--resume", action="store_true", help="measure only what an interrupted run lacks")
    parser.add_argument("--list", action="store_true", help="print the names of the cases and stop")
    arguments = parser.parse_args(given)
    most = min(2, cores())
    arguments.threads = arguments.threads or ([most] if arguments.quick else sorted({1, most}))
    for count in arguments.threads:
        if not 1 <= count <= cores():
            parser.error(
                f"--threads {count}: this process has {cores()} cores, so 1 to {cores()} are possible"
            )
    return arguments


def main(given: Sequence[str] | None = None) -> int:
    given = sys.argv[1:] if given is None else given
    arguments = parse(given)
    cases = arguments.cases or default_cases(arguments.quick)
    if arguments.list:
        print("\n".join(case.name for case in cases))
        return 0
    began = time.perf_counter()
    setting = {**machine(), "source": source(), "effort": "quick" if arguments.quick else "full"}
    kept = (arguments.output or REPORT).with_suffix(".records.json")
    try:
        records = Records.begin(kept, setting, arguments.resume)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    found, failures = collect(
        records,
        cases,
        arguments.threads,
        whole=arguments.cases is None,
        quick=arguments.quick,
        compiled=arguments.compile,
        data=arguments.data,
    )
    minutes = f"{(time.perf_counter() - began) / 60:.1f} min" + ", resumed" * arguments.resume
    command = shlex.join(["benchmarks", *_without_paths(given)])
    text = f"{facts(command, time=minutes)}\n\n{chapter.render(found)}"
    if arguments.output or len(cases) == len(EVERY):
        write_chapter(TITLE, text, arguments.output or REPORT)
    print(text)
    return int(failures > 0)


def _without_paths(given: Sequence[str]) -> list[str]:
    """A report names no path of the machine.

    >>> _without_paths(["--quick", "--output", "there/report.md", "--threads", "1"])
    ['--quick', '--threads', '1']
    """
    kept: list[str] = []
    skip = False
    for word in given:
        if not skip and not word.startswith(("--output", "--data", "--resume")):
            kept.append(word)
        skip = word in ("--output", "--data")
    return kept


if __name__ == "__main__":
    sys.exit(main())
