"""Agreement with golden files and with the definition: ``python -m benchmarks.agreement [--data DIR]``.

One table: the largest error of each implementation relative to the largest coefficient. The exit
status is 1 if an error exceeds its limit.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.definition import DEFINITIONS
from benchmarks.golden import GOLDEN, golden_folder
from benchmarks.tables import table
from groupscat.scattering import Operator

COLUMNS = (("NumPy", "float64"), ("NumPy", "float32"), ("Torch", "float64"), ("Torch", "float32"))
ORACLE_LIMITS = {"float32": 1e-5}


@dataclass
class Row:
    """The errors of one comparison by (framework, dtype); a string is the reason why there is none."""

    name: str
    limits: dict[str, float]
    errors: dict[tuple[str, str], float | str] = field(default_factory=dict)

    @property
    def failures(self) -> int:
        return sum(not passes(e, self.limits[key[1]]) for key, e in self.errors.items())

    def cells(self) -> list[str]:
        limits = dict.fromkeys(f"{v:.0e}" for v in self.limits.values())
        return [self.name, *(self._cell(key) for key in COLUMNS), " / ".join(limits)]

    def _cell(self, key: tuple[str, str]) -> str:
        error = self.errors[key]
        if isinstance(error, str):
            return error.partition(":")[0]
        return f"{error:.1e} {'pass' if passes(error, self.limits[key[1]]) else 'FAIL'}"


def passes(error: float | str, limit: float) -> bool:
    """Whether an error is within its limit (NaN is not); what is absent cannot fail."""
    return isinstance(error, str) or error <= limit


def frameworks() -> dict[str, Callable[[NDArray[Any]], Any] | str]:
    """How each framework makes an array of a NumPy one, or why it cannot be asked."""
    found: dict[str, Callable[[NDArray[Any]], Any] | str] = {"NumPy": np.asarray, "Torch": "absent"}
    if importlib.util.find_spec("torch"):
        import torch

        from groupscat import get_backend
        from groupscat.errors import BackendError

        try:
            get_backend("torch")
            found["Torch"] = torch.from_numpy
        except (BackendError, AttributeError):
            found["Torch"] = "no backend"
    return found


def compare(
    name: str, limits: dict[str, float], operator: Operator, x: NDArray[Any], expected: NDArray[np.float64]
) -> Row:
    """The errors of one operator on x in every framework and precision."""
    row = Row(name, limits)
    makers = frameworks()
    for framework, dtype in COLUMNS:
        make = makers[framework]
        if isinstance(make, str):
            row.errors[framework, dtype] = make
            continue
        y = np.asarray(operator(make(x.astype(dtype))))
        if y.dtype != dtype or y.shape != expected.shape:
            row.errors[framework, dtype] = float("nan")
            continue
        row.errors[framework, dtype] = float(np.abs(y - expected).max() / np.abs(expected).max())
    return row


def measure(data: str | None) -> list[Row]:
    """Every row of the table."""
    rows = []
    folder, reason = golden_folder(data)
    for case in GOLDEN:
        limits = {"float64": case.limit, "float32": case.limit}
        if folder is None or not (folder / case.file).exists():
            why = reason or f"absent: no {case.file}"
            rows.append(Row(case.name, limits, dict.fromkeys(COLUMNS, why)))
            continue
        arrays = case.load(folder)
        operator = case.build(arrays)
        rows.append(compare(case.name, limits, operator, arrays["x"], case.expected(arrays, operator)))
    for definition in DEFINITIONS:
        operator, x, expected = definition.case()
        limits = {**ORACLE_LIMITS, "float64": definition.exact}
        rows.append(compare(definition.name, limits, operator, x, expected))
    return rows


def render(rows: list[Row]) -> str:
    """The table, and what it says in one line."""
    failures = sum(row.failures for row in rows)
    absent = [e for row in rows for e in row.errors.values() if isinstance(e, str)]
    header = ["largest error / largest coefficient", *map(" ".join, COLUMNS), "limit"]
    verdict = f"{failures} over the limit, {len(absent)} not measured, of {len(rows) * len(COLUMNS)}."
    if absent:
        verdict += f" ({'; '.join(dict.fromkeys(absent))})"
    note = "Solid harmonics on even sides have a wider float64 limit, for a reason: `Definition.exact`."
    return f"{table(header, [row.cells() for row in rows])}\n\n{verdict} {note}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreement", description=__doc__)
    parser.add_argument("--data", help="folder that holds the golden files, or their folder golden/")
    rows = measure(parser.parse_args().data)
    print(render(rows))
    return int(any(row.failures for row in rows))


if __name__ == "__main__":
    sys.exit(main())
