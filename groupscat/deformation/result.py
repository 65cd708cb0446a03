"""What a measurement of stability returns: rows, constants, a table, a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Pair:
    """Two signals: what kind, ‖x − y‖, and the ratio ‖S(x) − S(y)‖ / ‖x − y‖, the largest of the batch's."""

    kind: str
    distance: float
    ratio: float


@dataclass(frozen=True)
class Row:
    """A deformation, and how it changes what S gives.

    Attributes
    ----------
    deformation : its family. strength : ‖∇g‖∞, of translations 2^{-J}‖g‖∞.
    displacement : ‖g‖∞ in samples. gradient : ‖∇g‖∞. norm : 2^{-J}‖g‖∞ + ‖∇g‖∞.
    error : ‖S(x_g) − S(x)‖ / ‖S(x)‖. ratio : ‖S(x_g) − S(x)‖ / (m · norm · ‖x‖). The largest of the batch.
    """

    deformation: str
    strength: float
    displacement: float
    gradient: float
    norm: float
    error: float
    ratio: float


@dataclass(frozen=True)
class Stability:
    """Measured constants of an operator; ``print`` shows the tables.

    Attributes
    ----------
    rows : one per deformation. pairs : one per kind of pair of signals.
    bound : Π max(1, B)^{1/2} of the measured frame bounds, None where none is known.
    J, order : those of the deformation bound C·m·(2^{-J}‖g‖∞ + ‖∇g‖∞)·‖x‖, m = ``order``.
    notes : what the numbers depend on.
    """

    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    bound: float | None
    J: float
    order: int
    notes: tuple[str, ...] = ()

    @property
    def lipschitz(self) -> float:
        """The largest ratio of the pairs: no Lipschitz constant is smaller."""
        return max(pair.ratio for pair in self.pairs)

    @property
    def constants(self) -> dict[str, float]:
        """C of each family of deformations: its largest ratio."""
        names = dict.fromkeys(row.deformation for row in self.rows)
        return {name: max(r.ratio for r in self.rows if r.deformation == name) for name in names}

    @property
    def C(self) -> float:
        """C of all deformations."""
        return max(self.constants.values())

    def plot(self, figure: Figure | None = None) -> Figure:
        """Errors against the sizes of the deformations, and the ratios of pairs against the frame bound."""
        from groupscat.plot.stability import stability

        return stability(self, figure)

    def __str__(self) -> str:
        bound = "no bound is known" if self.bound is None else f"frame bound {self.bound:.3g}"
        width = max(len(text) for text in [*(p.kind for p in self.pairs), "deformation", *self.constants])
        lines = [f"Lipschitz constant at least {self.lipschitz:.3g}; {bound}"]
        lines.append(f"  {'pair':<{width}}  {'‖x−y‖':>8}  ‖S(x)−S(y)‖/‖x−y‖")
        lines += [f"  {p.kind:<{width}}  {p.distance:8.3g}  {p.ratio:.3g}" for p in self.pairs]
        lines.append(
            f"deformation constant at least C = {self.C:.3g} "
            f"in C·m·(2^-J ‖g‖∞ + ‖∇g‖∞)·‖x‖, J = {self.J:.3g}, m = {self.order}"
        )
        head = (
            f"  {'deformation':<{width}}  {'‖g‖∞':>8}  {'‖∇g‖∞':>8}  {'|g|':>8}  {'error':>8}  {'ratio':>8}"
        )
        lines.append(head)
        for r in self.rows:
            numbers = (r.displacement, r.gradient, r.norm, r.error, r.ratio)
            columns = "  ".join(f"{number:8.3g}" for number in numbers)
            lines.append(f"  {r.deformation:<{width}}  {columns}")
        lines += [f"  C of {name}s: {value:.3g}" for name, value in self.constants.items()]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])
