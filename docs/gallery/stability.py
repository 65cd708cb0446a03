"""Stability, measured

Random signals are shifted, stretched and warped, and how far their coefficients move is drawn against the
size of the deformation, |g| = 2^{-J} ‖g‖∞ + ‖∇g‖∞. All changes stay below one line C·|g|, which is what
stability means, and pairs of any signals come no farther apart than the frame bound allows.
"""

from matplotlib.figure import Figure

import groupscat as gs

STRENGTHS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1)


def draw() -> Figure:
    S = gs.Scattering2D(J=3, shape=(64, 64), padding="circular")
    return gs.stability(S, strengths=STRENGTHS).plot()


if __name__ == "__main__":
    from _picture import main

    main(draw)
