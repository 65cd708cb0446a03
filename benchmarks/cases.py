"""What is timed: the configurations, and how to build each with any front end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers import pi_undone

Kind = Literal["1-D", "2-D", "3-D", "JTFS"]


class Transform(Protocol):
    """One transform of a batch, ours and the peers'."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> Kind: ...

    @property
    def batch(self) -> int: ...

    def build(self, front: Any) -> Any:
        """The operator, from a module with our names: ``groupscat`` or ``groupscat.torch``."""

    def build_peer(self, front: Any) -> Any:
        """The peer's operator, from a module of Kymatio."""

    def input(self) -> NDArray[np.float32]:
        """The same signals on every call."""

    def error(self, ours: Any, peer: Any, orders: list[int]) -> float:
        """Largest difference of coefficients relative to the largest one."""


@dataclass(frozen=True)
class Case:
    """One transform of a batch. ``voices``: Q in 1-D, L in 2-D and 3-D."""

    name: str
    kind: Kind
    batch: int
    shape: tuple[int, ...]
    J: int
    voices: int

    def build(self, front: Any) -> Any:
        """The operator, from a module with Kymatio's names: ``groupscat``, ``groupscat.torch`` or itself."""
        if self.kind == "1-D":
            return front.Scattering1D(self.J, self.shape[0], Q=self.voices)
        if self.kind == "2-D":
            return front.Scattering2D(self.J, self.shape, L=self.voices)
        return front.HarmonicScattering3D(self.J, self.shape, L=self.voices, sigma_0=1)

    build_peer = build

    def input(self) -> NDArray[np.float32]:
        """White noise, float32; in 3-D positive, as a density."""
        x = np.random.default_rng(0).standard_normal((self.batch, *self.shape))
        return (np.abs(x) if self.kind == "3-D" else x).astype(np.float32)

    def error(self, ours: Any, peer: Any, orders: list[int]) -> float:
        """Largest difference relative to the largest coefficient, Kymatio's π corrected in 2-D."""
        expected = np.asarray(peer, np.float64)
        if self.kind == "2-D":
            expected = pi_undone(expected, orders, axis=-3)
        return float(np.abs(np.asarray(ours) - expected).max() / np.abs(expected).max())


#: The largest difference from Kymatio at which a timing counts.
AGREEMENT: dict[Kind, float] = {"1-D": 1e-5, "2-D": 1e-4, "3-D": 1e-5, "JTFS": 1e-5}

CASES = (
    Case("2-D 64×32² J=2", "2-D", 64, (32, 32), 2, 8),
    Case("2-D 64×32² J=3", "2-D", 64, (32, 32), 3, 8),
    Case("2-D 16×224² J=3", "2-D", 16, (224, 224), 3, 8),
    Case("2-D 1×32² J=2", "2-D", 1, (32, 32), 2, 8),
    Case("2-D 1×224² J=3", "2-D", 1, (224, 224), 3, 8),
    Case("1-D 16×8192 J=6 Q=8", "1-D", 16, (8192,), 6, 8),
    Case("1-D 4×65536 J=8 Q=12", "1-D", 4, (65536,), 8, 12),
    Case("3-D harmonic 4×64³ J=2 L=3", "3-D", 4, (64, 64, 64), 2, 3),
)
