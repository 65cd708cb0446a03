"""What is expected of each case, and what was measured beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.tables import table


@dataclass(frozen=True)
class Wanted:
    """At least: the peer's time over ours, forward and forward+backward, and its extra memory over ours.

    ``floor``, at most: the time of ours over that of the transforms alone; None: nothing is said.
    """

    forward: float
    step: float = 5
    memory: float = 3
    floor: float | None = None


#: By case. Coefficients have to be equal first: ``cases.AGREEMENT``.
WANTED = {
    "2-D 64×32² J=2": Wanted(6, floor=3),
    "2-D 64×32² J=3": Wanted(8, floor=3),
    "2-D 16×224² J=3": Wanted(8, floor=2),
    "2-D 1×32² J=2": Wanted(25, floor=3),
    "2-D 1×224² J=3": Wanted(12, floor=2),
    "1-D 16×8192 J=6 Q=8": Wanted(8),
    "1-D 4×65536 J=8 Q=12": Wanted(9, floor=2),
    "3-D harmonic 4×64³ J=2 L=3": Wanted(5),
    "JTFS 1×8192 J=8 Q=8 J_fr=3": Wanted(28, step=15, memory=4),
    "JTFS 8×8192 J=8 Q=8 J_fr=3": Wanted(41, step=15, memory=12),
    "JTFS 1×65536 J=10 Q=16 J_fr=4": Wanted(57, step=15, memory=4),
}
#: At most: forward+backward over forward, of ours.
STEP_TIME, STEP_MEMORY = 2.5, 2.0
#: At least: the peer's time until filters are there over ours.
CONSTRUCTION = 200.0
#: At most, seconds: importing; processor time of the first result of the command line.
IMPORT, FIRST_RESULT = 0.3, 1.5


@dataclass(frozen=True)
class Expectation:
    """A number that is wanted, and the one that was found; None: not measured, for the ``reason``."""

    name: str
    wanted: float
    measured: float | None
    unit: str = "×"
    at_most: bool = False
    reason: str = ""

    def verdict(self) -> str:
        """Whether it is met, and by how much not.

        >>> Expectation("time", 8, 10).verdict(), Expectation("time", 8, 6).verdict()
        ('met, 1.25 times', 'short by 25 %')
        >>> Expectation("import", 0.3, 0.36, " s", at_most=True).verdict()
        'over by 20 %'
        """
        if self.measured is None:
            return f"not measured: {self.reason.removeprefix('absent: ') or 'absent'}"
        share = self.measured / self.wanted
        if not math.isfinite(share):
            return "not measured: not a number"
        if self.at_most:
            return f"met, {share:.2f} of it" if share <= 1 else f"over by {_percent(share - 1)}"
        return f"met, {share:.2f} times" if share >= 1 else f"short by {_percent(1 - share)}"

    def cells(self) -> list[str]:
        sign = "≤" if self.at_most else "≥"
        found = "" if self.measured is None else f"{self.measured:.3g}{self.unit}"
        return [self.name, f"{sign} {self.wanted:g}{self.unit}", found, self.verdict()]


def _percent(share: float) -> str:
    """Never 0 % of what is missed."""
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def render(expectations: Iterable[Expectation]) -> str:
    """The table, and how many are met."""
    found = list(expectations)
    verdicts = [e.verdict() for e in found]
    met = sum(v.startswith("met") for v in verdicts)
    missing = sum(v.startswith("not measured") for v in verdicts)
    tally = f"{met} of {len(found)} met" + (f", {missing} not measured" if missing else "") + "."
    return f"{table(['', 'wanted', 'measured', 'verdict'], [e.cells() for e in found])}\n\n{tally}"
