"""Layers on SE(2, 8) beside a plain one: ``python -m benchmarks.layers [--threads N] [--escnn] [--report]``.

Torch, float32. A group convolution of C channels at 8 orientations beside a conv2d of 8C channels with as
many taps, which does the same multiplications, and beside escnn's layer of C regular fields. All are called
in turn in one process; then the time to build each.

escnn 1.0.11 depends on py3nj, which needs a Fortran compiler, and on lie_learn 0.0.2, whose wheel is made for
NumPy 1. With NumPy 2: ``pip install --no-deps escnn lie_learn py3nj pymanopt autograd joblib``; write int64_t
for int_t in lie_learn's pinchon_hoggan.pyx; ``cythonize -i -f`` its four .pyx files with Cython 3.1,
irrep_bases.pyx with -3 and the others with -2.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

import groupscat.torch as gs
from benchmarks.machine import version
from benchmarks.report import facts, write_chapter
from benchmarks.tables import seconds, table
from benchmarks.timing import FULL, QUICK, Effort, Timing, interleaved, limit_threads, summary
from groupscat.groups import SE2
from groupscat.wavelets import GaussianRings

ORIENTATIONS, TAPS = 8, 5
PLAIN, OURS, SEPARABLE, ESCNN = "conv2d", "groupscat", "groupscat, separable", "escnn"
#: What is wanted: the group layer's time over the plain one's, and the seconds to build it.
WANTED, READY = 1.15, 0.01
#: Constructions that are timed after the first.
AGAIN = 10


@dataclass(frozen=True)
class Case:
    """C channels at every orientation, on square images."""

    batch: int
    channels: int
    side: int

    @property
    def name(self) -> str:
        return f"{self.batch} × {self.channels}·{ORIENTATIONS} channels, {self.side}²"


CASES = (Case(32, 8, 28), Case(16, 16, 28), Case(4, 8, 64), Case(8, 32, 14))


def plain(channels: int) -> nn.Module:
    wide = channels * ORIENTATIONS
    return nn.Conv2d(wide, wide, TAPS, padding=TAPS // 2)


def ours(channels: int, separable: bool = False) -> nn.Module:
    rings = GaussianRings(TAPS)
    return gs.GroupConv(
        SE2(ORIENTATIONS), channels, channels, basis=rings, separable=separable, approximate=True
    )


def escnn(channels: int) -> nn.Module:
    """escnn's layer; its own basis at its default band limit."""
    from escnn import gspaces
    from escnn.nn import FieldType, R2Conv

    space = gspaces.rot2dOnR2(ORIENTATIONS)
    fields = FieldType(space, channels * [space.regular_repr])
    return R2Conv(fields, fields, TAPS, padding=TAPS // 2)


def builders(with_escnn: bool) -> dict[str, Callable[[int], nn.Module]]:
    found = {PLAIN: plain, OURS: ours, SEPARABLE: lambda channels: ours(channels, separable=True)}
    if with_escnn:
        importlib.import_module("escnn.nn")  # which takes seconds, and is no part of a construction
        found[ESCNN] = escnn
    return found


def forward(name: str, layer: Any, case: Case) -> tuple[Callable[[], Any], torch.Tensor]:
    """The layer on a random x, and x."""
    wide = (case.channels * ORIENTATIONS,) if name in (PLAIN, ESCNN) else (case.channels, ORIENTATIONS)
    x = torch.randn(case.batch, *wide, case.side, case.side, requires_grad=True)
    if name == ESCNN:
        from escnn.nn import GeometricTensor

        return lambda: layer(GeometricTensor(x, layer.in_type)).tensor, x
    return lambda: layer(x), x


def step(name: str, layer: Any, case: Case) -> Callable[[], Any]:
    """Forward and the gradients of input and parameters."""
    call, x = forward(name, layer, case)
    with torch.no_grad():
        g = torch.randn_like(call())
    leaves = [x, *layer.parameters()]
    return lambda: torch.autograd.grad(call(), leaves, g)


def measure(case: Case, who: dict[str, Callable[[int], nn.Module]], effort: Effort) -> dict[str, Timing]:
    return interleaved({name: step(name, make(case.channels), case) for name, make in who.items()}, effort)


@dataclass(frozen=True)
class Construction:
    """Seconds of the first construction in this process, until the first image is through, and of others."""

    first: float
    result: float
    again: Timing


def construction(name: str, make: Callable[[int], nn.Module], case: Case) -> Construction:
    spent = []
    result = 0.0
    for turn in range(AGAIN + 1):
        start = time.perf_counter()
        layer = make(case.channels)
        spent.append(time.perf_counter() - start)
        if not turn:
            call, _ = forward(name, layer, Case(1, case.channels, case.side))
            start = time.perf_counter()
            call()
            result = spent[0] + time.perf_counter() - start
    return Construction(spent[0], result, summary(spent[1:]))


def render(times: dict[Case, dict[str, Timing]], built: dict[str, Construction], who: list[str]) -> str:
    """The expectations and the tables, in Markdown."""
    ratios = {case: t[OURS].median / t[PLAIN].median for case, t in times.items()}
    expected = [
        [f"{case.name}: over conv2d", f"≤ {WANTED}×", f"{r:.2f}×", _short(r, WANTED)]
        for case, r in ratios.items()
    ]
    first = built[OURS].first
    expected.append(["first construction", f"≤ {seconds(READY)}", seconds(first), _short(first, READY)])
    rows = [
        [case.name, *(f"{t[name]} {t[name].median / t[PLAIN].median:.2f}×" for name in who)]
        for case, t in times.items()
    ]
    building = [[name, seconds(b.first), seconds(b.result), str(b.again)] for name, b in built.items()]
    parts = [
        "## Expectations",
        table(["", "wanted", "measured", "verdict"], expected),
        "## Forward and backward",
        f"{TAPS}×{TAPS} taps; median [quartiles], and over conv2d of as many channels.",
        table(["case", *who], rows),
        f"## Construction of {CASES[0].channels} to {CASES[0].channels} channels",
        "The first in the process, in this order; with the first call, on one image; others after it.",
        table(["", "first", "first result", "again"], building),
    ]
    if ESCNN in who:
        parts.append(f"escnn {version('escnn')}, installed as `benchmarks/layers.py` says.")
    else:
        parts.append("escnn: absent, see `benchmarks/layers.py`.")
    return "\n\n".join(parts)


def _short(found: float, wanted: float) -> str:
    return "pass" if found <= wanted else f"short by {found / wanted - 1:.0%}"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.layers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--threads", type=int, help="cores and threads to use (default: all)")
    parser.add_argument("--quick", action="store_true", help="few repetitions: a look, not a result")
    parser.add_argument("--escnn", action="store_true", help="escnn too")
    parser.add_argument("--report", action="store_true", help="write the chapter into benchmarks/report.md")
    a = parser.parse_args()
    limit_threads(a.threads)
    if a.escnn and importlib.util.find_spec("escnn") is None:
        parser.error("--escnn: it is not installed; python -m benchmarks.layers --help says how")
    who = builders(a.escnn)
    built = {name: construction(name, make, CASES[0]) for name, make in who.items()}
    times = {}
    for case in CASES:
        print(f"… {case.name}", file=sys.stderr, flush=True)
        times[case] = measure(case, who, QUICK if a.quick else FULL)
    command = "benchmarks.layers" + (f" --threads {a.threads}" if a.threads else "")
    command += " --quick" * a.quick + " --escnn" * a.escnn + " --report" * a.report
    text = f"{facts(command)}\n\n{render(times, built, list(who))}"
    print(text)
    if a.report:
        write_chapter("Group layers", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
