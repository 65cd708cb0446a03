"""Speed and memory of scattering on groups: ``python -m benchmarks.on_groups [--kymatio FOLDER] [--report]``.

Joint time-frequency scattering, against Kymatio's main branch where a checkout is given (it is not on PyPI),
and roto-translation scattering against translation scattering of the same J and L. One process, interleaved,
medians, float32, Torch.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import groupscat.torch as gs
from benchmarks.memory import ask, of_call
from benchmarks.peers import kymatio
from benchmarks.report import facts, write_chapter
from benchmarks.tables import mebibytes, table
from benchmarks.timing import FULL, QUICK, Effort, Timing, interleaved, limit_threads

TITLE = "Scattering on groups"
OURS, PEER = "groupscat", "Kymatio main"


@dataclass(frozen=True)
class Clip:
    """A batch of sounds and the transform of them; ``wanted``: Kymatio's time over ours, forward."""

    batch: int
    length: int
    J: int
    J_fr: int
    Q: int
    wanted: float

    @property
    def name(self) -> str:
        return f"{self.batch}×{self.length} J{self.J} Q{self.Q} J_fr{self.J_fr}"

    def ours(self) -> torch.nn.Module:
        module: torch.nn.Module = gs.TimeFrequencyScattering(self.J, self.J_fr, self.length, self.Q)
        return module

    def theirs(self, front: Any) -> Callable[[torch.Tensor], Any]:
        made: Callable[[torch.Tensor], Any] = front.TimeFrequencyScattering(
            J=self.J, J_fr=self.J_fr, shape=self.length, Q=self.Q, format="time"
        )
        return made

    def input(self) -> torch.Tensor:
        return torch.randn(self.batch, self.length, generator=torch.Generator().manual_seed(0))


CLIPS = (
    Clip(1, 8192, 8, 3, 8, 25),
    Clip(8, 8192, 8, 3, 8, 38),
    Clip(1, 65536, 10, 4, 16, 50),
)
#: Images: batch, side, J; the cost of roto-translation over translation scattering that is wanted at most.
IMAGES = ((16, 64, 3), (4, 128, 3))
ANGLES, ANGULAR, DEARER = 8, 3, 3.0


def checkout(folder: Path) -> Any:
    """Torch's front end of a Kymatio at ``folder``."""
    if not (folder / "kymatio").is_dir():
        raise SystemExit(f"--kymatio {folder}: there is no folder kymatio in it; give the root of a checkout")
    sys.path.insert(0, str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = kymatio().module
    if not hasattr(module, "TimeFrequencyScattering"):
        raise SystemExit(f"--kymatio {folder}: this version has no TimeFrequencyScattering; check out main")
    return module


def steps(calls: dict[str, Callable[[torch.Tensor], Any]], x: torch.Tensor) -> dict[str, Callable[[], Any]]:
    """Forward and backward of each call."""

    def step(call: Callable[[torch.Tensor], Any]) -> Any:
        z = x.clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(call(z).square().sum(), z)
        return gradient

    return {name: lambda call=call: step(call) for name, call in calls.items()}


def without_gradient(
    calls: dict[str, Callable[[torch.Tensor], Any]], x: torch.Tensor
) -> dict[str, Callable[[], Any]]:
    def forward(call: Callable[[torch.Tensor], Any]) -> Any:
        with torch.no_grad():
            return call(x)

    return {name: lambda call=call: forward(call) for name, call in calls.items()}


def sounds(front: Any, effort: Effort) -> str:
    """The tables of joint time-frequency scattering."""
    rows = []
    for k, clip in enumerate(CLIPS):
        print(f"… {clip.name}", file=sys.stderr, flush=True)
        x, calls = clip.input(), {OURS: clip.ours()}
        if front is not None:
            calls[PEER] = clip.theirs(front)
        forward = interleaved(without_gradient(calls, x), effort)
        both = interleaved(steps(calls, x), effort)
        rows.append(
            [
                clip.name,
                str(forward[OURS]),
                _ratio(forward, f"≥ {clip.wanted:g}×"),
                str(both[OURS]),
                _ratio(both, "≥ 10×"),
                _memory(k),
            ]
        )
    header = ["case", "forward", "Kymatio over ours", "with backward", "Kymatio over ours", "peak memory"]
    return table(header, rows)


def _ratio(times: dict[str, Timing], wanted: str) -> str:
    if PEER not in times:
        return f"absent (wanted {wanted})"
    return f"{times[PEER].median / times[OURS].median:.1f}× (wanted {wanted})"


def _memory(case: int) -> str:
    found = ask("benchmarks.on_groups", "--memory", str(case))
    return found if isinstance(found, str) else mebibytes(found["extra"])


def images(effort: Effort) -> str:
    """The table of roto-translation scattering."""
    rows = []
    for batch, side, J in IMAGES:
        name = f"{batch}×{side}² J={J} L={ANGLES} K={ANGULAR}"
        print(f"… {name}", file=sys.stderr, flush=True)
        x = torch.randn(batch, side, side, generator=torch.Generator().manual_seed(0))
        calls: dict[str, Callable[[torch.Tensor], Any]] = {
            "translation": gs.Scattering2D(J, (side, side), ANGLES),
            "joint": gs.RotoTranslationScattering2D(J, (side, side), ANGLES, ANGULAR),
            "separable": gs.RotoTranslationScattering2D(J, (side, side), ANGLES, ANGULAR, group="separable"),
        }
        times = interleaved(without_gradient(calls, x), effort)
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
    parser.add_argument("--kymatio", type=Path, metavar="FOLDER", help="a checkout of Kymatio's main branch")
    parser.add_argument("--report", action="store_true", help="write the chapter into benchmarks/report.md")
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.memory is not None:
        module, x = CLIPS[a.memory].ours(), CLIPS[a.memory].input()
        with torch.no_grad():
            print(json.dumps(of_call(lambda: module(x))))
        return 0
    limit_threads(a.threads)
    front = None if a.kymatio is None else checkout(a.kymatio)
    effort = QUICK if a.quick else FULL
    command = "benchmarks.on_groups" + (f" --threads {a.threads}" if a.threads else "")
    command += " --quick" * a.quick + " --kymatio FOLDER" * (front is not None) + " --report" * a.report
    text = "\n\n".join(
        [
            facts(command, seed="0"),
            "## Joint time-frequency scattering",
            "Median [quartiles]; peak memory of one forward call beyond operator and input."
            + ("" if front is not None else " Kymatio's main branch: no checkout was given."),
            sounds(front, effort),
            "## Roto-translation scattering",
            images(effort),
        ]
    )
    print(text)
    if a.report:
        write_chapter(TITLE, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
