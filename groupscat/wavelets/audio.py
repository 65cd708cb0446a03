"""The 1-D constant-Q bank: Q wavelets per octave, then equal bandwidths below the elbow."""

from __future__ import annotations

import math
from dataclasses import replace

from groupscat.wavelets.bank import Bank
from groupscat.wavelets.morlet import Gabor, Morlet

#: Kymatio's constants: where neighbouring wavelets cross, the bandwidth of φ at T = 1 (cycles/sample),
#: and how many deviations above ξ a wavelet is taken to reach when its subsampling is chosen.
CROSSING = math.sqrt(0.5)
SIGMA_0 = 0.1
ALPHA = 5.0


def audio_bank(J: int, Q: tuple[int, int], T: float, negative: bool = False) -> Bank:
    """Wavelets of order 1 (Q[0] per octave) and of order ≥ 2 (Q[1] per octave), φ of width T samples.

    Parameters
    ----------
    J : log2 of the largest wavelet scale, samples.
    Q : wavelets per octave at order 1 and at the orders above.
    T : averaging scale of φ, samples.
    negative : also cover the negative frequencies at order 1 (complex input).

    >>> bank = audio_bank(J=3, Q=(1, 1), T=8)
    >>> [round(psi.xi[0], 4) for psi in bank.wavelets(1)]
    [0.35, 0.175, 0.0875, 0.0437]

    Source: Andén & Mallat 2014, section II; REFERENCE values of Kymatio.
    """
    first = _wavelets(J, Q[0])
    if negative:
        mirrored = (replace(psi, xi=(-psi.xi[0],), n=psi.n + len(first)) for psi in first)
        first = (*first, *mirrored)
    phi = Gabor(xi=(0.0,), sigma=(SIGMA_0 / T,), j=int(math.log2(T)), l1=True)
    return Bank(phi, (first, _wavelets(J, Q[1])), alias="fold")


def _wavelets(J: int, Q: int) -> tuple[Morlet, ...]:
    sigma_min = SIGMA_0 / 2**J
    step = 2 ** (1 / Q)
    xi = max(1 / (1 + 2 ** (3 / Q)), 0.35)
    sigma = xi * (1 - 1 / step) / (1 + 1 / step) / math.sqrt(2 * math.log(1 / CROSSING))
    centres = []
    if sigma <= sigma_min:
        # Every constant-Q wavelet would be narrower than the scale allows (large Q, small J): only
        # the equal-bandwidth part is left, below an elbow of one bandwidth, as Kymatio defines it.
        elbow = sigma
    else:
        centres = [(xi, sigma)]
        while sigma > sigma_min * step:
            xi, sigma = xi / step, sigma / step
            centres.append((xi, sigma))
        elbow = xi
    centres += [(elbow - elbow * q / Q, sigma_min) for q in range(1, Q)]
    return tuple(
        Morlet(xi=(x,), sigma=(s,), j=_largest_subsampling(x, s), n=n, l1=True)
        for n, (x, s) in enumerate(centres)
    )


def _largest_subsampling(xi: float, sigma: float) -> int:
    """log2 of the largest stride that keeps ξ + ALPHA·σ below the new Nyquist frequency."""
    return math.floor(-math.log2(min(xi + ALPHA * sigma, 0.5))) - 1
