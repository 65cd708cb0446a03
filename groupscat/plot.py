"""Pictures of filters and coefficients. Each function returns a matplotlib Figure; no display is needed.

>>> import groupscat as gs
>>> from groupscat import plot
>>> S = gs.Scattering2D(J=2, shape=(32, 32))
>>> plot.filters(S).savefig("filters.png")  # doctest: +SKIP

Needs matplotlib: ``pip install "groupscat[plot]"``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from groupscat.backend import Array, backend_of
from groupscat.errors import ArgumentError, ShapeError
from groupscat.scattering import Scattering
from groupscat.scattering.operator import Operator
from groupscat.wavelets.bank import fft_frequencies
from groupscat.wavelets.littlewood_paley import littlewood_paley as measure
from groupscat.wavelets.morlet import Morlet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Samples per axis at which the spectra of closed-form filters are drawn: finer than any image's grid.
FINE = {1: 8192, 2: 257}
ORDER_COLOURS = ("0.45", "tab:blue", "tab:orange", "tab:green", "tab:red")
#: Diverging for signed filters, sequential for what is never negative.
SIGNED, POSITIVE = "RdBu_r", "magma"
#: Radius of the part of a scattering disk that φ covers, in rings.
INSIDE = 0.6
#: A filter is drawn as far as it exceeds this fraction of the largest value in its row.
VISIBLE = 0.02


def filters(S: Scattering, figure: Figure | None = None) -> Figure:
    """The wavelets and the low-pass.

    In two dimensions the real parts in space, one row per scale and one column per orientation, and φ;
    every picture has its own colour scale, symmetric about 0, and every row its own window. Angles are
    those in which the wavelet oscillates as one sees it, counter-clockwise from the right. In one dimension
    the moduli of the spectra against frequency, one panel for each order that has a bank of its own.

    Parameters
    ----------
    figure : an empty figure to draw in; None: a new one.

    Raises
    ------
    ArgumentError : S is neither 1-D nor 2-D. ImportError : matplotlib is not installed.
    """
    d = _dimension(S, "filters", (1, 2))
    return _filters_1d(S, figure) if d == 1 else _filters_2d(S, figure)


def _filters_1d(S: Scattering, figure: Figure | None) -> Figure:
    banks = _spectra(S)
    figure = _figure(figure, 8.0, 2.3 * len(banks) + 0.9)
    panels = figure.subplots(len(banks), 1, sharex=True, squeeze=False)[:, 0]
    rate = S.sampling_rate or 1.0
    for ax, (title, freqs, phi, psi, _) in zip(panels, banks, strict=True):
        shades = _colours("viridis", len(psi))
        for spectrum, colour in zip(psi, shades, strict=True):
            ax.plot(freqs * rate, spectrum, color=colour, lw=1.1)
        ax.plot(freqs * rate, phi, color="0.25", lw=1.6, ls="--", label="φ")
        _frequency_axis(S, ax, min(min(c) for *_, c in banks))
        ax.set(ylim=(0, None), ylabel="|ψ̂(ω)|", title=title)
        ax.legend(loc="upper left")
    panels[-1].set_xlabel(_frequency_label(S))
    return figure


def _filters_2d(S: Scattering, figure: Figure | None) -> Figure:
    phi, rows = _in_space(S)
    count = len(rows[0])
    # A real wave runs both ways; only complex input tells a direction from its opposite.
    period = 360 if S.complex_input else 180
    angles = [round(math.degrees(_direction(w.xi)), 6) % period for w in _oriented(S)]
    figure = _figure(figure, 1.2 * (count + 1) + 0.8, 1.35 * len(rows) + 0.8)
    panels = figure.subplots(len(rows), count + 1, squeeze=False)
    for ax in panels.flat:
        ax.set(xticks=[], yticks=[])
    for ax in panels[1:, 0]:
        ax.remove()
    for j, row in enumerate(rows):
        for k, psi in enumerate(_windowed(row)):
            _signed_image(panels[j, k + 1], psi)
        panels[j, 1].set_ylabel(f"j = {j}\n{psi.shape[0]} × {psi.shape[1]} px", fontsize=9)
    for k, angle in enumerate(angles):
        panels[0, k + 1].set_title(f"θ = {k}\n{round(angle)}°", fontsize=9)
    (low,) = _windowed([phi])
    _signed_image(panels[0, 0], low)
    panels[0, 0].set_title("φ", fontsize=9)
    panels[0, 0].set_ylabel(f"J = {S.J}\n{low.shape[0]} × {low.shape[1]} px", fontsize=9)
    figure.suptitle(f"φ and the real parts of the wavelets, J = {S.J}, L = {S.L}", fontsize=11)
    return figure


def littlewood_paley(S: Scattering, order: int = 1, figure: Figure | None = None) -> Figure:
    """The Littlewood-Paley sum of one order's bank and its bounds A, B on the transform's own grid.

    In two dimensions an image over the frequency plane and its section along the first diagonal and both
    axes; in one the sum with the spectra that it is made of.

    Raises
    ------
    ArgumentError : S is neither 1-D nor 2-D. ImportError : matplotlib is not installed.
    """
    d = _dimension(S, "littlewood_paley", (1, 2))
    bounds = S.littlewood_paley(order)
    if S.method == "cascade":
        total = S.cascade.littlewood_paley(S.J, (FINE[d],) * d).total
    else:
        total = measure(S.bank, (FINE[d],) * d, order, real_input=not (S.complex_input and order == 1)).total
    freqs = np.fft.fftshift(np.fft.fftfreq(FINE[d]))
    total = np.fft.fftshift(total)
    title = f"Littlewood-Paley sum, order {order}: A = {bounds.lower:.3g}, B = {bounds.upper:.3g}"
    if d == 1:
        figure = _figure(figure, 8.0, 3.4)
        ax = figure.subplots()
        _lines_1d(S, ax, freqs, total, order)
        ax.set_title(title)
        return figure
    figure = _figure(figure, 9.0, 4.0)
    plane, sections = figure.subplots(1, 2, width_ratios=(1, 1.15))
    edge = 0.5 + 0.5 / FINE[2]
    drawn = plane.imshow(
        total, origin="upper", extent=(-edge, edge, -edge, edge), cmap=POSITIVE, vmin=0, vmax=total.max()
    )
    plane.set(xlabel="horizontal frequency, cycles/pixel", ylabel="vertical frequency, cycles/pixel")
    figure.colorbar(drawn, ax=plane, shrink=0.85)
    middle = FINE[2] // 2
    sections.plot(freqs[middle:], total[middle, middle:], label="horizontal")
    sections.plot(freqs[middle:], total[middle:, middle], label="vertical", ls="--")
    sections.plot(math.sqrt(2) * freqs[middle:], np.diag(total)[middle:], label="diagonal")
    sections.axhline(1, color="0.6", lw=0.8)
    sections.set(xlabel="|frequency|, cycles/pixel", ylim=(0, None), xlim=(0, math.sqrt(0.5)))
    sections.legend(title="section")
    figure.suptitle(title)
    return figure


def _lines_1d(S: Scattering, ax: Axes, freqs: NDArray[Any], total: NDArray[Any], order: int) -> None:
    rate = S.sampling_rate or 1.0
    banks = _spectra(S)
    _, fine, phi, psi, centres = banks[min(order, len(banks)) - 1]
    ax.plot(fine * rate, phi**2, color="0.25", lw=1.0, ls="--", label="|φ̂|²")
    for k, spectrum in enumerate(psi):
        # A real signal has both halves of the spectrum, so each wavelet counts half in each of them.
        part = spectrum**2 if S.complex_input and order == 1 else spectrum**2 / 2
        ax.plot(fine * rate, part, color="tab:blue", lw=0.7, alpha=0.6, label=None if k else "each |ψ̂|²")
    ax.plot(freqs * rate, total, color="black", lw=1.6, label="sum")
    ax.axhline(1, color="0.6", lw=0.8)
    _frequency_axis(S, ax, min(centres))
    ax.set(xlabel=_frequency_label(S), ylim=(0, 1.25 * max(1.0, total.max())))
    ax.legend(loc="upper center", ncols=3)


def _frequency_axis(S: Scattering, ax: Axes, lowest: float) -> None:
    """Logarithmic from well below the lowest centre frequency; linear where there are negative ones."""
    rate = S.sampling_rate or 1.0
    if S.complex_input:
        ax.set_xlim(-rate / 2, rate / 2)
    else:
        ax.set_xscale("log", base=2 if S.sampling_rate is None else 10)
        ax.set_xlim(lowest / 4 * rate, rate / 2)


def scattering_disk(
    S: Scattering, y: Array, image: Array | None = None, figure: Figure | None = None
) -> Figure:
    """The coefficients of orders 1 and 2 of one image on the disk of frequencies, averaged over space.

    A ring is a scale, fine scales outside; a sector lies in the direction in which the wavelet oscillates,
    as one sees it in the picture, and again opposite, because the spectrum of a real image is symmetric.
    At order 2 each cell (j1, θ1) is divided along the radius by j2 (coarse inside) and along the angle by
    θ2. Colours give the mean coefficient; cells without a path are left grey.

    Parameters
    ----------
    y : coefficients of one image, shape (paths, *grid) or (paths,), of any framework.
    image : the image itself, shape (H, W), drawn beside the disks.

    Raises
    ------
    ShapeError : y is not one image's. ArgumentError : S is not 2-D. ImportError : matplotlib is missing.

    Source: Bruna & Mallat 2013, section 4; Sifre & Mallat 2013, figure 3.
    """
    _dimension(S, "scattering_disk", (2,))
    values = _averaged(S, y)
    orders = [m for m in (1, 2) if any(path.order == m for path in S.paths)]
    if not orders:
        raise ArgumentError("scattering_disk needs paths of order 1; this operator has max_order=0.")
    count = len(orders) + (image is not None)
    figure = _figure(figure, 4.2 * count, 4.3)
    place = 1
    if image is not None:
        ax = figure.add_subplot(1, count, place)
        drawn = ax.imshow(_host(image), cmap="gray")
        ax.set_title("image")
        ax.set(xlabel="pixel", ylabel="pixel")
        figure.colorbar(drawn, ax=ax, shrink=0.7, orientation="horizontal")
        place += 1
    for order in orders:
        disk: Any = figure.add_subplot(1, count, place, projection="polar")
        _disk(S, values, order, disk)
        place += 1
    return figure


def _disk(S: Scattering, values: NDArray[Any], order: int, ax: Any) -> None:
    from matplotlib.collections import PolyCollection
    from matplotlib.patheffects import withStroke

    rows = [k for k, path in enumerate(S.paths) if path.order == order]
    rings = 1 + max(S.paths[k].j[0] for k in rows)
    cells = [_cell(S, k, rings) for k in rows]
    turns = (0.0,) if S.complex_input else (0.0, math.pi)
    corners = [_sector(lo, hi, start + turn, stop + turn) for turn in turns for lo, hi, start, stop in cells]
    drawn = PolyCollection(
        corners, array=np.tile(values[rows], len(turns)), cmap=POSITIVE, edgecolors="face", lw=0.2
    )
    drawn.set_clim(0, float(values[rows].max()) or 1.0)
    ax.add_collection(drawn)
    ax.set_facecolor("0.85")
    ax.grid(visible=False)
    ax.set(ylim=(0, INSIDE + rings), yticks=[])
    ax.set_title(
        f"order {order}" + (", cells (j₁, θ₁) divided by (j₂, θ₂)" if order == 2 else ""), fontsize=10
    )
    name = "j" if order == 1 else "j₁"
    for j in range(rings):
        circle = np.linspace(0, 2 * math.pi, 181)
        ax.plot(circle, np.full(181, INSIDE + j), color="0.6", lw=0.5)
        label = ax.text(
            math.pi / 2, INSIDE + rings - j - 0.5, f"{name} = {j}", ha="center", va="center", fontsize=8
        )
        label.set(color="white", path_effects=[withStroke(linewidth=2, foreground="black")])
    ax.figure.colorbar(
        drawn, ax=ax, shrink=0.7, orientation="horizontal", label="mean coefficient, units of the image"
    )


def _cell(S: Scattering, row: int, rings: int) -> tuple[float, float, float, float]:
    """Radii and angles (from, to) between which a path of order 1 or 2 is drawn."""
    path, width = S.paths[row], math.pi / S.L
    angles = [_direction(xi) for xi in path.xi]
    outer = INSIDE + rings - path.j[0]
    if path.order == 1:
        return outer - 1, outer, angles[0] - width / 2, angles[0] + width / 2
    parts, part = S.J - 1 - path.j[0], path.j[1] - path.j[0]
    # θ2 − θ1 in steps of π/L, −L/2 ≤ step < L/2, each a part of the sector of θ1.
    step = (round((angles[1] - angles[0]) / width) + S.L // 2) % S.L
    start = angles[0] - width / 2 + step * width / S.L
    return outer - part / parts, outer - (part - 1) / parts, start, start + width / S.L


def _sector(lo: float, hi: float, start: float, stop: float) -> NDArray[np.float64]:
    """Corners (angle, radius) of a piece of a ring, its arcs in steps of about 2°."""
    arc = np.linspace(start, stop, 2 + round((stop - start) / math.radians(2)))
    out = np.stack([arc, np.full(len(arc), hi)], axis=1)
    back = np.stack([arc[::-1], np.full(len(arc), lo)], axis=1)
    return np.concatenate([out, back])


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
    _dimension(S, "scalogram", (1,))
    if (x is None) == (y is None):
        raise ArgumentError("scalogram needs the signal x or its coefficients y=, one of them.")
    if S.output.stride is None or S.out_type != "array":
        raise ArgumentError('scalogram needs a common time axis: a T other than "global", out_type="array".')
    if x is not None and tuple(np.shape(x)) != S.shape:
        raise ShapeError(
            f"scalogram draws one signal of shape {S.shape}, got {tuple(np.shape(x))}; pass x[0]."
        )
    values = _one(S, S(x) if y is None else y)
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
    figure = _figure(figure, 8.0, 4.6 if x is not None else 3.6)
    if x is None:
        ax = figure.subplots()
    else:
        wave, ax = figure.subplots(2, 1, sharex=True, height_ratios=(1, 3))
        samples = _host(x)
        wave.plot(np.arange(S.shape[0]) / rate, samples.real, lw=0.6, color="0.2")
        wave.set_ylabel("signal")
    drawn = ax.pcolormesh(
        times, _edges(centres), picture, cmap=POSITIVE, vmin=-80 if db else 0, vmax=0 if db else None
    )
    if (centres > 0).all():
        ax.set_yscale("log", base=2 if S.sampling_rate is None else 10)
    ax.set(
        xlabel="time, samples" if S.sampling_rate is None else "time, s",
        ylabel=_frequency_label(S),
        xlim=(0, S.shape[0] / rate),
    )
    figure.colorbar(drawn, ax=ax, label=label)
    return figure


def coefficients(S: Operator, y: Array, ax: Axes | None = None) -> Figure:
    """The coefficients of one signal averaged over its grid, a bar per path in the order of ``S.paths``.

    The scale is logarithmic where the coefficients are positive. Colours tell the orders apart.

    Raises
    ------
    ShapeError : y is not one signal's. ImportError : matplotlib is not installed.
    """
    values = _averaged(S, y)
    if ax is None:
        ax = _figure(None, 9.0, 3.4).subplots()
    orders = np.array(S.paths.column("order"))
    for order in sorted(set(orders.tolist())):
        rows = np.flatnonzero(orders == order)
        colour = ORDER_COLOURS[order % len(ORDER_COLOURS)]
        ax.bar(rows, values[rows], width=1.0, color=colour, label=f"order {order} ({len(rows)})")
    if values.min() > 0:
        ax.set_yscale("log")
    else:
        ax.axhline(0, color="0.5", lw=0.6)
    ax.set(xlabel="path, row of S.paths", ylabel="mean coefficient", xlim=(-0.5, len(values) - 0.5))
    ax.legend(loc="upper right", ncols=3)
    return cast("Figure", ax.figure)


def _figure(figure: Figure | None, width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError('Pictures need matplotlib: pip install "groupscat[plot]"') from error
    if figure is not None:
        return figure
    new: Figure = Figure(figsize=(width, height), layout="constrained", dpi=120)
    return new


def _colours(name: str, count: int) -> NDArray[Any]:
    from matplotlib import colormaps

    return np.asarray(colormaps[name](np.linspace(0.05, 0.9, count)))


def _dimension(S: Operator, name: str, known: tuple[int, ...]) -> int:
    d = len(S.shape)
    if not isinstance(S, Scattering) or d not in known:
        wanted = " or ".join(f"Scattering{k}D" for k in known)
        raise ArgumentError(f"plot.{name} draws a {wanted}, got {type(S).__name__} of shape {S.shape}.")
    return d


Panel = tuple[str, NDArray[Any], NDArray[Any], NDArray[Any], list[float]]


def _spectra(S: Scattering) -> list[Panel]:
    """Per 1-D bank: title, frequencies (ascending), |φ̂|, |ψ̂| per wavelet, centres, on a fine grid."""
    n = max(FINE[1], S.axes[0].padded)
    phi: NDArray[Any]
    psi: NDArray[Any]
    grid = fft_frequencies((n,))
    (freqs,) = grid
    shift = np.fft.fftshift
    if S.method == "cascade":
        levels = [S.cascade.equivalent(level) for level in range(1, S.J + 1)]
        psi = np.concatenate([np.abs(np.fft.fft(psi, n)) for _, psi in levels])
        centres = [w.xi[0] for j in range(S.J) for w in S.cascade.at_scale(j)]
        phi = np.abs(np.fft.fft(levels[-1][0], n))
        return [
            (
                "equivalent filters of the cascade, every order",
                shift(freqs),
                shift(phi),
                shift(psi, 1),
                centres,
            )
        ]
    panels: list[Panel] = []
    same = S.bank.wavelets(1) == S.bank.wavelets(2)
    for order in (1,) if same or S.max_order < 2 else (1, 2):
        wavelets = S.bank.wavelets(order)
        # Normalised on the operator's own grid, drawn on a finer one.
        size = (S.axes[0].padded,)
        phi = S.bank.phi.hat(grid, size=size)
        psi = np.stack([w.hat(grid, size=size) for w in wavelets])
        title = f"order {order}: {len(wavelets)} wavelets" if not same else f"{len(wavelets)} wavelets"
        panels.append((title, shift(freqs), shift(phi), shift(psi, 1), [w.xi[0] for w in wavelets]))
    return panels


def _in_space(S: Scattering) -> tuple[NDArray[Any], list[list[NDArray[Any]]]]:
    """φ and the real parts of ψ by scale and orientation, the origin in the middle."""
    if S.method == "cascade":
        levels = [S.cascade.equivalent(level) for level in range(1, S.J + 1)]
        size = int(max(levels[-1][1].shape[1:]))
        return _centred(levels[-1][0], size), [[_centred(w.real, size) for w in psi] for _, psi in levels]
    spaces = np.fft.fftshift(S.filters.psi_space(1).real, axes=(1, 2))
    wavelets = S.bank.wavelets(1)
    rows: list[list[NDArray[Any]]] = [
        [spaces[k] for k, w in enumerate(wavelets) if w.j == j] for j in range(S.J)
    ]
    return np.fft.fftshift(S.filters.phi_space()), rows


def _centred(w: NDArray[Any], size: int) -> NDArray[Any]:
    before = [(size - n) // 2 for n in w.shape]
    return np.pad(w, [(b, size - n - b) for b, n in zip(before, w.shape, strict=True)])


def _oriented(S: Scattering) -> tuple[Morlet, ...]:
    """The wavelets of the finest scale, one per orientation."""
    if S.method == "cascade":
        return S.cascade.at_scale(0)
    return tuple(w for w in S.bank.wavelets(1) if w.j == 0)


def _windowed(row: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Pictures of one size cut to the part, square about the middle, where one of them is visible."""
    stack = np.abs(np.stack(row))
    middle = [n // 2 for n in stack.shape[1:]]
    seen = np.argwhere(stack.max(axis=0) > VISIBLE * stack.max())
    reach = int(np.abs(seen - middle).max())
    part = tuple(slice(max(0, m - reach), m + reach + 1) for m in middle)
    return [w[part] for w in row]


def _signed_image(ax: Axes, values: NDArray[Any]) -> None:
    top = np.abs(values).max()
    ax.imshow(values, cmap=SIGNED, vmin=-top, vmax=top)


def _direction(xi: Any) -> float:
    """The angle at which a wavelet oscillates in a picture whose rows run downwards, radians."""
    down, right = xi
    return math.atan2(-down, right)


def _edges(centres: NDArray[Any]) -> NDArray[Any]:
    """Borders between ascending frequencies: geometric means where they are positive."""
    if len(centres) == 1:
        return np.array([centres[0] / math.sqrt(2), centres[0] * math.sqrt(2)])
    positive = bool((centres > 0).all())
    c = np.log(centres) if positive else centres
    middle = (c[1:] + c[:-1]) / 2
    edges = np.concatenate([[2 * c[0] - middle[0]], middle, [2 * c[-1] - middle[-1]]])
    return np.asarray(np.exp(edges) if positive else edges)


def _frequency_label(S: Scattering) -> str:
    return "frequency, cycles/sample" if S.sampling_rate is None else "frequency, Hz"


def _host(x: Array) -> NDArray[Any]:
    return np.asarray(backend_of(x).to_numpy(x))


def _one(S: Operator, y: Array) -> NDArray[Any]:
    """Coefficients of one signal on the host, shape (paths, *grid)."""
    if isinstance(y, list | dict):
        raise ArgumentError(f"The picture needs coefficients in one array; this operator has {S.out_type=}.")
    values = _host(y)
    values = np.abs(values) if np.iscomplexobj(values) else values
    shape = tuple(S.output_shape)
    if values.shape != shape and values.shape != shape[:1]:
        raise ShapeError(
            f"The picture is of one signal, whose coefficients have shape {shape}; got {values.shape}. "
            "Of a batch pass one, for example y[0]."
        )
    return values.reshape(len(S.paths), -1)


def _averaged(S: Operator, y: Array) -> NDArray[Any]:
    return np.asarray(_one(S, y).mean(axis=1))


__all__ = ["coefficients", "filters", "littlewood_paley", "scalogram", "scattering_disk"]
