"""A signal whose coefficients are given: ‖S(x) − target‖ made small by gradient descent."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from groupscat.backend import Array, backend_of, get_backend
from groupscat.checks import choice, integer, positive
from groupscat.errors import ArgumentError
from groupscat.inversion.descent import Descent
from groupscat.inversion.methods import METHODS
from groupscat.inversion.problem import Problem, goal_on, shape_of_x
from groupscat.inversion.result import Reconstruction

if TYPE_CHECKING:
    from groupscat.data.progress import Counter, Progress


def reconstruct(
    S: Callable[[Any], Any],
    target: Array,
    *,
    start: Array | None = None,
    shape: int | tuple[int, ...] | None = None,
    backend: str | None = None,
    device: str | None = None,
    method: str = "lbfgs",
    steps: int = 500,
    tolerance: float = 1e-3,
    patience: int = 50,
    rate: float = 0.1,
    bounds: tuple[float | None, float | None] | None = None,
    seed: int = 0,
    progress: bool | Progress | None = None,
) -> Reconstruction:
    """Find x with ‖S(x) − target‖ ≤ tolerance · ‖target‖ by gradient descent from white noise.

    The result has the coefficients, and whatever they do not determine (a shift by less than the averaging
    scale, a sign) is left to the start. Signals of a batch are found together, one error for all.

    Parameters
    ----------
    S : operator, module, layer or function, from one array to one array, that the framework of the target
        differentiates. Switch dropout off and batch statistics to evaluation first.
    target : coefficients, an array of Torch, TensorFlow or JAX; or of NumPy, with ``backend``.
    start : the first x; default white noise, scaled so that its coefficients come nearest the target's.
    shape : of x; default: that of the start, or what S says (``S.shape`` and ``S.output_shape``).
    backend, device : where to compute ("torch", "cuda:0"); default: where the target is.
    method : "lbfgs" (SciPy's, with a line search) or "adam", which forgives noisy gradients.
    steps : at most so many.
    tolerance : of the error relative to ‖target‖.
    patience : end after so many steps in which the error fell by less than 0.1 %.
    rate : first step of Adam, in units of the start's root mean square.
    bounds : (low, high) of every number of x; None for no bound.
    seed : of the noise.
    progress : True: a bar (tqdm); None: one on a terminal, where tqdm is installed.

    Returns
    -------
    A :class:`Reconstruction` with the best x met, also after Ctrl-C; NumPy in, NumPy out.

    Raises
    ------
    BackendError : the framework has no gradients; the message names those that do.
    ShapeError : the target is not what S gives. NotFiniteError : the target or S at the start is not finite.
    ArgumentError : a value that cannot be used, or an S that is not differentiable.

    >>> import numpy as np, groupscat as gs
    >>> S = gs.Scattering1D(J=3, shape=64)
    >>> x = np.sin(np.arange(64) ** 2 / 60)
    >>> found = gs.reconstruct(S, S(x), backend="torch", tolerance=0.1)
    >>> found.error < 0.1, found.x.shape, found.stopped
    (True, (64,), 'tolerance')

    Source: Andén & Mallat 2014; Bruna & Mallat 2019, "Multiscale sparse microcanonical models".
    """
    descend = METHODS[choice("method", method, tuple(METHODS))]
    steps, patience = integer("steps", steps, 0), integer("patience", patience, 1)
    rate, (low, high) = positive("rate", rate), _bounds(bounds)
    tolerance, seed = _tolerance(tolerance), integer("seed", seed, 0)
    begun = time.perf_counter()
    source = backend_of(target)
    engine = source if backend is None else get_backend(backend)
    goal = goal_on(engine, device, source, target)
    problem = Problem(S, goal, engine, shape_of_x(S, engine.shape(goal), start, shape))
    with engine.scope(goal), _counter(progress, steps) as counter:
        descent = Descent(problem, problem.start(start, seed), tolerance, patience, counter)
        stopped = descent.run(descend, steps, low, high, rate)
        x = problem.array(descent.best)
    return Reconstruction(
        x=x if engine is source else source.asarray(engine.to_numpy(x)),
        error=descent.error,
        errors=tuple(descent.errors),
        stopped=stopped,
        evaluations=descent.evaluations,
        seconds=time.perf_counter() - begun,
    )


def _tolerance(tolerance: Any) -> float:
    try:
        number = float(tolerance)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise ArgumentError(f"tolerance={tolerance!r}: expected a number ≥ 0, relative to ‖target‖.")
    return number


def _bounds(bounds: tuple[float | None, float | None] | None) -> tuple[float, float]:
    try:
        low, high = (None, None) if bounds is None else bounds
        pair = (-math.inf if low is None else float(low), math.inf if high is None else float(high))
    except (TypeError, ValueError):
        pair = (math.nan, math.nan)
    if not pair[0] < pair[1]:
        raise ArgumentError(f"bounds={bounds!r}: expected (low, high) with low < high, None for no bound.")
    return pair


def _counter(progress: bool | Progress | None, steps: int) -> contextlib.AbstractContextManager[Counter]:
    """A bar of the steps, if it is wanted and can be had."""
    from groupscat.data.progress import Bars, Progress

    if isinstance(progress, Progress):
        return progress.counter(steps, "step", "reconstructing")
    bars = Progress()
    if progress or (progress is None and sys.stderr is not None and sys.stderr.isatty()):
        with contextlib.nullcontext() if progress else contextlib.suppress(ImportError):
            bars = Bars()
    return bars.counter(steps, "step", "reconstructing")
