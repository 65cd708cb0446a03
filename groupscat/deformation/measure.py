"""Lipschitz and deformation constants of any operator, measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupscat.action import WORKING
from groupscat.backend import Array, backend_of, default_backend
from groupscat.checks import choice, integer, positive
from groupscat.deformation.fields import FAMILIES
from groupscat.deformation.packets import Packets, Splines
from groupscat.deformation.result import Pair, Row, Stability
from groupscat.errors import ArgumentError, NotFiniteError, ShapeError
from groupscat.groups import diffeomorphism_norm
from groupscat.scattering import Scattering

Values = NDArray[Any]
#: Size of a small change relative to ‖x‖.
SMALL = 1e-3


def stability(
    S: Callable[[Any], Any],
    x: Array | tuple[int, ...] | None = None,
    *,
    ndim: int | None = None,
    J: float | None = None,
    order: int | None = None,
    families: str | Sequence[str] | None = None,
    strengths: float | Sequence[float] = (0.01, 0.02, 0.05, 0.1),
    signals: int = 4,
    weight: float | None = None,
    like: Array | None = None,
    seed: int = 0,
) -> Stability:
    """Measure how far S moves apart two signals, and a signal and its deformation x(u − g(u)).

    Ratios ‖S(x) − S(y)‖ / ‖x − y‖, none of which exceeds the Lipschitz constant; and
    ‖S(x_g) − S(x)‖ / (m·(2^{-J}‖g‖∞ + ‖∇g‖∞)·‖x‖), none of which exceeds the constant C of the theorem that
    scattering is stable to deformations. An operator without a C, as the modulus of the Fourier transform,
    shows in ratios that grow as deformations of high frequencies get smaller.

    Parameters
    ----------
    S : operator, module, layer or function, from one array to one array. Switch dropout off and batch
        statistics to evaluation first.
    x : None: ``signals`` random signals of the shape that S says; or the shape of one signal, channels
        included; both are :class:`Packets`, known between the samples. Or an array of signals, axis 0
        counting them where it has more than ``ndim`` axes: they are deformed by splines of order 5.
    ndim : how many of the last axes are deformed; default: those of S, or at most 2.
    J : log2 of the range of shifts that S hardly notices; default S.J, or log2 of the shortest side.
    order : the number m of layers; default S.max_order, or 1.
    families : one or more of "translation", "rotation" (not in 1-D), "dilation", "diffeomorphism"; default
        all.
    strengths : ‖∇g‖∞ of the deformations; of translations 2^{-J}‖g‖∞.
    weight : input samples that one number of S(x) stands for, in the squared norm; default that of the
        subsampling of a scattering transform, 1 for all else.
    like : an array whose framework, device and element type the generated signals have. Default: the
        default backend, float64.
    seed : of signals and deformations.

    Returns
    -------
    A :class:`~groupscat.deformation.Stability`.

    Raises
    ------
    ArgumentError : a value that cannot be used. ShapeError : x has fewer axes than are deformed.

    >>> import numpy as np, groupscat as gs
    >>> S = gs.Scattering1D(J=5, shape=256, padding="circular")
    >>> found = gs.stability(S, families=["dilation"])
    >>> found.lipschitz <= found.bound, found.C < 1
    (True, True)
    >>> fourier = gs.stability(lambda x: abs(np.fft.fft(x, norm="ortho")), (256,), J=5, families=["dilation"])
    >>> fourier.C > 3 * found.C
    True

    Source: Mallat 2012, theorem 2.12; Mallat 2016, eq. 8 and 9; Bruna & Mallat 2013, eq. 4.
    """
    amounts = [positive("strengths", s) for s in _several("strengths", strengths)]
    source = _source(S, x, ndim, signals, integer("seed", seed, 0))
    like = x if like is None and not (x is None or isinstance(x, tuple)) else like
    grid, d = source.shape[-source.ndim :], source.ndim
    batch = source.shape[0] if len(source.shape) > d else 1
    J = _range(getattr(S, "J", math.log2(min(grid))) if J is None else J)
    m = integer("order", getattr(S, "max_order", 1) or 1 if order is None else order, 1)
    scale = math.sqrt(_weight(S) if weight is None else positive("weight", weight))
    bound, note = frame_bound(S)

    def outputs(values: Values) -> Values:
        return scale * _host(S(_put(values, like)), S).reshape(batch, -1)

    still = source()
    y, sizes = outputs(still), _norms(still, batch)
    rows = []
    for name in _families(families, d):
        for strength in amounts:
            g = FAMILIES[name](grid, strength, J, np.random.default_rng(seed))
            norm = diffeomorphism_norm(g, J)
            change = _norms(outputs(source(g)) - y, batch)
            rows.append(
                Row(
                    deformation=name,
                    strength=strength,
                    displacement=float(np.linalg.norm(g, axis=-1).max()),
                    gradient=diffeomorphism_norm(g, math.inf),
                    norm=norm,
                    error=_largest(change, _norms(y, batch)),
                    ratio=_largest(change, m * norm * sizes),
                )
            )
    pairs = tuple(_pairs(outputs, still, batch, seed))
    notes = (*source.notes, note) if note else source.notes
    return Stability(tuple(rows), pairs, bound, J, m, notes)


def frame_bound(S: Any) -> tuple[float | None, str]:
    """Π max(1, B)^{1/2} over the layers of a scattering transform and its low-pass, and what it rests on.

    None, with the reason, where no such bound is known.
    """
    S = getattr(S, "operator", S)  # a framework's module holds its operator
    if not isinstance(S, Scattering):
        return None, ""
    if S.T == 0:
        return None, "without an average (T=0) the frame bound does not limit all orders together"
    if S.padding != "circular":
        return None, f'padding={S.padding!r} repeats samples: the frame bound needs padding="circular"'
    if S.config.get("rho", "modulus") not in ("modulus", "rectifier"):
        return None, "rho is a function of the user's: whether it contracts is not known"
    layers = [min(m, 2) for m in range(1, S.max_order + 2)]
    bound = math.prod(max(1.0, S.littlewood_paley(m).upper) ** 0.5 for m in layers)
    coarse = S.output.stride is None or S.output.stride > 1
    return (
        bound,
        "the frame bound holds up to aliasing, some per cent; exactly with stride=1" if coarse else "",
    )


def _pairs(outputs: Callable[[Values], Values], x: Values, batch: int, seed: int) -> Iterator[Pair]:
    rng = np.random.default_rng(seed + 1)
    noise, other = rng.standard_normal((2, *x.shape))
    small = SMALL * np.linalg.norm(x) / np.linalg.norm(noise)
    kinds = {
        "white noise, another": (noise, other),
        "white noise, zero": (noise, np.zeros_like(x)),
        "signal, zero": (x, np.zeros_like(x)),
        "signal, with a little noise": (x, x + small * noise),
    }
    for kind, (a, b) in kinds.items():
        distance = _norms(a - b, batch)
        change = _norms(outputs(a) - outputs(b), batch)
        yield Pair(kind, float(distance.max()), _largest(change, distance))


def _source(S: Any, x: Any, ndim: int | None, signals: int, seed: int) -> Packets | Splines:
    """The signals to deform."""
    inside = getattr(S, "shape", None)
    given = None if x is None or isinstance(x, tuple) else _host(x)
    if given is None:
        wanted = inside if x is None else x
        if wanted is None:
            raise ArgumentError(f"{type(S).__name__} does not say the shape of its input: pass x=(N_1, …).")
        sizes = (integer(f"x[{k}]", n, 1) for k, n in enumerate(wanted))
        shape = (integer("signals", signals, 1), *sizes)
    else:
        shape = given.shape
        if not given.size:
            raise ShapeError(f"x has shape {shape}, no signal; expected at least one.")
        if not np.isfinite(given).all():
            raise NotFiniteError("x holds NaN or infinity, of which no distances can be measured; clean it.")
    usual = len(inside) if inside else min(2, max(1, len(shape) - 1))
    d = usual if ndim is None else integer("ndim", ndim, 1)
    if len(shape) < d:
        raise ShapeError(f"x has shape {shape}, fewer than the ndim={d} axes that are deformed.")
    return Packets(shape, d, seed=seed) if given is None else Splines(given, d)


def _families(names: str | Sequence[str] | None, d: int) -> list[str]:
    if names is None:
        return [name for name in FAMILIES if name != "rotation" or d > 1]
    chosen = [choice("families", name, tuple(FAMILIES)) for name in _several("families", names)]
    if d == 1 and "rotation" in chosen:
        raise ArgumentError("families: signals on a line are not rotated; leave out 'rotation'.")
    return chosen


def _several(name: str, values: Any) -> list[Any]:
    """The values of an argument that takes a sequence, or one value alone."""
    found = list(values) if isinstance(values, Iterable) and not isinstance(values, str) else [values]
    if not found:
        raise ArgumentError(f"{name}={values!r} leaves nothing to measure; give at least one.")
    return found


def _range(J: Any) -> float:
    try:
        number = float(J)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ArgumentError(f"J={J!r}: expected a number, log2 of a number of samples.")
    return number


def _weight(S: Any) -> float:
    """Input samples per output sample of a scattering transform."""
    S = getattr(S, "operator", S)
    if not isinstance(S, Scattering) or S.T == 0:
        return 1.0
    return math.prod(S.shape) / math.prod(S.output_shape[1:])


def _largest(change: Values, size: Values) -> float:
    return float(np.max(change / np.where(size > 0, size, np.inf)))


def _norms(values: Values, batch: int) -> Values:
    """The norm of each signal."""
    return np.asarray(np.linalg.norm(values.reshape(batch, -1), axis=1))


def _put(values: Values, like: Array | None) -> Array:
    if like is None:
        return default_backend().put(values, "float64")
    backend = backend_of(like)
    dtype = backend.dtype(like)
    return backend.asarray(values, dtype=WORKING.get(dtype, dtype), like=like)


def _host(y: Array, S: Any = None) -> Values:
    """The values in float64 or complex128."""
    if isinstance(y, list | tuple | dict):
        raise ArgumentError(
            f"{type(S).__name__} returns a {type(y).__name__}, expected one array. Wrap it in a function "
            'that returns one, or use out_type="array".'
        )
    backend = backend_of(y)
    dtype = backend.dtype(y)
    values = backend.to_numpy(backend.cast(y, WORKING.get(dtype, dtype)))
    return values.astype(np.result_type(values.dtype, np.float64))
