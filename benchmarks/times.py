"""The tables of times, of ratios and of differences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.contestants import (
    COMPILED,
    EVERY,
    FLOOR,
    MAIN,
    MODES,
    NUMPY,
    ON_NUMPY,
    ON_TORCH,
    OURS,
    PEER_NUMPY,
    STEP,
    reference,
)
from benchmarks.measured import Measured, limit
from benchmarks.tables import seconds, table

CASES = {case.name: case for case in EVERY}
#: (slow, fast, heading) of the ratios; the peer of a row is its reference.
THE_PEER = ""
RATIOS = (
    (THE_PEER, OURS, "peer / ours"),
    (MAIN, OURS, "main / ours"),
    (COMPILED, OURS, "compiled / ours"),
    (OURS, FLOOR, "ours / transforms"),
    (PEER_NUMPY, NUMPY, "peer / ours, NumPy"),
    (NUMPY, FLOOR, "ours / transforms, NumPy"),
)
NOTE = (
    "The peer of a row is the released Kymatio on Torch, of JTFS, which that has not, its main branch. "
    f"“{FLOOR}” are the plan's Fourier transforms and nothing else, called in the same turns; for "
    "forward+backward twice those of the forward, since each has an adjoint. They are torch.fft's, so that a "
    "transform of our own may take less. Ratios are of medians. Between two calls lies a pause, so "
    "that nobody meets threads of the one before, which wait for more work by spinning, and a request for "
    "memory, at which the C library puts in order what the one before freed."
)


def render(found: Sequence[Measured]) -> str:
    """For each mode and number of threads the times and their ratios; then the differences from the peer."""
    parts = [NOTE]
    for mode in MODES:
        for threads in sorted({m.threads for m in found}):
            rows = [m for m in found if (m.mode, m.threads) == (mode, threads)]
            if rows:
                plural = "" if threads == 1 else "s"
                parts += [f"### {mode.capitalize()}, {threads} thread{plural}", _times(rows), _ratios(rows)]
    parts += ["### Differences from the peer", _differences(found), _compiling(found), _absent(found)]
    return "\n\n".join(part for part in parts if part)


def _times(rows: Sequence[Measured]) -> str:
    names = [n for n in (*ON_TORCH, *ON_NUMPY) if any(n in m.times for m in rows)]
    cells = [[m.case, *(str(m.times.get(name, "")) for name in names)] for m in rows]
    return "Median [quartiles]; what takes many seconds is called once:\n\n" + table(["case", *names], cells)


def ratio(m: Measured, slow: str, fast: str) -> float | None:
    """That of the times; ``THE_PEER`` is the reference of the case, which is not told a second time."""
    peer = reference(CASES[m.case])
    return None if slow == peer else m.ratio(peer if slow == THE_PEER else slow, fast)


def _ratios(rows: Sequence[Measured]) -> str:
    columns = [r for r in RATIOS if any(ratio(m, *r[:2]) is not None for m in rows)]
    cells = [[m.case, *(_factor(ratio(m, slow, fast)) for slow, fast, _ in columns)] for m in rows]
    return table(["case", *(heading for *_, heading in columns)], cells) if columns else ""


def _factor(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}×"


def _differences(found: Sequence[Measured]) -> str:
    """The largest over all numbers of threads."""
    header = ["case", "coefficients, Torch", "coefficients, NumPy", "limit", "gradient, Torch", "limit"]
    rows = []
    for name in dict.fromkeys(m.case for m in found):
        cells = [name]
        for mode, who in ((MODES[0], (OURS, NUMPY)), (STEP, (OURS,))):
            of_mode = [m for m in found if (m.case, m.mode) == (name, mode)]
            bound = limit(CASES[name], mode)
            cells += [_error([m.errors[w] for m in of_mode if w in m.errors], bound) for w in who]
            cells.append(f"{bound:.0e}")
        rows.append(cells)
    return (
        "Checked before each timing, relative to the largest coefficient, or the largest value of the "
        "gradient of Σ y² by x:\n\n" + table(header, rows)
    )


def _error(values: Sequence[float], bound: float) -> str:
    """The worst; not a number is worse than any."""
    if not values:
        return "no peer"
    failed = [v for v in values if not v <= bound]
    return f"{failed[0]:.1e} FAIL" if failed else f"{max(values):.1e} pass"


def _compiling(found: Iterable[Measured]) -> str:
    notes = [
        f"{m.case}, {m.threads} threads: {seconds(spent)}" for m in found for spent in m.compiling.values()
    ]
    return "Compiling Kymatio, until its first result is there: " + "; ".join(notes) + "." if notes else ""


def _absent(found: Iterable[Measured]) -> str:
    reasons = dict.fromkeys(f"- {name}: {why}" for m in found for name, why in m.absent.items())
    return "\n".join(reasons)
