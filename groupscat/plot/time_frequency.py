"""The coefficients of a time series against time and frequency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from groupscat.backend import Array
from groupscat.errors import ArgumentError, ShapeError
from groupscat.plot.figures import POSITIVE, averaged, check_dimension, new_figure, on_host, one_signal
from groupscat.plot.frequencies import edges, frequency_label, logarithmic
from groupscat.scattering import Scattering

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Carriers weaker than this part of the strongest have no modulation worth showing.
QUIET = 0.02


def scalogram(
    S: Scattering,
    x: Array | None = None,
    *,
    y: Array | None = None,
    db: bool = False,
    figure: Figure | None = None,
) -> Figure:
    """The coefficients of order 1 of one time series against time and log-frequency.

    Parameters
    ----------
    x : the signal, shape (N,), to be transformed and drawn above; or
    y : its coefficients, shape (paths, times). Give one of them.
    db : 20·log10 of the coefficients relative to the largest, cut at −80 dB.

    Raises
    ------
    ArgumentError : S is not 1-D, has no order 1 or no time axis, or both or none of x and y are given.
    ShapeError : x or y is not one signal's. ImportError : matplotlib is not installed.
    """
    check_dimension(S, "scalogram", (1,))
    if (x is None) == (y is None):
        raise ArgumentError("scalogram needs the signal x or its coefficients y=, one of them.")
    if S.output.stride is None or S.out_type != "array":
        raise ArgumentError('scalogram needs a common time axis: a T other than "global", out_type="array".')
    if x is not None and tuple(np.shape(x)) != S.shape:
        raise ShapeError(
            f"scalogram draws one signal of shape {S.shape}, got {tuple(np.shape(x))}; pass x[0]."
        )
    values = one_signal(S, S(x) if y is None else y)
    rows = [k for k, path in enumerate(S.paths) if path.order == 1]
    if not rows:
        raise ArgumentError("scalogram needs paths of order 1; this operator has max_order=0.")
    rate = S.sampling_rate or 1.0
    rows.sort(key=lambda k: S.paths[k].xi[0])
    centres = np.array([S.paths[k].xi[0] for k in rows]) * rate
    picture, label = values[rows], "coefficient, units of the signal"
    if db:
        picture = 20 * np.log10(np.maximum(picture, 1e-300) / (picture.max() or 1.0))
        label = "coefficient, dB relative to the largest"
    stride = S.output.stride
    # Padding may put the first output up to a stride after the first sample.
    first = S.axes[0].start(stride) * stride - S.axes[0].left
    times = first + (np.arange(picture.shape[1] + 1) - 0.5) * stride
    times[0], times[-1] = 0, S.shape[0]
    times /= rate
    figure = new_figure(figure, 8.0, 4.6 if x is not None else 3.6)
    if x is None:
        ax = figure.subplots()
    else:
        wave, ax = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3))
        samples = on_host(x)
        wave.plot(np.arange(S.shape[0]) / rate, samples.real, lw=0.6, color="0.2")
        wave.set_ylabel("signal")
    drawn = ax.pcolormesh(
        times, edges(centres), picture, cmap=POSITIVE, vmin=-80 if db else 0, vmax=0 if db else None
    )
    if (centres > 0).all():
        logarithmic(S, ax, "y")
    ax.set(
        xlabel="time, samples" if S.sampling_rate is None else "time, s",
        ylabel=frequency_label(S),
        xlim=(0, S.shape[0] / rate),
    )
    figure.colorbar(drawn, ax=ax, label=label)
    return figure


def modulations(S: Scattering, y: Array, figure: Figure | None = None) -> Figure:
    """The coefficients of order 2 of one time series, averaged over time, against both frequencies.

    The first wavelet finds a carrier, the second one how fast its amplitude varies. Each coefficient is
    divided by the one of order 1 that it comes from, so colours show the depth of modulation, whatever
    the strength of the carrier. Pairs without a path stay grey, and so do carriers weaker than
    ``QUIET`` times the strongest.

    Parameters
    ----------
    y : coefficients of one signal, shape (paths, times) or (paths,), of any framework.

    Raises
    ------
    ArgumentError : S is not 1-D or has no order 2. ShapeError : y is not one signal's.

    Source: Andén & Mallat 2014, section 5.
    """
    check_dimension(S, "modulations", (1,))
    values = averaged(S, y)
    rows = S.paths.select(order=2)
    if not rows:
        raise ArgumentError("modulations needs paths of order 2; this operator has none.")
    rate = S.sampling_rate or 1.0
    centres = [(S.paths[k].wavelets[0].xi[0], S.paths[k].wavelets[1].xi[0]) for k in rows]
    carriers, rhythms = (sorted({pair[m] for pair in centres}) for m in (0, 1))
    picture = np.full((len(rhythms), len(carriers)), np.nan)
    quiet = QUIET * float(values[S.paths.select(order=1)].max())
    for k, (carrier, rhythm) in zip(rows, centres, strict=True):
        place = rhythms.index(rhythm), carriers.index(carrier)
        strength = values[S.paths[k].parent]
        picture[place] = values[k] / strength if strength > quiet else np.nan
    figure = new_figure(figure, 6.4, 4.0)
    ax = figure.subplots()
    borders = edges(np.array(carriers) * rate), edges(np.array(rhythms) * rate)
    drawn = ax.pcolormesh(*borders, picture, cmap=POSITIVE, vmin=0)
    ax.set_facecolor("0.85")
    loud = np.flatnonzero(np.isfinite(picture).any(axis=0))
    if loud.size:
        ax.set_xlim(borders[0][loud[0]], borders[0][loud[-1] + 1])
    for axis, frequencies in (("x", carriers), ("y", rhythms)):
        if min(frequencies) > 0:
            logarithmic(S, ax, axis)
    unit = frequency_label(S).removeprefix("frequency, ")
    ax.set(xlabel=f"carrier (order 1), {unit}", ylabel=f"modulation (order 2), {unit}")
    figure.colorbar(drawn, ax=ax, label="order 2 / order 1")
    return figure
