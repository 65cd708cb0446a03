"""How far a coefficient looks: from the widths of the wavelets on its path, in closed form.

The envelope of a Morlet wavelet of bandwidth σ (cycles/sample) is a Gaussian of deviation 1/(2πσ) samples,
and ρ does not increase differences. So two signals that agree up to M samples from t have coefficients with

    |S x(t) − S x'(t)| ≤ max|x − x'| · Σ_{|u| > M} (|ψ_1| ⋆ … ⋆ |ψ_m| ⋆ φ)(u),

and the sum is at most a constant near 1 times the tail of one Gaussian, whose variance is the sum of theirs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from groupscat.errors import ArgumentError
from groupscat.plan.joint_paths import JointPath
from groupscat.plan.paths import Path, Wavelet
from groupscat.scattering import Operator, TimeFrequencyScattering
from groupscat.scattering.restricted import Restricted
from groupscat.scattering.translation import Scattering
from groupscat.wavelets.morlet import Morlet


def in_time(operator: Operator) -> Scattering:
    """The scattering along time inside an operator.

    Raises
    ------
    ArgumentError : it does not act along one axis.
    """
    if isinstance(operator, Restricted):
        return in_time(operator.operator)
    if isinstance(operator, TimeFrequencyScattering):
        return operator.time
    if isinstance(operator, Scattering) and len(operator.shape) == 1:
        return operator
    raise ArgumentError(
        f"{type(operator).__name__} of shape {operator.shape} does not act along time alone; expected "
        "Scattering1D or TimeFrequencyScattering. (Filters of images are cut off in frequency, so they reach "
        "everywhere.)"
    )


def reach(operator: Operator, error: float = 1e-12) -> int:
    """Samples on each side of a coefficient beyond which the signal does not matter.

    Parameters
    ----------
    error : what samples further away may change a coefficient by, relative to the largest |x|.

    Returns
    -------
    M, samples. The small filters of ``method="cascade"`` end for good, whatever the error.

    Raises
    ------
    ArgumentError : an operator that does not act along time, or an error that is not between 0 and 1.

    >>> import groupscat as gs
    >>> S = gs.Scattering1D(J=6, shape=4096, Q=8)
    >>> reach(S), reach(S.replace(T=16)), reach(S, error=1e-4)
    (1167, 924, 657)
    """
    if not 0 < error < 1:
        raise ArgumentError(f"error={error!r}: expected a number between 0 and 1, as 1e-12.")
    time = in_time(operator)
    if time.method == "cascade":
        return _taps(time)
    from statistics import NormalDist

    normal = NormalDist()
    chains = _chains(operator)
    return max((math.ceil(-normal.inv_cdf(error / (4 * gain)) * width) for width, gain in chains), default=0)


def error_bound(operator: Operator, samples: int) -> float:
    """What the signal beyond ``samples`` may change a coefficient by, relative to its largest value.

    >>> import groupscat as gs
    >>> S = gs.Scattering1D(J=6, shape=4096, Q=8)
    >>> error_bound(S, reach(S)) <= 1e-12 < error_bound(S, reach(S) - 1)
    True
    """
    time = in_time(operator)
    if time.method == "cascade":
        return 0.0 if samples >= _taps(time) else 2.0
    # 2·max|x| at most, times both tails of the Gaussian.
    tails = (gain * math.erfc(samples / (math.sqrt(2) * width)) for width, gain in _chains(operator))
    return min(2.0, 2 * max(tails, default=0.0))


def _chains(operator: Operator) -> Iterator[tuple[float, float]]:
    """Of each path the deviation of its Gaussian, samples, and the constant before its tail."""
    time = in_time(operator)
    # A time-frequency transform averages its scalogram even where it does not average coefficients.
    averages = time.output.mode == "local" or time is not operator
    low = _variance(time.bank.phi) if averages else 0.0
    found = set()
    for path in operator.paths:
        for wavelets in _along_time(path):
            gain = math.prod(1 / (1 - psi.correction) for psi in wavelets if isinstance(psi, Morlet))
            found.add((math.sqrt(low + sum(map(_variance, wavelets))), gain))
    yield from found - {(0.0, 1)}  # the signal itself, sampled: it looks nowhere else


def _along_time(path: Path) -> Iterator[tuple[Wavelet, ...]]:
    """The wavelets in time on a path; of each of its rows, where it has an axis of rows."""
    if isinstance(path, JointPath) and path.seen:
        yield from ((psi, *path.wavelets) for psi in path.seen)
    else:
        yield path.wavelets


def _variance(wavelet: Wavelet) -> float:
    return float((2 * math.pi * wavelet.sigma[0]) ** -2)


def _taps(time: Scattering) -> int:
    """The filters of a layer, twice as far apart in each."""
    longest = max(time.cascade.low.size, time.cascade.band.shape[-1])
    return int(longest // 2 * (2**time.J - 1))
