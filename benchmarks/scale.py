"""Time per sample against the size and the batch, streams, and two processes: ``python -m benchmarks.scale``.

Scattering of one signal of 2^10 to 2^20 samples and of one image of 32² to 2048² at fixed scales, and of
batches of both, on NumPy, float32, one core. By the FFT the time grows like N log N, by windows
(``groupscat.stream``) like N, and the cost of a sample does not depend on the batch. The two processes are
those of a Dask cluster with a core and a thread each, which transform images that they make themselves.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks import expectations
from benchmarks.expectations import Expectation
from benchmarks.processes import COUNTS, WANTED, per_process
from benchmarks.report import facts, write_chapter
from benchmarks.scale_points import SAMPLES, SIDE, Point, points, series
from benchmarks.tables import seconds, table
from benchmarks.timing import Effort, Timing, limit_threads

TITLE = "Scale"
#: At most: the power of N log N by which time grows over the upper half of the sizes, and the cost of a
#: sample in the largest batch over that in the best.
POWER, FLAT = 1.1, 1.25
FIGURE = Path(__file__).parents[1] / "docs" / "_static" / "scale.svg"


def growth(found: Sequence[Point]) -> float:
    """The power p of time ∝ (N log N)^p that fits the upper half of the sizes best.

    >>> sizes = [1 << k for k in range(4, 12)]
    >>> growth([Point("", n, 1, Timing(n**2 * math.log2(n) ** 2, 0, 0, 1)) for n in sizes])
    2.0
    """
    upper = sorted(found, key=lambda p: p.samples)[len(found) // 2 :]
    work = [math.log(p.samples * math.log2(p.samples)) for p in upper]
    times = [math.log(p.time.median) for p in upper]
    return round(float(np.polyfit(work, times, 1)[0]), 6)


def flatness(found: Sequence[Point]) -> float:
    """The cost of a sample in the largest batch, over that in the best."""
    return max(found, key=lambda p: p.batch).cost / min(p.cost for p in found)


def expected(found: Sequence[Point], processes: dict[int, float] | str) -> list[Expectation]:
    """How time grows, by size and batch, and what a second process brings."""
    rows = []
    for name in ("signals", "images"):
        of = series(found, name)
        power = growth(of) if len(of) > 3 else None
        rows.append(Expectation(f"{name}: time as a power of N log N", POWER, power, "", at_most=True))
    for name in ("batches of signals", "batches of images"):
        of = series(found, name)
        flat = flatness(of) if of else None
        rows.append(Expectation(f"{name}: the largest over the best, per sample", FLAT, flat, at_most=True))
    if isinstance(processes, str):
        rows.append(Expectation("two processes", WANTED, None, reason=processes))
    else:
        one, two = (processes[count] for count in COUNTS)
        rows.append(Expectation("two processes", WANTED, one / two))
    return rows


def tables(found: Sequence[Point], processes: dict[int, float] | str) -> str:
    """All of them, in Markdown."""
    streams = {p.samples: p for p in series(found, "streams")}
    sizes = [
        [f"2^{p.samples.bit_length() - 1}", *_cells(p), nanoseconds(streams[p.samples])]
        for p in series(found, "signals")
    ]
    images = [[f"{math.isqrt(p.samples)}²", *_cells(p)] for p in series(found, "images")]
    parts = [
        table(["samples", "time [quartiles]", "per sample", "per sample, streamed"], sizes),
        table(["pixels", "time [quartiles]", "per pixel"], images),
    ]
    for name, what in (("batches of signals", f"{SAMPLES} samples"), ("batches of images", f"{SIDE}²")):
        rows = [[str(p.batch), *_cells(p)] for p in series(found, name)]
        parts.append(table([f"batch of {what}", "time [quartiles]", "per sample"], rows))
    if not isinstance(processes, str):
        first = processes[COUNTS[0]]
        rows = [[str(n), seconds(spent), f"{first / spent:.2f}×"] for n, spent in processes.items()]
        parts.append(table(["processes", "time", "faster"], rows))
    return "\n\n".join(parts)


def _cells(point: Point) -> list[str]:
    return [str(point.time), nanoseconds(point)]


def nanoseconds(point: Point) -> str:
    return f"{1e9 * point.cost:.0f} ns"


def draw(found: Sequence[Point], path: Path) -> None:
    """Nanoseconds of a sample against its size, with lines that grow like log N, and against the batch."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    by_size, by_batch = figure.subplots(1, 2)
    for name, mark in (("signals", "o"), ("streams", "^"), ("images", "s")):
        of = series(found, name)
        line = by_size.plot([p.samples for p in of], [1e9 * p.cost for p in of], mark + "-", label=name)[0]
        if name != "streams" and of:
            constant = of[-1].cost / math.log2(of[-1].samples)
            logarithm = [1e9 * constant * math.log2(p.samples) for p in of]
            by_size.plot([p.samples for p in of], logarithm, "--", color=line.get_color(), alpha=0.6)
    by_size.set(
        xscale="log", xlabel="samples N of one signal", ylabel="ns per sample", title="dashed: ∝ log N"
    )
    for name, mark in (("batches of signals", "o"), ("batches of images", "s")):
        of = series(found, name)
        by_batch.plot([p.batch for p in of], [1e9 * p.cost for p in of], mark + "-", label=name)
    by_batch.set(xscale="log", xlabel="signals in a batch", title=f"{SAMPLES} samples, {SIDE}² pixels each")
    by_batch.set_xscale("log", base=2)
    by_size.set_xscale("log", base=2)
    for axes in (by_size, by_batch):
        axes.set_ylim(bottom=0)
        axes.legend()
        axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "scale"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def parse(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--largest", type=int, default=20, help="log2 of the longest signal")
    parser.add_argument("--side", type=int, default=2048, help="side of the largest image")
    parser.add_argument("--budget", type=float, default=2, help="seconds for each size, and for the batches")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="draw it too (needs matplotlib)")
    parser.add_argument("--report", action="store_true", help="write the chapter, and the figure of the docs")
    parser.add_argument("--points", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(given)


def main() -> None:
    arguments = parse()
    if arguments.points:  # a process of its own, whose threads are one from the start
        limit_threads(1)
        effort = Effort(budget=arguments.budget, least=3, most=60)
        print(json.dumps([asdict(p) for p in points(arguments.largest, arguments.side, effort)]))
        return
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", "--points", *sys.argv[1:]],
        check=False,
        stdout=subprocess.PIPE,
    )
    if done.returncode:
        sys.exit(f"timing ended with status {done.returncode}")
    found = [Point(**{**kept, "time": Timing(**kept["time"])}) for kept in json.loads(done.stdout)]
    processes = per_process(COUNTS)
    command = "benchmarks.scale" + " --report" * arguments.report
    rows = expectations.render(expected(found, processes))
    text = f"{facts(command)}\n\n{rows}\n\n{tables(found, processes)}"
    if arguments.report:
        write_chapter(TITLE, text)
    figure = arguments.figure or (FIGURE if arguments.report else None)
    if figure:
        draw(found, figure)
    print(text)


if __name__ == "__main__":
    main()
