"""n-d convolution against public packages: ``python -m benchmarks.convolution [--threads N] [--report]``.

Torch, float32, zeros around, forward with the gradients of input and taps, and forward alone:
groupscat.convnd with the strategy it chooses and with every other, textbook methods, and the public packages.
Each result is compared first; then all are called in turn in one process.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch

from benchmarks.convolution_cases import (
    AUTOMATIC,
    CASES,
    CONTESTANTS,
    FORCED,
    PACKAGES,
    Case,
    Prepared,
    both_ways,
    tap_loop,
)
from benchmarks.machine import version
from benchmarks.memory import ask
from benchmarks.report import facts, write_chapter
from benchmarks.tables import mebibytes, table
from benchmarks.timing import Effort, Timing, interleaved, limit_threads
from groupscat.plan.strategy import STRATEGIES

FULL = Effort(budget=30, least=7, most=40)
QUICK = Effort(budget=3, least=2, most=5)
#: Largest difference from the loop over taps, relative to the largest value.
LIMITS = {torch.float64: 1e-12, torch.float32: 1e-5}
#: What is wanted: the chosen strategy's time over the best one's, and the best package's over ours.
WITHIN, FASTER = 1.10, 3.0
#: Well-known implementations that are measured under another name, or not at all, and why.
ABSENT = (
    "pvjosue/pytorch_convNd is a repository, measured as the package convnd that copies it.",
    "timothygebhard/pytorch-conv4d and its successors are files in repositories without a package; their "
    "algorithm, a conv3d per tap and slice of the first axis, is convnd's in four dimensions.",
    "torch4d has pooling only, unfoldNd stops at three dimensions.",
)


@dataclass
class Measured:
    """One case: times by direction, why some have none, errors and memory, each by contestant."""

    case: Case
    forward: dict[str, Timing] = field(default_factory=dict)
    both: dict[str, Timing] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    errors: dict[torch.dtype, dict[str, float]] = field(default_factory=dict)
    memory: dict[str, dict[str, int] | str] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        return all(e <= LIMITS[d] for d, errors in self.errors.items() for e in errors.values())

    def over_best(self) -> tuple[float, str]:
        """Time of the chosen strategy over that of the best one, and the name of the best."""
        forced = {s: self.both[FORCED.format(s)].median for s in STRATEGIES if FORCED.format(s) in self.both}
        best = min(forced, key=forced.__getitem__)
        return forced[self.case.chosen] / forced[best], best

    def over_ours(self) -> tuple[float, str] | None:
        """Time of the best package over ours, and its name."""
        packages = {n: t.median for n, t in self.both.items() if n in PACKAGES}
        if not packages:
            return None
        best = min(packages, key=packages.__getitem__)
        return packages[best] / self.both[AUTOMATIC].median, best


def measure(case: Case, effort: Effort, memory: bool) -> Measured:
    """Compare, then time."""
    found = Measured(case)
    found.errors[torch.float64] = _compare(
        case, torch.float64, [n for n in CONTESTANTS if n.startswith(AUTOMATIC)], found.reasons
    )
    able = list(found.errors[torch.float64])
    others = [n for n in CONTESTANTS if not n.startswith(AUTOMATIC)]
    found.errors[torch.float32] = _compare(case, torch.float32, able + others, found.reasons)
    x, w = case.inputs()
    calls = {n: CONTESTANTS[n](case, w) for n in found.errors[torch.float32]}
    found.both = interleaved({n: both_ways(call, x) for n, call in calls.items()}, effort)
    with torch.no_grad():
        found.forward = interleaved({n: partial(call[0], x) for n, call in calls.items()}, effort)
    if memory:
        found.memory = {n: ask("benchmarks.convolution_cases", case.name, n) for n in calls}
    return found


def _compare(case: Case, dtype: torch.dtype, names: list[str], reasons: dict[str, str]) -> dict[str, float]:
    """Largest difference of y and ∂⟨y, g⟩/∂x from those of a loop over taps in float64."""
    x, w = case.inputs(torch.float64)
    expected = _value_and_gradient(tap_loop(case, w), x)
    x, w = case.inputs(dtype)
    errors = {}
    for name in names:
        try:
            got = _value_and_gradient(CONTESTANTS[name](case, w), x)
        except ValueError as error:  # groupscat's errors for what a strategy does not do
            reasons[name] = str(error)
            continue
        errors[name] = max(
            float((a - b).abs().max() / b.abs().max()) for a, b in zip(got, expected, strict=True)
        )
    return errors


def _value_and_gradient(call: Prepared, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    y = call[0](x)
    g = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).reshape(y.shape).to(y.dtype)
    return y.detach(), torch.autograd.grad(y, x, g)[0]


# ------------------------------------------------------------------------------------------- rendering


def render(cases: list[Measured]) -> str:
    """All tables, in Markdown."""
    parts = [
        _sizes([m.case for m in cases]),
        "## Expectations",
        _expectations(cases),
        "## Times",
        "Forward and backward: median [quartiles], and over the least of the column.",
        _times(cases, lambda m: m.both),
        "Forward alone:",
        _times(cases, lambda m: m.forward),
    ]
    if any(m.memory for m in cases):
        about = "Peak resident memory of forward and backward beyond the inputs:"
        parts += ["## Memory", about, _memory(cases)]
    parts += [
        "## Agreement",
        "Largest difference from a loop over taps in float64, of the result and of the gradient of the "
        "input, over the largest value:",
        _errors(cases),
        "## Notes",
    ]
    missing = [f"{name}: not installed" for name in PACKAGES if importlib.util.find_spec(name) is None]
    present = [f"{name} {version(name)}" for name in PACKAGES if importlib.util.find_spec(name)]
    reasons = {f"{name}: {reason}" for m in cases for name, reason in m.reasons.items()}
    notes = [f"Packages: {', '.join(present)}."] if present else []
    parts.append("\n".join(f"- {note}" for note in (*notes, *missing, *sorted(reasons), *ABSENT)))
    return "\n\n".join(parts)


def _sizes(cases: list[Case]) -> str:
    rows = [
        [
            case.name,
            str(case.batch),
            " → ".join(map(str, case.channels)),
            "×".join(map(str, case.sizes)),
            "×".join(map(str, case.taps)),
            "×".join(map(str, case.strides)),
            f"{case.gigaflops:.2f}",
            case.chosen,
        ]
        for case in cases
    ]
    return table(["case", "batch", "channels", "axes", "taps", "strides", "Gflop forward", "chosen"], rows)


def _expectations(cases: list[Measured]) -> str:
    rows = []
    for m in cases:
        ratio, best = m.over_best()
        verdict = "pass" if ratio <= WITHIN else f"short by {ratio / WITHIN - 1:.0%}"
        rows.append(
            [
                m.case.name,
                f"{m.case.chosen} (chosen) over {best}",
                f"≤ {WITHIN:.2f}×",
                f"{ratio:.2f}×",
                verdict,
            ]
        )
        peer = m.over_ours()
        if peer:
            ratio, best = peer
            verdict = "pass" if ratio >= FASTER else f"short by {1 - ratio / FASTER:.0%}"
            rows.append([m.case.name, f"{best} over ours", f"≥ {FASTER:g}×", f"{ratio:.2f}×", verdict])
    return table(["case", "forward and backward", "wanted", "measured", "verdict"], rows)


def _by_contestant(cases: list[Measured], cell: Callable[[Measured, str], str]) -> str:
    rows = [[name, *(cell(m, name) for m in cases)] for name in CONTESTANTS]
    return table(["", *(m.case.name for m in cases)], rows)


def _times(cases: list[Measured], which: Callable[[Measured], dict[str, Timing]]) -> str:
    def cell(m: Measured, name: str) -> str:
        times = which(m)
        if name not in times:
            return "not for this case"
        return f"{times[name]} {times[name].median / min(t.median for t in times.values()):.2f}×"

    return _by_contestant(cases, cell)


def _memory(cases: list[Measured]) -> str:
    def cell(m: Measured, name: str) -> str:
        answer = m.memory.get(name, "not for this case")
        return mebibytes(answer["extra"]) if isinstance(answer, dict) else answer

    return _by_contestant(cases, cell)


def _errors(cases: list[Measured]) -> str:
    def cell(m: Measured, name: str) -> str:
        found = [
            f"{errors[name]:.1e} {'pass' if errors[name] <= LIMITS[dtype] else 'FAIL'}"
            for dtype, errors in m.errors.items()
            if name in errors
        ]
        return " / ".join(found) or "not for this case"

    limits = " / ".join(f"{limit:.0e}" for limit in LIMITS.values())
    return f"{_by_contestant(cases, cell)}\n\nOurs in float64 / float32, others in float32; limits {limits}."


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.convolution",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--threads", type=int, help="cores and threads to use (default: all)")
    parser.add_argument("--quick", action="store_true", help="few repetitions: a look, not a result")
    parser.add_argument("--report", action="store_true", help="write the chapter into benchmarks/report.md")
    a = parser.parse_args()
    limit_threads(a.threads)
    found = []
    for case in CASES:
        print(f"… {case.name}", file=sys.stderr, flush=True)
        found.append(measure(case, QUICK if a.quick else FULL, not a.quick))
    command = "benchmarks.convolution" + (f" --threads {a.threads}" if a.threads else "")
    command += " --quick" * a.quick + " --report" * a.report
    text = f"{facts(command, seed='0')}\n\n{render(found)}"
    print(text)
    if a.report:
        write_chapter("n-d convolution", text)
    return int(not all(m.agrees for m in found))


if __name__ == "__main__":
    sys.exit(main())
