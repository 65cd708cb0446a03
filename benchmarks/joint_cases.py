"""Joint time-frequency scattering as it is timed, against Kymatio's main branch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.cases import Kind


@dataclass(frozen=True)
class JointCase:
    """Scattering of a batch of signals, in the order of paths that both libraries have by default.

    J, Q : scales and wavelets per octave in time; J_fr : scales along log-frequency, with one wavelet per
    octave. T = 2^J, F = 2^J_fr.
    """

    name: str
    batch: int
    length: int
    J: int
    J_fr: int
    Q: int
    kind: Kind = "JTFS"

    def build(self, front: Any) -> Any:
        """The operator, from a module with our names: ``groupscat``, ``groupscat.torch`` or Kymatio's."""
        return front.TimeFrequencyScattering(J=self.J, J_fr=self.J_fr, shape=self.length, Q=self.Q)

    build_peer = build

    def input(self) -> NDArray[np.float32]:
        """White noise, float32."""
        return np.random.default_rng(0).standard_normal((self.batch, self.length)).astype(np.float32)

    def error(self, ours: Any, peer: Any, orders: list[int]) -> float:
        """Largest difference relative to the largest coefficient.

        Kymatio samples wavelets on the periods [1 − P, P) of the frequency axis, which for the highest one of
        spin −1 leaves out a tail of 2e-5; ours are the exact conjugates of spin +1. Here that shows as 1e-6.
        """
        expected = np.asarray(peer, np.float64)
        return float(np.abs(np.asarray(ours) - expected).max() / np.abs(expected).max())


JOINT_CASES = (
    JointCase("JTFS 1×8192 J=8 Q=8 J_fr=3", 1, 8192, 8, 3, 8),
    JointCase("JTFS 8×8192 J=8 Q=8 J_fr=3", 8, 8192, 8, 3, 8),
    JointCase("JTFS 1×65536 J=10 Q=16 J_fr=4", 1, 65536, 10, 4, 16),
)
