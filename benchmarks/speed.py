"""Speed against Kymatio: ``python -m benchmarks.speed [--threads N] [--quick] [--cases REGEX]``.

Everything in one process, float32, without gradients. Each case first checks that the coefficients
are Kymatio's; then ours on Torch, Kymatio, ours on NumPy and the bare Fourier transforms are called in
turn. Medians with quartiles.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import groupscat
from benchmarks.cases import AGREEMENT, CASES, Case
from benchmarks.floor import fft_floor
from benchmarks.memory import WHO, peak
from benchmarks.peers import CHANGES, kymatio
from benchmarks.startup import construction, imports
from benchmarks.tables import mebibytes, table
from benchmarks.timing import FULL, QUICK, Timing, interleaved, limit_threads

OURS, PEER, NUMPY, FLOOR = "groupscat Torch", "Kymatio Torch", "groupscat NumPy", "FFT only"


@dataclass
class Measured:
    """One case: times by contestant, largest differences from the peer, memory of one call."""

    case: Case
    times: dict[str, Timing]
    errors: dict[str, float]
    memory: dict[str, dict[str, int] | str] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        return all(e <= AGREEMENT[self.case.kind] for e in self.errors.values())

    def ratio(self, slow: str, fast: str) -> float | None:
        """How many times longer ``slow`` takes than ``fast``."""
        if slow in self.times and fast in self.times:
            return self.times[slow].median / self.times[fast].median
        return None

    def memory_ratio(self) -> float | None:
        """Kymatio's extra memory over ours."""
        ours, peer = self.memory.get("torch"), self.memory.get("peer")
        return peer["extra"] / ours["extra"] if isinstance(ours, dict) and isinstance(peer, dict) else None


@dataclass
class Speed:
    """All that a run measures."""

    cases: list[Measured]
    imports: dict[str, Timing] = field(default_factory=dict)
    construction: dict[str, dict[str, Timing]] = field(default_factory=dict)

    def construction_ratio(self) -> float | None:
        """Kymatio's time to be ready over ours on Torch."""
        if OURS in self.construction and PEER in self.construction:
            return self.construction[PEER]["ready"].median / self.construction[OURS]["ready"].median
        return None


def torch_front() -> Any | None:
    """``groupscat.torch``, or None where it cannot be imported."""
    if importlib.util.find_spec("torch") is None:
        return None
    try:
        return importlib.import_module("groupscat.torch")
    except ImportError:
        return None


def measure_case(case: Case, effort: Any) -> Measured:
    """Check one case against the peer and time it."""
    x = case.input()
    S = case.build(groupscat)
    orders = S.paths.column("order")
    calls: dict[str, Callable[[], Any]] = {}
    front, peer = torch_front(), kymatio()
    if front is not None:
        import torch

        xt = torch.from_numpy(x)
        calls[OURS] = _bound(case.build(front), xt)
        if peer:
            calls[PEER] = _bound(case.build(peer.module), xt)
    alone = {NUMPY: _bound(S, x)}
    errors = {}
    if PEER in calls:
        expected = calls[PEER]()
        errors = {
            name: case.error(call(), expected, orders)
            for name, call in (calls | alone).items()
            if name != PEER
        }
    if front is not None:
        calls[FLOOR] = fft_floor(S.plan, case.batch)
    # The threads of SciPy and of Torch disturb each other where their calls alternate, so NumPy has its turn
    # after the others.
    return Measured(case, interleaved(calls, effort) | interleaved(alone, effort), errors)


def _bound(function: Callable[[Any], Any], x: Any) -> Callable[[], Any]:
    return lambda: function(x)


def measure(pattern: str = "", quick: bool = False, memory: bool = True) -> Speed:
    """Time the cases whose name matches; without a pattern also importing and construction."""
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_grad_enabled(False)
    found = []
    for case in CASES:
        if re.search(pattern, case.name):
            print(f"… {case.name}", file=sys.stderr, flush=True)
            measured = measure_case(case, QUICK if quick else FULL)
            if memory:
                measured.memory = {who: peak(case, who) for who in WHO}
            found.append(measured)
    result = Speed(found)
    if not pattern:
        print("… importing and construction", file=sys.stderr, flush=True)
        result.imports = imports(3 if quick else 7)
        front, peer = torch_front(), kymatio()
        if front is not None:
            result.construction[OURS] = construction(front, 5 if quick else 15, torch_input=True)
        result.construction[NUMPY] = construction(groupscat, 5 if quick else 15, torch_input=False)
        if peer:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result.construction[PEER] = construction(peer.module, 1 if quick else 3, torch_input=True)
    return result


# ------------------------------------------------------------------------------------------- rendering


def render(speed: Speed) -> str:
    """All tables, in Markdown."""
    parts = [_times(speed.cases), _ratios(speed.cases)]
    if any(m.memory for m in speed.cases):
        parts.append(_memory(speed.cases))
    if speed.construction:
        rows = [[who, str(t["ready"]), str(t["first call"])] for who, t in speed.construction.items()]
        parts.append(
            "Building Scattering2D(J=3, shape=(224, 224)): time until all constants are there, and until "
            "the first image is through (included).\n\n" + table(["", "ready", "first result"], rows)
        )
    if speed.imports:
        parts.append(
            "Importing in a fresh interpreter, less the start of Python:\n\n"
            + table(["", "time"], [[name, str(t)] for name, t in speed.imports.items()])
        )
    peer = kymatio()
    notes = CHANGES if peer else (f"{peer.name}: {peer.reason}",)
    parts.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts)


def _times(cases: list[Measured]) -> str:
    names = [n for n in (OURS, PEER, NUMPY, FLOOR) if any(n in m.times for m in cases)]
    rows = [[m.case.name, *(str(m.times.get(n, "absent")) for n in names)] for m in cases]
    return "Time of one call, median [quartiles]:\n\n" + table(["case", *names], rows)


def _ratios(cases: list[Measured]) -> str:
    rows = [
        [
            m.case.name,
            _times_as_fast(m.ratio(PEER, OURS)),
            _times_as_fast(m.ratio(PEER, NUMPY)),
            _times_as_fast(m.ratio(OURS, FLOOR)),
            _error(m, OURS),
            _error(m, NUMPY),
        ]
        for m in cases
    ]
    header = ["case", "Torch vs peer", "NumPy vs peer", "Torch vs FFT only", "error Torch", "error NumPy"]
    return (
        "Kymatio's time over ours (larger is better), ours over the bare Fourier transforms (1 is the least "
        "possible), and the largest difference from Kymatio relative to the largest coefficient:\n\n"
        + table(header, rows)
    )


def _times_as_fast(ratio: float | None) -> str:
    return "absent" if ratio is None else f"{ratio:.2f}×"


def _error(m: Measured, name: str) -> str:
    if name not in m.errors:
        return "absent"
    verdict = "pass" if m.errors[name] <= AGREEMENT[m.case.kind] else "FAIL"
    return f"{m.errors[name]:.1e} {verdict}"


def _memory(cases: list[Measured]) -> str:
    def cell(answer: dict[str, int] | str | None, key: str) -> str:
        return mebibytes(answer[key]) if isinstance(answer, dict) else answer or "absent"

    rows = [
        [
            m.case.name,
            *(cell(m.memory.get(who), "extra") for who in WHO),
            cell(m.memory.get("torch"), "result"),
            *(cell(m.memory.get(who), "constants") for who in ("torch", "peer")),
        ]
        for m in cases
    ]
    header = ["case", OURS, NUMPY, PEER, "of it the result", "constants, ours", "constants, peer"]
    return "Peak resident memory of one call beyond the operator and its input:\n\n" + table(header, rows)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--threads", type=int, help="cores and threads to use (default: all)")
    parser.add_argument("--quick", action="store_true", help="few repetitions: a look, not a result")
    parser.add_argument("--cases", default="", metavar="REGEX", help="only cases whose name matches")
    arguments = parser.parse_args()
    limit_threads(arguments.threads)
    result = measure(arguments.cases, arguments.quick)
    if not (result.cases or result.imports):
        parser.error(f"--cases {arguments.cases!r} matches none of: {', '.join(c.name for c in CASES)}")
    print(render(result))
    return int(not all(m.agrees for m in result.cases))


if __name__ == "__main__":
    sys.exit(main())
