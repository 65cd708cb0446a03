"""What must hold on a GPU before times mean anything: tests, and the error of every operator."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import groupscat
from benchmarks.checkout import ROOT
from benchmarks.gpu_engines import Engine
from benchmarks.tables import table

COMPLEX = {"float32": "complex64", "float64": "complex128"}
TESTS = ("tests/test_torch_gpu.py", "tests/test_cupy_gpu.py")
#: Calls before the one that is looked at: until then nothing is recorded.
SETTLED = 4


class Clock:
    """The time that is left of some minutes."""

    def __init__(self, minutes: float) -> None:
        self.end = time.monotonic() + 60 * minutes

    def left(self) -> float:
        return self.end - time.monotonic()


def checks(clock: Clock) -> tuple[str, int]:
    """What pytest says of the tests that need a GPU, and whether any failed."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        *TESTS,
        "-q",
        "-p",
        "no:cacheprovider",
        "-n",
        "8",
        "--maxfail=20",
    ]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=max(1, clock.left() / 2),
        )
    except subprocess.TimeoutExpired:
        return f"`{' '.join(TESTS)}`: half of the time did not suffice", 1
    lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["no output"]
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return "\n".join(["`" + " ".join(TESTS) + "`: " + lines[-1], *failed]), int(done.returncode != 0)


def agreement(found: list[Engine], clock: Clock) -> tuple[str, int]:
    """The largest error of every operator relative to NumPy in float64, and how many exceed their limit."""
    # Not before: testing imports pytest.
    from groupscat.testing import OPERATORS, TOLERANCE, relative_error
    from groupscat.testing.operators import example

    precisions = ("float64", "float32", "float16")
    columns = [(engine, precision) for engine in found for precision in precisions]
    rows, failures = [], 0
    for name, make in OPERATORS.items():
        if clock.left() < 0:
            break
        operator = make()
        x = example(operator)
        wanted, cells = {}, []
        for precision in precisions:  # of what half precision holds of the signal, there
            rounded = x if precision != "float16" or operator.complex_input else x.astype(precision)
            wanted[precision] = _arrays(operator(rounded.astype(x.dtype)))
        for engine, precision in columns:
            if operator.complex_input and precision not in COMPLEX:
                cells.append("–")
                continue
            given = engine.array(x.astype(COMPLEX[precision] if operator.complex_input else precision))
            for _ in range(SETTLED if len(engine.ways()) > 1 else 1):  # the last is replayed
                y = operator(given)
            pairs = zip(_arrays(y), wanted[precision], strict=True)
            error = max(relative_error(groupscat.convert(a, "numpy"), b, x) for a, b in pairs)
            bad = not error <= TOLERANCE[precision]
            failures += bad
            cells.append(f"{error:.1e} {'FAIL' if bad else 'pass'}")
        rows.append([name, *cells])
    header = ["operator", *(f"{engine.name} {precision}" for engine, precision in columns)]
    limits = ", ".join(f"{p} {TOLERANCE[p]:.0e}" for p in precisions)
    return f"{table(header, rows)}\n\nLimits: {limits}.", failures


def _arrays(y: Any) -> list[Any]:
    return [row["coef"] for row in y] if isinstance(y, list) else [y]
