"""Coverage of the frequencies of a sound

The black line is the Littlewood-Paley sum |φ̂|² + ½ Σ |ψ̂|² of all wavelets. Where it is 1 the bank keeps
the energy of the signal, where it is small that frequency is lost. Its smallest and largest values A and B
bound the energy of the wavelet transform: A‖x‖² ≤ ‖Wx‖² ≤ B‖x‖².

Filters are Kymatio's by default: each |ψ̂| has the height 1, and the sum is about ½, because of a real
signal they see the positive half of the spectrum only. The gap between φ and the lowest wavelet is theirs
too.
"""

from matplotlib.figure import Figure

import groupscat as gs
from groupscat import plot


def draw() -> Figure:
    S = gs.Scattering1D(J=8, shape=2**13, Q=8, sampling_rate=16_000)
    return plot.littlewood_paley(S)


if __name__ == "__main__":
    from _picture import main

    main(draw)
