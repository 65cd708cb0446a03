"""What is found about one case, and the ratios that follow from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.cases import AGREEMENT, Transform
from benchmarks.contestants import FORWARD, STEP, reference
from benchmarks.memory import STEP as STEP_OF_COUNTING
from benchmarks.timing import Timing

#: Steps of the kernel's count that a peer has to need for a ratio.
TELLING = 3
#: The largest difference of a gradient from Kymatio's, relative to its largest value. In 2-D Kymatio's 3.1415
#: for π is in its gradients to the sixth power.
GRADIENT = {**AGREEMENT, "2-D": 1e-3}


@dataclass(frozen=True)
class Measured:
    """One case at a number of threads, called one way: times by contestant, differences from the peer.

    ``absent``: why some have no time; ``compiling``: seconds before the first call was through.
    """

    case: str
    threads: int
    mode: str
    times: dict[str, Timing]
    errors: dict[str, float] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    compiling: dict[str, float] = field(default_factory=dict)

    def ratio(self, slow: str, fast: str) -> float | None:
        """How many times longer ``slow`` takes than ``fast``."""
        if slow in self.times and fast in self.times:
            return self.times[slow].median / self.times[fast].median
        return None

    def agrees(self, case: Transform) -> bool:
        """Whether what was compared with the peer is equal to it; NaN is not."""
        return all(error <= limit(case, self.mode) for error in self.errors.values())

    def kept(self) -> dict[str, Any]:
        """In what JSON has.

        >>> found = Measured("2-D", 1, "forward", {"ours": Timing(0.5, 0.4, 0.6, 3)})
        >>> Measured.read(found.kept()) == found
        True
        """
        return asdict(self)

    @classmethod
    def read(cls, kept: dict[str, Any]) -> Measured:
        return cls(**{**kept, "times": {name: Timing(**t) for name, t in kept["times"].items()}})


def limit(case: Transform, mode: str) -> float:
    """The largest difference from the peer at which a time counts."""
    return (GRADIENT if mode == STEP else AGREEMENT)[case.kind]


@dataclass(frozen=True)
class Memory:
    """Of one case: by contestant what ``benchmarks.memory`` found, or why it found nothing."""

    case: Transform
    found: dict[str, Any]

    def extra(self, who: str, mode: str = FORWARD) -> int | None:
        """Bytes that a call needs beyond operator and input."""
        answer = self.found.get(who)
        calls = answer.get(mode) if isinstance(answer, dict) else None
        return None if calls is None else calls["extra"]

    def why_absent(self) -> str:
        """Why the peer or ours has no number."""
        absent = [a.removeprefix("absent: ") for a in self.found.values() if isinstance(a, str)]
        if self.extra(reference(self.case)) is not None:
            absent.append("the peer's need is below what the kernel's count tells")
        return "; ".join(absent)

    def ratio(self, ours: str, mode: str = FORWARD) -> float | None:
        """The peer's over ours, which is a step of counting at least; None: the peer's is too small."""
        mine, theirs = self.extra(ours, mode), self.extra(reference(self.case), mode)
        if mine is None or theirs is None or theirs < TELLING * STEP_OF_COUNTING:
            return None
        return theirs / max(mine, STEP_OF_COUNTING)
