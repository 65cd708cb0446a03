"""Kymatio, made importable and comparable; everything else of a peer stays as its authors released it."""

from __future__ import annotations

import importlib
import importlib.util
import math
import warnings
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

ABSENT = "absent: pip install -r benchmarks/requirements.txt"

#: What was changed in a peer before it was measured, and how it was timed; printed in every report.
CHANGES = (
    "SciPy ≥ 1.17 has no sph_harm, which Kymatio imports: it is supplied from sph_harm_y.",
    "Kymatio 0.3.0 folds 1-D filters by their mean, which makes coefficients too small by powers of two; "
    "periodize_filter_fourier is made to sum instead. Filters are built once, so no timing changes.",
    "Kymatio's 2-D filters are normalised with 3.1415 for π; its outputs of order m are multiplied by "
    "(3.1415/π)^(m+1) where equality is checked, outside of the timing.",
    "One large block is freed before each case (benchmarks.timing.warm_allocator), for both sides, so that "
    "times do not depend on what ran before; NumPy is timed after Torch, not between its calls.",
)


@dataclass(frozen=True)
class Peer:
    """A peer library: its front end, or the reason why there is none."""

    name: str
    module: ModuleType | None
    reason: str = ""

    def __bool__(self) -> bool:
        return self.module is not None


@cache
def kymatio(front: Literal["torch", "numpy"] = "torch") -> Peer:
    """Kymatio's modules for a framework, with the changes listed in ``CHANGES``."""
    label = {"torch": "Torch", "numpy": "NumPy"}[front]
    if importlib.util.find_spec("kymatio") is None:
        return Peer(f"Kymatio ({label})", None, ABSENT)
    name = f"Kymatio {version('kymatio')} ({label})"
    if importlib.util.find_spec(front) is None:
        return Peer(name, None, f"absent: it is compared on {label}, which is not installed")
    _supply_sph_harm()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module(f"kymatio.{front}")
    _fold_by_sum()
    return Peer(name, module)


def pi_undone(coefficients: NDArray[Any], orders: list[int], axis: int) -> NDArray[Any]:
    """Kymatio's 2-D coefficients as they would be with π in place of its 3.1415.

    >>> float(pi_undone(np.ones((1, 1)), [0], -1)[0, 0]) == 3.1415 / math.pi
    True
    """
    factor = (3.1415 / math.pi) ** (1.0 + np.array(orders))
    trailing = (1,) * (-1 - axis) if axis < 0 else (1,) * (coefficients.ndim - 1 - axis)
    return np.asarray(coefficients * factor.reshape(-1, *trailing))


def _supply_sph_harm() -> None:
    import scipy.special

    if not hasattr(scipy.special, "sph_harm"):

        def sph_harm(m: Any, n: Any, azimuthal: Any, polar: Any) -> Any:
            return scipy.special.sph_harm_y(n, m, polar, azimuthal)

        scipy.special.sph_harm = sph_harm


def _fold_by_sum() -> None:
    bank = importlib.import_module("kymatio.scattering1d.filter_bank")

    def periodize_filter_fourier(h_f: NDArray[Any], nperiods: int = 1) -> NDArray[Any]:
        return np.asarray(h_f.reshape(nperiods, -1).sum(axis=0))

    vars(bank)["periodize_filter_fourier"] = periodize_filter_fourier
