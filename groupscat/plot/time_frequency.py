"""The coefficients of a time series against time and frequency."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groupscat.backend import Array
from groupscat.errors import ArgumentError, ShapeError
from groupscat.plot.figures import POSITIVE, check_dimension, new_figure, on_host, one_signal
from groupscat.plot.frequencies import frequency_label
from groupscat.scattering import Scattering

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
    times = np.append((np.arange(picture.shape[1]) - 0.5) * stride, S.shape[0]) / rate
    figure = new_figure(figure, 8.0, 4.6 if x is not None else 3.6)
    if x is None:
        ax = figure.subplots()
    else:
        wave, ax = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3))
        samples = on_host(x)
        wave.plot(np.arange(S.shape[0]) / rate, samples.real, lw=0.6, color="0.2")
        wave.set_ylabel("signal")
    drawn = ax.pcolormesh(
        times, _edges(centres), picture, cmap=POSITIVE, vmin=-80 if db else 0, vmax=0 if db else None
    )
    if (centres > 0).all():
        ax.set_yscale("log", base=2 if S.sampling_rate is None else 10)
    ax.set(
        xlabel="time, samples" if S.sampling_rate is None else "time, s",
        ylabel=frequency_label(S),
        xlim=(0, S.shape[0] / rate),
    )
    figure.colorbar(drawn, ax=ax, label=label)
    return figure


def _edges(centres: NDArray[Any]) -> NDArray[Any]:
    """Borders between ascending frequencies: geometric means where they are positive."""
    if len(centres) == 1:
        return np.array([centres[0] / math.sqrt(2), centres[0] * math.sqrt(2)])
    positive = bool((centres > 0).all())
    c = np.log(centres) if positive else centres
    middle = (c[1:] + c[:-1]) / 2
    edges = np.concatenate([[2 * c[0] - middle[0]], middle, [2 * c[-1] - middle[-1]]])
    return np.asarray(np.exp(edges) if positive else edges)
