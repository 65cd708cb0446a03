"""Pictures of reconstructions: the error against the steps, and results beside what they should be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from groupscat.backend import Array
from groupscat.errors import ArgumentError, ShapeError
from groupscat.inversion.result import Reconstruction
from groupscat.plot.figures import POSITIVE, new_figure, on_host

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

#: Samples of a window of the spectrogram, at most, and what is drawn below its maximum, decibels.
WINDOW, RANGE = 128, 50.0


def errors(found: Reconstruction | Mapping[str, Reconstruction], ax: Axes | None = None) -> Figure:
    """‖S(x) − target‖ / ‖target‖ against the steps, on a logarithmic scale; several by their names."""
    several = found if isinstance(found, Mapping) else {"": found}
    if ax is None:
        ax = new_figure(None, 5.6, 3.4).subplots()
    for name, result in several.items():
        ax.semilogy(result.errors, label=name)
    ax.set(xlabel="step", ylabel="relative error of the coefficients")
    ax.grid(alpha=0.3)
    if several.keys() != {""}:
        ax.legend()
    return cast("Figure", ax.figure)


def reconstructions(
    found: Mapping[str, Reconstruction],
    original: Array | None = None,
    *,
    sampling_rate: float | None = None,
    figure: Figure | None = None,
) -> Figure:
    """The original and reconstructions by their names side by side, with the errors against the steps.

    Of signals (N,) waveforms and below them spectrograms, of images (H, W) or (3, H, W) pictures; of complex
    ones the real part.

    Raises
    ------
    ShapeError : they differ in shape, or are neither signals nor images.
    ArgumentError : there is none. ImportError : matplotlib is not installed.
    """
    if not found:
        raise ArgumentError("There is no reconstruction to draw: pass a dict of names and reconstructions.")
    shown = {} if original is None else {"original": on_host(original).real}
    shown |= {f"{name}\nerror {result.error:.1e}": on_host(result.x).real for name, result in found.items()}
    shapes = {values.shape for values in shown.values()}
    (shape, *others) = shapes
    if others or not (len(shape) in (1, 2) or (len(shape) == 3 and shape[0] == 3)):
        raise ShapeError(f"Expected signals (N,) or images (H, W) or (3, H, W) of one shape, got {shapes}.")
    one_d = len(shape) == 1
    figure = new_figure(figure, 3.1 * len(shown) + 3.0, 3.6 if one_d else 3.1)
    parts: Any = figure.subfigures(1, 2, width_ratios=(len(shown), 1.05))
    left, right = parts
    (_signals if one_d else _images)(left, shown, sampling_rate)
    ax = right.subplots()
    errors(found, ax)
    return figure


def _images(figure: SubFigure, shown: dict[str, NDArray[Any]], rate: float | None) -> None:
    low = min(values.min() for values in shown.values())
    high = max(values.max() for values in shown.values())
    if "original" in shown:
        low, high = shown["original"].min(), shown["original"].max()
    for ax, (name, values) in zip(
        figure.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True
    ):
        scaled = np.clip((values - low) / ((high - low) or 1.0), 0, 1)
        ax.imshow(np.moveaxis(scaled, 0, -1) if scaled.ndim == 3 else scaled, cmap="gray", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.set_title(name, fontsize=10)


def _signals(figure: SubFigure, shown: dict[str, NDArray[Any]], rate: float | None) -> None:
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann

    rows = figure.subplots(2, len(shown), squeeze=False, sharex=True, sharey="row", height_ratios=(1, 1.6))
    top = 0.0
    size = next(iter(shown.values())).shape[0]
    window = max(2, min(WINDOW, size // 4))
    transform = ShortTimeFFT(hann(window, sym=False), max(1, window // 16), rate or 1.0)
    energies = [np.abs(transform.stft(values.astype(float))) ** 2 for values in shown.values()]
    top = max(float(energy.max()) for energy in energies) or 1.0
    time, unit = (np.arange(size) / rate, "s") if rate else (np.arange(size), "samples")
    for (wave, plane), (name, values), energy in zip(rows.T, shown.items(), energies, strict=True):
        wave.plot(time, values, lw=0.6)
        wave.set_title(name, fontsize=10)
        decibels = 10 * np.log10(energy / top + 10 ** (-RANGE / 10))
        plane.imshow(
            decibels, origin="lower", aspect="auto", cmap=POSITIVE, vmin=-RANGE, extent=transform.extent(size)
        )
        plane.set(xlabel=f"time, {unit}", xlim=(time[0], time[-1]))
    rows[1, 0].set_ylabel("frequency, Hz" if rate else "frequency, cycles/sample")
