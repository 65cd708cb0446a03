"""The angle between two wavelets

Translation scattering knows which orientations an image has, and where each of them is strong. By the angle α
from the first wavelet to the second, roto-translation scattering knows how they lie to each other, whichever
way the image is turned.

Above, stripes that grow and fade along themselves; below, stripes that do so across. The second wavelet
responds to that, at α = 90° above and at α = 0° below.
"""

import numpy as np
from matplotlib.figure import Figure

import groupscat as gs
from groupscat import plot


def draw() -> Figure:
    u = np.arange(128)
    stripes = np.cos(2 * np.pi * 0.3 * u)[:, None]
    slow = 1 + np.cos(2 * np.pi * 0.09 * u)
    S = gs.RotoTranslationScattering2D(J=3, shape=(128, 128), L=8)
    figure = Figure(figsize=(11, 6.5), layout="constrained", dpi=120)
    parts = figure.subfigures(2, 2, width_ratios=(1, 2.8), squeeze=False)
    for row, image in enumerate((stripes * slow, stripes * slow[:, None] + 0 * u)):
        left, right = parts[row]
        ax = left.subplots()
        ax.imshow(image, cmap="gray")
        ax.set(xlabel="pixel", ylabel="pixel")
        plot.angular_response(S, S(image), right)
    return figure


if __name__ == "__main__":
    from _picture import main

    main(draw)
