"""The chapter of the report that ``python -m benchmarks`` writes: expectations, times, memory, start."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import expectations, times
from benchmarks.cases import Transform
from benchmarks.contestants import EVERY, FLOOR, FORWARD, MAIN, MODES, NUMPY, OURS, PEER, STEP
from benchmarks.expectations import WANTED, Expectation
from benchmarks.machine import version
from benchmarks.main_branch import kymatio_main
from benchmarks.measured import Measured, Memory
from benchmarks.memory import STEP as STEP_OF_COUNTING
from benchmarks.peers import CHANGES, kymatio
from benchmarks.tables import mebibytes, table
from benchmarks.timing import Timing

MEMORY_OF = (OURS, NUMPY, PEER, MAIN)
#: Peers that have chapters of their own: what is installed, and the command that times it.
ELSEWHERE = {
    "convNd packages": (("convnd", "einconv", "torchConvNd", "torchnd"), "benchmarks.convolution"),
    "escnn": (("escnn",), "benchmarks.layers"),
}


@dataclass(frozen=True)
class Start:
    """Before the first result: imports by program; construction by size, then contestant, until ``ready``
    and until the ``first call`` is through; processor time of the first result of the command line."""

    imports: dict[str, Timing] = field(default_factory=dict)
    construction: dict[str, dict[str, dict[str, Timing]]] = field(default_factory=dict)
    first_result: Timing | None = None


@dataclass(frozen=True)
class Found:
    """All that a run has measured; ``agreement``: the table of ``benchmarks.agreement``."""

    measured: Sequence[Measured]
    memory: dict[str, dict[str, Any]] = field(default_factory=dict)
    start: Start | None = None
    agreement: str = ""

    def memory_of(self, case: Transform) -> Memory:
        return Memory(case, self.memory.get(case.name, {}))


def render(found: Found) -> str:
    """The chapter in Markdown, below its facts."""
    parts = ["## Expectations", _expectations(found)]
    if found.agreement:
        parts += ["## Agreement", found.agreement]
    parts += ["## Times", times.render(found.measured)]
    if found.memory:
        parts += ["## Memory", _memory(found)]
    if found.start:
        parts += ["## Start", _start(found.start)]
    parts += ["## Peers", "\n".join(f"- {note}" for note in _peers())]
    return "\n\n".join(parts)


# ---------------------------------------------------------------------------------------- expectations


def _expectations(found: Found) -> str:
    most = max((m.threads for m in found.measured), default=0)
    plural = "" if most == 1 else "s"
    text = (
        f"The peer's over ours, Torch, float32, {most} thread{plural}; memory is what a call needs beyond "
        "operator and input.\n\n"
    )
    return text + expectations.render([*_of_cases(found, most), *_of_start(found.start)])


def _of_cases(found: Found, threads: int) -> Iterator[Expectation]:
    by = {(m.case, m.mode): m for m in found.measured if m.threads == threads}
    cases = [case for case in EVERY if (case.name, FORWARD) in by and case.name in WANTED]
    for case in cases:
        forward = by[case.name, FORWARD]
        reason = "; ".join(forward.absent.values())
        value = times.ratio(forward, times.THE_PEER, OURS)
        yield Expectation(f"{case.name}: forward", WANTED[case.name].forward, value, reason=reason)
    for case in cases:
        step = by[case.name, STEP]
        value = times.ratio(step, times.THE_PEER, OURS)
        reason = "; ".join(step.absent.values())
        yield Expectation(f"{case.name}: {STEP}", WANTED[case.name].step, value, reason=reason)
    for case in cases:
        memory = found.memory_of(case)
        value, reason = memory.ratio(OURS), memory.why_absent()
        yield Expectation(f"{case.name}: memory", WANTED[case.name].memory, value, reason=reason)
    for case in cases:
        over = WANTED[case.name].floor
        if over is not None:
            for who in (OURS, NUMPY):
                value = by[case.name, FORWARD].ratio(who, FLOOR)
                yield Expectation(f"{case.name}: {who} over its transforms", over, value, at_most=True)
    for case in cases:
        value = _over(by[case.name, STEP], by[case.name, FORWARD])
        name = f"{case.name}: {STEP} over forward"
        yield Expectation(f"{name}, time", expectations.STEP_TIME, value, at_most=True)
        memory = found.memory_of(case)
        both, once = memory.extra(OURS, STEP), memory.extra(OURS)
        value = None if both is None or once is None else both / max(once, STEP_OF_COUNTING)
        yield Expectation(f"{name}, memory", expectations.STEP_MEMORY, value, at_most=True)


def _over(step: Measured, forward: Measured) -> float | None:
    if OURS in step.times and OURS in forward.times:
        return step.times[OURS].median / forward.times[OURS].median
    return None


def _of_start(start: Start | None) -> Iterator[Expectation]:
    if start is None:
        return
    for size, by in start.construction.items():
        value = by[PEER]["ready"].median / by[OURS]["ready"].median if PEER in by and OURS in by else None
        yield Expectation(f"building {size}", expectations.CONSTRUCTION, value)
    program = "import groupscat"
    if program in start.imports:
        value = start.imports[program].median
        yield Expectation(program, expectations.IMPORT, value, " s", at_most=True)
    if start.first_result:
        value = start.first_result.median
        name = "first result of the command line, processor time"
        yield Expectation(name, expectations.FIRST_RESULT, value, " s", at_most=True)


# ------------------------------------------------------------------------------------ memory and start


def _memory(found: Found) -> str:
    names = list(found.memory)
    cases = [case for case in EVERY if case.name in names]
    who = [w for w in MEMORY_OF if any(found.memory_of(c).extra(w) is not None for c in cases)]
    parts = [
        "Peak resident memory of one call beyond the operator and its input, its result included, told to "
        f"{mebibytes(STEP_OF_COUNTING)} a thread; scratch that is kept between calls is not in it."
    ]
    for mode in MODES:
        members = [w for w in who if any(found.memory_of(c).extra(w, mode) is not None for c in cases)]
        rows = []
        for case in cases:
            memory = found.memory_of(case)
            ratio = memory.ratio(OURS, mode)
            cells = [_size(memory.extra(w, mode)) for w in members]
            rows.append([case.name, *cells, "" if ratio is None else f"{ratio:.2f}×"])
        parts.append(f"{mode.capitalize()}:\n\n" + table(["case", *members, "peer / ours"], rows))
    rows = []
    for case in cases:
        answers = [found.memory[case.name].get(w) for w in who]
        rows.append([case.name, *(_size(a["constants"]) if isinstance(a, dict) else "" for a in answers)])
    parts.append("Constants:\n\n" + table(["case", *who], rows))
    absent = {f"- {a}" for by in found.memory.values() for a in by.values() if isinstance(a, str)}
    return "\n\n".join([*parts, *(["\n".join(sorted(absent))] if absent else [])])


def _size(value: int | None) -> str:
    return "" if value is None else mebibytes(value)


def _start(start: Start) -> str:
    parts = []
    if start.construction:
        rows = [
            [size, who, str(t["ready"]), str(t["first call"])]
            for size, by in start.construction.items()
            for who, t in by.items()
        ]
        parts.append(
            "Building Scattering2D: time until all constants are there, and until the first image is through "
            "(included).\n\n" + table(["", "", "ready", "first result"], rows)
        )
    if start.imports:
        rows = [[name, str(t)] for name, t in start.imports.items()]
        parts.append(
            "Importing in a fresh interpreter, less the start of Python:\n\n" + table(["", "time"], rows)
        )
    if start.first_result:
        parts.append(
            "Processor time of `groupscat features` on one image, from the start of Python to its end: "
            f"{start.first_result}."
        )
    return "\n\n".join(parts)


def _peers() -> Iterator[str]:
    """Their names and versions, or why they are absent; then what was done to them."""
    for peer in (kymatio("torch"), kymatio("numpy"), kymatio_main()):
        yield f"{peer.name}: {peer.reason}" if peer.reason else f"{peer.name}."
    yield from CHANGES
    for name, (packages, module) in ELSEWHERE.items():
        here = ", ".join(f"{p} {found}" for p in packages if (found := version(p))) or "absent"
        yield f"{name}: {here}; timed by `python -m {module}` in a chapter of their own."
    yield "On a GPU, against the bytes that must move: `python -m benchmarks.gpu`."
