"""Cost of scattering on groups: ``python -m benchmarks.on_groups [--threads N] [--quick] [--report]``.

Roto-translation scattering against translation scattering of the same J and L. One process, interleaved,
medians, float32, Torch. Joint time-frequency scattering is among the cases of ``python -m benchmarks``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

import torch

import groupscat.torch as gs
from benchmarks.report import facts, write_chapter
from benchmarks.tables import table
from benchmarks.timing import FULL, QUICK, Effort, interleaved, limit_threads

TITLE = "Scattering on groups"
#: Images: batch, side, J; the cost of roto-translation over translation scattering that is wanted at most.
IMAGES = ((16, 64, 3), (4, 128, 3))
ANGLES, ANGULAR, DEARER = 8, 3, 3.0


def forward(call: Callable[[torch.Tensor], Any], x: torch.Tensor) -> Any:
    with torch.no_grad():
        return call(x)


def images(effort: Effort) -> str:
    """The table of roto-translation scattering."""
    rows = []
    for batch, side, J in IMAGES:
        name = f"{batch}×{side}² J={J} L={ANGLES} K={ANGULAR}"
        print(f"… {name}", file=sys.stderr, flush=True)
        x = torch.randn(batch, side, side, generator=torch.Generator().manual_seed(0))
        operators: dict[str, Callable[[torch.Tensor], Any]] = {
            "translation": gs.Scattering2D(J, (side, side), ANGLES),
            "joint": gs.RotoTranslationScattering2D(J, (side, side), ANGLES, ANGULAR),
            "separable": gs.RotoTranslationScattering2D(J, (side, side), ANGLES, ANGULAR, group="separable"),
        }
        calls = {group: lambda S=S, x=x: forward(S, x) for group, S in operators.items()}
        times = interleaved(calls, effort)
        base = times["translation"].median
        for group in ("joint", "separable"):
            ratio = times[group].median / base
            verdict = "pass" if ratio <= DEARER else f"short by {ratio / DEARER - 1:.0%}"
            rows.append([f"{name}, {group}", str(times[group]), f"{ratio:.2f}× (≤ {DEARER:g}×)", verdict])
    return table(["case", "forward", "over translation scattering", "verdict"], rows)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.on_groups",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--threads", type=int, help="cores and threads to use (default: all)")
    parser.add_argument("--quick", action="store_true", help="few repetitions: a look, not a result")
    parser.add_argument("--report", action="store_true", help="write the chapter into benchmarks/report.md")
    a = parser.parse_args()
    limit_threads(a.threads)
    command = "benchmarks.on_groups" + (f" --threads {a.threads}" if a.threads else "")
    command += " --quick" * a.quick + " --report" * a.report
    text = "\n\n".join(
        [
            facts(command, seed="0"),
            "## Roto-translation scattering",
            "Median [quartiles].",
            images(QUICK if a.quick else FULL),
        ]
    )
    print(text)
    if a.report:
        write_chapter(TITLE, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
