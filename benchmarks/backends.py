"""Every operator on every backend against NumPy in float64: ``python -m benchmarks.backends [BACKEND ...]``.

One table: largest deviation relative to max(max|reference|, max|x|), with its limit. A cell without a
number carries its reason. The exit status is 1 if a deviation exceeds its limit.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from dataclasses import dataclass

from benchmarks.report import facts, write_chapter
from benchmarks.tables import table

# JAX has no float64 unless it is asked for before its first array.
os.environ.setdefault("JAX_ENABLE_X64", "1")

from groupscat import Backend, backend_names, get_backend
from groupscat.errors import BackendError, DeviceError
from groupscat.testing import OPERATORS, TOLERANCE, relative_error
from groupscat.testing.base import COMPLEX, PRECISIONS
from groupscat.testing.operators import example


@dataclass(frozen=True)
class Cell:
    """A deviation and its limit, or why there is none."""

    deviation: float | None = None
    limit: float = 0.0
    reason: str = ""

    @property
    def failed(self) -> bool:
        """Whether the deviation is over its limit (NaN is); what is blank cannot fail."""
        return self.deviation is not None and not self.deviation <= self.limit

    def __str__(self) -> str:
        if self.deviation is None:
            return f"({self.reason})"
        return f"{self.deviation:.1e}{' FAIL' if self.failed else ''}"


Column = tuple[str, str]


def usable(name: str) -> Backend | str:
    """The backend, or why it cannot compute here."""
    if importlib.util.find_spec(name) is None:
        return "not installed"
    try:
        backend = get_backend(name)
    except BackendError as error:
        return str(error).split(". ")[0]
    return backend if backend.devices() else "no device"


def deviation(name: str, backend: Backend, precision: str) -> Cell:
    """One operator on one backend in one precision."""
    if (backend.name, precision) == ("numpy", "float64"):
        return Cell(reason="reference")
    S = OPERATORS[name]()
    x = example(S)
    dtype = COMPLEX[precision] if S.complex_input else precision
    try:
        found = S(backend.put(x.astype(dtype), dtype))
    except DeviceError:
        return Cell(reason="no device")
    wanted = S(x)
    if S.out_type == "array":
        found, wanted = [{"coef": found}], [{"coef": wanted}]
    worst = max(
        relative_error(backend.to_numpy(a["coef"]), b["coef"], x) for a, b in zip(found, wanted, strict=True)
    )
    return Cell(worst, TOLERANCE[precision])


def measure(names: list[str]) -> dict[str, dict[Column, Cell]]:
    """Cells by operator and (backend, precision)."""
    backends = {name: usable(name) for name in names}
    return {
        operator: {
            (name, precision): Cell(reason=found)
            if isinstance(found, str)
            else deviation(operator, found, precision)
            for name, found in backends.items()
            for precision in PRECISIONS
        }
        for operator in OPERATORS
    }


def render(rows: dict[str, dict[Column, Cell]]) -> str:
    """The table, and what it says in one line."""
    columns = list(next(iter(rows.values())))
    cells = [cell for row in rows.values() for cell in row.values()]
    blank = [cell for cell in cells if cell.deviation is None]
    body = [[name, *(str(row[column]) for column in columns)] for name, row in rows.items()]
    failed = sum(cell.failed for cell in cells)
    limits = ", ".join(f"{precision} {TOLERANCE[precision]:.0e}" for precision in PRECISIONS)
    return (
        f"{table(['operator', *(' '.join(column) for column in columns)], body)}\n\n"
        f"{failed} over the limit ({limits}), {len(blank)} blank, of {len(cells)}. Solid harmonics are given "
        "positive volumes, because x^½ has no bounded derivative at 0."
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backends", description=__doc__)
    parser.add_argument("backends", nargs="*", metavar="BACKEND", help="default: all that are registered")
    parser.add_argument("--report", action="store_true", help="write the table into benchmarks/report.md")
    arguments = parser.parse_args()
    names = arguments.backends or sorted(backend_names(), key=lambda name: (name != "numpy", name))
    rows = measure(names)
    text = render(rows)
    print(text)
    if arguments.report:
        command = " ".join(["benchmarks.backends", *arguments.backends, "--report"])
        write_chapter("Backends", f"{facts(command)}\n\n{text}")
    return int(any(cell.failed for row in rows.values() for cell in row.values()))


if __name__ == "__main__":
    sys.exit(main())
