"""The one table of tolerances: relative to max(max|reference|, max|x|), each with its reason."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

TOLERANCE = {
    "float64": 1e-12,  # a few thousand roundings of 1e-16, and filters cut where they are below 1e-12
    "float32": 1e-5,  # a few hundred roundings of 6e-8
    "float16": 1e-3,  # computed in float32, rounded once to 11 bits at the end
}
#: Real transforms drop what the solid harmonics leave in the Nyquist bins of even sides: below 1e-6 of a
#: filter's maximum by construction (groupscat.plan.harmonic.NYQUIST).
NYQUIST = 1e-6
#: Moments with q < 1 are ill-conditioned on compact input: d x^q is unbounded at 0, so that two float64
#: evaluations differ by up to (1e-12)^q.
SMALL_POWER = {"float64": 1e-6, "float32": 5e-2}
#: A padding shorter than Kymatio's power of two leaves out what is more than 9 deviations of the widest
#: filter away; three filters in a row are √3 times as wide, exp(−(9.3/√3)²/2) = 5e-7.
TIGHT_PADDING = 1e-6
#: Kymatio's golden files are float32, or float64 with float32 filters.
GOLDEN = 1e-6
#: Kymatio's 2-D filters are normalised by 3.1415 instead of π: 3e-5 per order.
GOLDEN_PI = 1e-4


def relative_error(actual: ArrayLike, reference: ArrayLike, x: ArrayLike = 0.0) -> float:
    """max|actual − reference| / max(max|reference|, max|x|); 0 for empty arrays, inf for NaN."""
    actual, reference, x = np.asarray(actual), np.asarray(reference), np.asarray(x)
    if actual.shape != reference.shape:
        raise AssertionError(f"shape {actual.shape}, expected {reference.shape}")
    if actual.size == 0:
        return 0.0
    error = float(np.abs(actual.astype(_wide(actual)) - reference).max())
    scale = max(float(np.abs(reference).max()), float(np.abs(x).max()) if x.size else 0.0)
    if np.isnan(error):
        return float("inf")
    return error / scale if scale > 0 else (0.0 if error == 0 else float("inf"))


def assert_close(
    actual: ArrayLike, reference: ArrayLike, x: ArrayLike = 0.0, tolerance: float | str = "float64"
) -> None:
    """Fail, with the error found, unless ``actual`` equals ``reference`` within the tolerance."""
    limit = TOLERANCE[tolerance] if isinstance(tolerance, str) else tolerance
    error = relative_error(actual, reference, x)
    assert error <= limit, f"relative error {error:.3g} exceeds {limit:.3g}"


def _wide(x: np.ndarray[Any, Any]) -> type:
    return np.complex128 if np.iscomplexobj(x) else np.float64
