"""The table of paths of time-frequency scattering: time wavelets, and one along log-frequency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from groupscat.plan.paths import Path, Wavelet
from groupscat.wavelets.morlet import Gabor

#: Kinds of coefficients: order 0, then what filters the scalogram in time and along log-frequency.
KINDS = ("order 0", "phi_t phi_f", "phi_t psi_f", "psi_t phi_f", "psi_t psi_f+", "psi_t psi_f-")


@dataclass(frozen=True, repr=False)
class JointPath(Path):
    """One coefficient | |x ⋆ ψ_n1| ⋆ Ψ | ⋆ φ with Ψ(t, λ) = ψ_n2(t) ψ_n_fr(λ), where each may be a low-pass.

    Parameters
    ----------
    wavelets : those in time: (ψ_n1,), (ψ_n1, ψ_n2); without ψ_n1 where the coefficient has an axis of rows.
    depth : the order. along : the filter along log-frequency.
    seen : the wavelets ψ_n1 of the rows that are filtered, where the coefficient has an axis of rows.
    """

    depth: int = 0
    along: Gabor | None = None
    seen: tuple[Wavelet, ...] = ()

    @property
    def order(self) -> int:
        return self.depth

    @property
    def n1(self) -> int | None:
        """Index of the first-order wavelet of this row; None for a coefficient with an axis of rows."""
        return self.n[0] if self.depth and len(self.wavelets) == self.depth else None

    @property
    def n2(self) -> int | None:
        """Index of the second-order wavelet in time."""
        return self.n[-1] if self.depth == 2 else None

    @property
    def n_fr(self) -> int | None:
        """Index of the filter along log-frequency; 0 is the low-pass."""
        return None if self.along is None else self.along.n

    @property
    def spin(self) -> int | None:
        """+1: responds to rising chirps, −1: to falling ones, 0: to both."""
        return None if self.xi_fr is None else (self.xi_fr > 0) - (self.xi_fr < 0)

    @property
    def j_fr(self) -> int | None:
        """Scale of the filter along log-frequency: its response may be subsampled by 2^j_fr rows."""
        return None if self.along is None else self.along.j

    @property
    def xi_fr(self) -> float | None:
        """Centre frequency along log-frequency, cycles per row."""
        return None if self.along is None else self.along.xi[0]

    @property
    def sigma_fr(self) -> float | None:
        """Bandwidth along log-frequency (standard deviation), cycles per row."""
        return None if self.along is None else self.along.sigma[0]

    @property
    def kind(self) -> str:
        """Which filters meet in this coefficient: one of ``KINDS``."""
        if self.along is None:
            return KINDS[0]
        if self.depth == 1:
            return KINDS[2 if self.spin else 1]
        return KINDS[3 if not self.spin else 4 if self.spin > 0 else 5]

    @property
    def address(self) -> tuple[Any, ...]:
        return self.n if self.along is None else (*self.n, self.n_fr)

    @property
    def identity(self) -> tuple[Any, ...]:
        return (self.depth, self.address)

    @property
    def rank(self) -> tuple[Any, ...]:
        return tuple(-1 if n is None else n for n in (self.depth, self.n2, self.n_fr, self.n1))

    def located(self, rows: Mapping[tuple[Any, ...], int], rate: float | None) -> JointPath:
        """The path with its sampling rate; its parent is the order 1 of the same row, if that is there."""
        wavelets = self.wavelets[: len(self.wavelets) - 1] if self.depth == 2 else ()
        address = (*(w.n for w in wavelets), 0)
        parent = rows.get((1, address) if self.depth == 2 else (0, ()), -1) if self.depth else -1
        return replace(self, parent=parent, rate=rate)

    def row(self) -> dict[str, Any]:
        row: dict[str, Any] = {"order": self.order, "kind": self.kind}
        row |= {"n1": self.n1, "n2": self.n2, "n_fr": self.n_fr, "spin": self.spin}
        row |= {"n": self.n, "j": self.j, "j_fr": self.j_fr, "xi": self.xi, "xi_fr": self.xi_fr}
        row |= {"sigma": self.sigma, "sigma_fr": self.sigma_fr}
        if self.rate is not None:
            row["hz"] = self.hz
        return row | {"parent": self.parent}
