"""The training step of the hierarchical network: ``python -m benchmarks.networks [--quick] [--report]``.

Torch, float32, a batch of 10 images: forward, cross-entropy, backward, and SGD with Nesterov's momentum. The
library's networks beside two constructions of the same tables of layers in plain Torch, and beside the floor,
the convolutions of our 4-D network alone, forward and backward. Gradients are compared first; then all take
their steps in turn in one process.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.memory import ask
from benchmarks.network_cases import (
    BATCH,
    CONTESTANTS,
    DENSE,
    LOOP,
    RELEASED,
    SAME,
    SEPARABLE,
    convolutions_alone,
    parameter_gradients,
    step,
)
from benchmarks.report import facts, write_chapter
from benchmarks.tables import mebibytes, table
from benchmarks.timing import Effort, Timing, interleaved

FULL = Effort(budget=150, least=5, most=15)
QUICK = Effort(budget=3, least=2, most=3)
SIDES = (32, 16)
FLOOR = "its convolutions alone"
#: What is wanted: a step of these over one of our 4-D network.
WANTED = {RELEASED: 7.0, LOOP: 3.0}
#: Largest difference of a gradient in float64, over its largest value.
LIMIT = 1e-10
#: What operations of Torch are counted as, in the breakdown of our step; the first name that fits.
KINDS = {
    "convolution": "convolutions",
    "batch_norm": "batch norms and their statistics",
    "mse_loss": "batch norms and their statistics",
    "elu": "ELU",
    "index": "Toeplitz matrices from filters, and back",
    "where": "Toeplitz matrices from filters, and back",
    "copy": "copies from one order of axes to another",
    "sum": "sums and means",
}


@dataclass
class Measured:
    """One size of images: times by threads and contestant, memory, and where our step spends its time."""

    side: int
    error: float
    times: dict[int, dict[str, Timing]] = field(default_factory=dict)
    memory: dict[str, dict[str, int] | str] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)


def measure(side: int, threads: list[int], effort: Effort, memory: bool) -> Measured:
    """Compare, then time."""
    found = Measured(side, max(difference(a, b, side) for a, b in SAME))
    for count in threads:
        torch.set_num_threads(count)
        calls: dict[str, Callable[[], Any]] = {
            name: step(make(side), side) for name, make in CONTESTANTS.items()
        }
        calls[FLOOR] = convolutions_alone(side)
        found.times[count] = interleaved(calls, effort)
        if count == 1:
            found.shares = shares(calls[DENSE])
    if memory:
        found.memory = {name: ask("benchmarks.network_cases", str(side), name) for name in CONTESTANTS}
    return found


def difference(ours: str, theirs: str, side: int) -> float:
    """Largest difference of the classes and of all gradients, relative to the largest value of each."""
    found, wanted = (parameter_gradients(CONTESTANTS[name](side), side) for name in (ours, theirs))
    pairs = zip(found, wanted, strict=True)
    return max(float((a.reshape(b.shape) - b).abs().max() / b.abs().max()) for a, b in pairs)


def shares(call: Callable[[], Any]) -> dict[str, float]:
    """The share of every kind of operation in the time of a call, largest first."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        call()
    spent: dict[str, float] = {}
    for event in seen.key_averages():
        kind = next((kind for part, kind in KINDS.items() if part in event.key), "everything else")
        spent[kind] = spent.get(kind, 0.0) + event.self_cpu_time_total
    total = sum(spent.values())
    return {kind: t / total for kind, t in sorted(spent.items(), key=lambda pair: -pair[1])}


# ------------------------------------------------------------------------------------------- rendering


def render(cases: list[Measured]) -> str:
    """All tables, in Markdown."""
    every = [(m, count) for m in cases for count in m.times]
    header = [f"{m.side}², {count} thread{'s' * (count > 1)}" for m, count in every]
    names = [*CONTESTANTS, FLOOR]
    expected = [
        [
            f"{name} over {DENSE}",
            f"≥ {wanted:g}×",
            *(_verdict(m.times[count], name, wanted) for m, count in every),
        ]
        for name, wanted in WANTED.items()
    ]
    times = [[name, *(str(m.times[count][name]) for m, count in every)] for name in names]
    parts = [
        "## Expectations",
        table(["a training step", "wanted", *header], expected),
        "## Times",
        f"One step of {BATCH} images: median [quartiles]. {SEPARABLE}, and {RELEASED}, compute the same "
        f"network, and so do {DENSE}, and {LOOP}. The last row is the 11 convolutions of the first, forward "
        "and backward.",
        table(["", *header], times),
    ]
    if any(m.memory for m in cases):
        rows = [[name, *(_memory(m.memory[name]) for m in cases)] for name in CONTESTANTS]
        sizes = [f"{m.side}²" for m in cases]
        parts += [
            "## Memory",
            "Peak resident memory of a step beyond parameters and images:",
            table(["", *sizes], rows),
        ]
    kinds = list(dict.fromkeys(kind for m in cases for kind in m.shares))
    rows = [[kind, *(f"{m.shares.get(kind, 0.0):.0%}" for m in cases)] for kind in kinds]
    errors = ", ".join(
        f"{m.error:.1e} at {m.side}² ({'pass' if m.error <= LIMIT else 'FAIL'})" for m in cases
    )
    parts += [
        "## Where our step spends its time",
        f"{DENSE}, one thread, by Torch's profiler:",
        table(["", *(f"{m.side}²" for m in cases)], rows),
        "## Agreement",
        "Largest difference of the classes and of all gradients between those that compute the same network, "
        f"float64, over the largest value of each: {errors}; limit {LIMIT:.0e}.",
    ]
    return "\n\n".join(parts)


def _verdict(times: dict[str, Timing], name: str, wanted: float) -> str:
    ratio = times[name].median / times[DENSE].median
    return f"{ratio:.2f}× {'pass' if ratio >= wanted else f'short by {1 - ratio / wanted:.0%}'}"


def _memory(answer: dict[str, int] | str) -> str:
    return mebibytes(answer["extra"]) if isinstance(answer, dict) else answer


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.networks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--threads", type=int, nargs="+", help="counts to time with (default: 1 and all)")
    parser.add_argument("--quick", action="store_true", help="few repetitions: a look, not a result")
    parser.add_argument("--report", action="store_true", help="write the chapter into benchmarks/report.md")
    a = parser.parse_args()
    threads = a.threads or sorted({1, torch.get_num_threads()})
    began = _load()
    found = []
    for side in SIDES:
        print(f"… {side}²", file=sys.stderr, flush=True)
        found.append(measure(side, threads, QUICK if a.quick else FULL, not a.quick))
    command = "benchmarks.networks" + "".join([" --threads", *(f" {n}" for n in threads)]) * bool(a.threads)
    command += " --quick" * a.quick + " --report" * a.report
    load = {"load average before and after": f"{began}, {_load()}"} if began else {}
    text = f"{facts(command, seed='0', **load)}\n\n{render(found)}"
    print(text)
    if a.report:
        write_chapter("Hierarchical networks", text)
    return int(any(m.error > LIMIT for m in found))


def _load() -> str:
    """Of the last minute, where the system tells: others on the machine make all times longer."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""


if __name__ == "__main__":
    sys.exit(main())
