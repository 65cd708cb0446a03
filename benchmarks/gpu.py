"""Everything there is to know on a CUDA GPU: ``python -m benchmarks.gpu [--quick] [--output FILE]``.

Works in a checkout, installed or not, without a network. In this order, while the time lasts (``--minutes``):
the tests that need a GPU; the error of every operator against NumPy in float64; times against Kymatio on the
same GPU and against the bytes that must move, with and without recorded graphs and kernels of our own; peak
memory as paths are added; how much to work on at a time. The report is written after each part. Without a
CUDA device it says so and has nothing to do.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import groupscat
from benchmarks.cases import AGREEMENT, Case, Transform
from benchmarks.checkout import known
from benchmarks.gpu_checks import SETTLED, Clock, agreement, checks
from benchmarks.gpu_engines import Engine, TorchEngine, device_facts, engines
from benchmarks.gpu_floor import FLOOR, traffic
from benchmarks.joint_cases import JOINT_CASES
from benchmarks.machine import machine
from benchmarks.peers import CHANGES, kymatio
from benchmarks.tables import mebibytes, table
from benchmarks.timing import Effort, Timing, summary

REPORT = Path(__file__).with_name("report_gpu.md")
#: 128 colour images of 256², and what is compared on a CPU.
CASES: tuple[Transform, ...] = (
    *(Case(f"2-D 128×3×256² J={J}", "2-D", 384, (256, 256), J, 8) for J in (2, 3)),
    Case("2-D 1×32² J=2", "2-D", 1, (32, 32), 2, 8),
    Case("2-D 64×32² J=3", "2-D", 64, (32, 32), 3, 8),
    Case("2-D 16×224² J=3", "2-D", 16, (224, 224), 3, 8),
    Case("1-D 16×8192 J=6 Q=8", "1-D", 16, (8192,), 6, 8),
    Case("1-D 4×65536 J=8 Q=12", "1-D", 4, (65536,), 8, 12),
    Case("3-D harmonic 4×64³ J=2 L=3", "3-D", 4, (64, 64, 64), 2, 3),
    *JOINT_CASES[:2],
)
#: The large and the long one, of which it is tried how much to work on at a time.
CHUNKED = CASES[1], CASES[6]
#: Signals that are compared with Kymatio: all of them would take minutes on the host.
COMPARED = 2
#: Per contestant; calls on a GPU vary little.
FULL, QUICK = Effort(budget=2, least=5, most=50), Effort(budget=0.3, least=3, most=10)
#: Bytes of intermediate arrays to work on at a time that are tried.
CHUNKS = tuple(1 << k for k in (23, 25, 26, 27, 28, 29))


# ----------------------------------------------------------------------------------------------- speed


def speed(found: list[Engine], effort: Effort, clock: Clock) -> str:
    """Medians of one call, of all contestants in turn, and the floor."""
    bandwidth = max(engine.bandwidth() for engine in found)
    for engine in found:
        engine.release()
    rows = []
    for case in CASES:
        if clock.left() < 0:
            rows.append([case.name, "no time was left", "", "", ""])
            continue
        operator = case.build(groupscat)
        x = case.input()
        floor = traffic(operator.plan, case.batch) / bandwidth
        times: dict[str, Timing | str] = {}
        for engine in found:
            given = engine.array(x)
            for note, way in engine.ways().items():
                times[f"groupscat {engine.name}{note}"] = _timed(
                    engine, partial(operator, given), effort, way
                )
                engine.release()
        peer, note = _of_kymatio(found, case, operator, effort)
        times |= peer
        reference = next((t for t in peer.values() if isinstance(t, Timing)), None)
        rows.append([case.name, "floor", f"{1e3 * floor:.3g} ms", "1×", ""])
        for name, timing in times.items():
            if isinstance(timing, str):
                rows.append([case.name, name, timing, "", ""])
                continue
            faster = f"{reference.median / timing.median:.2f}×" if reference not in (None, timing) else ""
            rows.append([case.name, name, str(timing), f"{timing.median / floor:.2f}×", faster])
        if note:
            rows.append([case.name, "Kymatio", note, "", ""])
    header = ["case", "contestant", "median [quartiles]", "over the floor", "faster than Kymatio"]
    return f"{table(header, rows)}\n\nCopy bandwidth {bandwidth / 1e9:.0f} GB/s. {FLOOR}"


def _of_kymatio(
    found: list[Engine], case: Transform, operator: Any, effort: Effort
) -> tuple[dict[str, Timing | str], str]:
    """Kymatio's time on the same GPU, its coefficients compared first; what else there is to say about it."""
    peer = kymatio()
    torch = next((engine for engine in found if isinstance(engine, TorchEngine)), None)
    if not peer or torch is None:
        return {}, peer.reason or "absent: Torch finds no GPU"
    if case.kind == "JTFS":
        return {}, "absent: its release has no joint scattering"
    module = case.build_peer(peer.module).cuda()
    given = torch.array(case.input())
    orders = [path.order for path in operator.paths]
    few = given[:COMPARED]
    error = case.error(operator(few).cpu().numpy(), module(few).cpu().numpy(), orders)
    if not error <= AGREEMENT[case.kind]:
        return {}, f"coefficients differ by {error:.1e}: not timed"
    timing = _timed(torch, lambda: module(given), effort, nullcontext)
    torch.release()
    return {peer.name: timing}, ""


def _timed(
    engine: Engine, call: Callable[[], Any], effort: Effort, way: Callable[[], AbstractContextManager[Any]]
) -> Timing | str:
    """Repeated calls after some that do not count (compilation, plans, recordings, memory)."""
    spent: list[float] = []
    gc.collect()
    try:
        with way():
            for _ in range(SETTLED):
                engine.seconds(call)
            began = time.perf_counter()
            while len(spent) < effort.most and (
                len(spent) < effort.least or time.perf_counter() - began < effort.budget
            ):
                spent.append(engine.seconds(call))
    except Exception as error:  # each framework has its own error for memory that does not suffice
        if "memory" not in str(error).lower():
            raise
        return "out of memory"
    return summary(spent)


# ---------------------------------------------------------------------------------- memory, chunks


def memory(found: list[Engine], clock: Clock) -> str:
    """Peak memory of a call as wavelets, and with them paths, are added."""
    rows = []
    x = np.random.default_rng(0).standard_normal((64, 224, 224)).astype(np.float32)
    for engine in filter(lambda engine: engine.counts_memory, found):
        given = engine.array(x)
        for L in (4, 8, 16):
            if clock.left() < 0:
                break
            S = groupscat.Scattering2D(J=3, shape=x.shape[1:], L=L)
            with list(engine.ways().values())[-1]():
                S(given)
                peak, result = engine.peak(partial(S, given))
            beside = f"{(peak - result) / x.nbytes:.1f}"
            rows.append([engine.name, str(len(S.paths)), mebibytes(result), mebibytes(peak), beside])
    header = ["framework", "paths", "result", "peak", "beside the result, in inputs"]
    return f"64 images of 224², J=3, {mebibytes(x.nbytes)}.\n\n{table(header, rows)}"


def chunks(found: list[Engine], effort: Effort, clock: Clock) -> str:
    """Times by the bytes of intermediate arrays that are worked on at a time."""
    rows = []
    for engine in found:
        backend = type(groupscat.get_backend(engine.backend))
        for case in CHUNKED:
            given, S, cells = engine.array(case.input()), case.build(groupscat), []
            for size in CHUNKS:
                if clock.left() < 0:
                    cells.append("–")
                    continue
                with patch.object(backend, "chunk", lambda self, x, size=size: size):
                    timing = _timed(engine, partial(S, given), effort, nullcontext)
                engine.release()
                cells.append(timing if isinstance(timing, str) else f"{1e3 * timing.median:.3g}")
            rows.append([f"{engine.name}, {case.name}", *cells])
    header = ["median, ms", *(mebibytes(size) for size in CHUNKS)]
    return table(header, rows)


# ---------------------------------------------------------------------------------------------- report


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="few repetitions: a look, not a result")
    parser.add_argument("--minutes", type=float, default=9, help="after these nothing is begun; default: 9")
    parser.add_argument("--output", type=Path, default=REPORT, metavar="FILE", help=f"default: {REPORT.name}")
    parser.add_argument("--jax", action="store_true", help="JAX, too: compiling its plans takes minutes")
    arguments = parser.parse_args()
    clock, effort = Clock(arguments.minutes), QUICK if arguments.quick else FULL
    known()
    found, absent = engines(arguments.jax)
    reasons = "; ".join(f"{name}: {reason}" for name, reason in absent.items())
    if not found:
        print(f"no CUDA device ({reasons}): nothing is measured and {arguments.output.name} is left as it is")
        return 0
    facts = {"date": datetime.date.today().isoformat(), **device_facts(found), **machine()}
    if absent:
        facts["absent"] = reasons
    parts = ["# On a GPU", "\n".join(f"- {name}: {value}" for name, value in facts.items())]

    def add(title: str, text: str) -> None:
        parts.extend([f"## {title}", text])
        arguments.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
        print(f"{title}\n\n{text}\n", flush=True)

    outcome, failed = checks(clock)
    add("Tests", outcome)
    errors, failures = agreement(found, clock)
    add("Agreement with NumPy in float64", errors)
    add("Speed, float32", speed(found, effort, clock))
    add("Memory", memory(found, clock))
    add("How much at a time", chunks(found, effort, clock))
    add("What was changed in a peer", "\n".join(f"- {change}" for change in CHANGES[:3]))
    return int(failed or failures > 0)


if __name__ == "__main__":
    sys.exit(main())
