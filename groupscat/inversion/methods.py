"""Methods of descent on vectors of float64, which know nothing of operators and frameworks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
#: Value and gradient at a point.
Evaluate = Callable[[Vector], tuple[float, Vector]]
#: Told the value at every new iterate.
Step = Callable[[float], None]

#: Pairs of steps and changes of the gradient that L-BFGS keeps.
MEMORY = 20
#: Decay of the two running means of Adam, and what keeps its divisor from 0.
BETA, EPSILON = (0.9, 0.999), 1e-12


def lbfgs(
    evaluate: Evaluate, x: Vector, steps: int, low: float, high: float, rate: float, step: Step
) -> bool:
    """L-BFGS-B of SciPy, taken up anew without memory where its line search fails.

    A modulus has a kink at 0, across which gradients kept from before mislead.

    Parameters
    ----------
    low, high : bounds of every number. rate : not used, there is a line search.

    Returns
    -------
    Whether all steps were done; False: not even the gradient leads down any more.

    Source: Byrd, Lu, Nocedal & Zhu 1995, as ``scipy.optimize.minimize`` has it.
    """
    from scipy.optimize import Bounds, minimize

    def callback(intermediate_result: Any) -> None:
        step(float(intermediate_result.fun))

    bounds = Bounds(low, high) if math.isfinite(low) or math.isfinite(high) else None
    while steps > 0:
        options = {"maxiter": steps, "maxfun": 100 * steps, "maxcor": MEMORY, "ftol": 0.0, "gtol": 0.0}
        found = minimize(
            evaluate, x, jac=True, method="L-BFGS-B", bounds=bounds, callback=callback, options=options
        )
        if found.nit == 0:
            return False
        x, steps = found.x, steps - found.nit
    return True


def adam(evaluate: Evaluate, x: Vector, steps: int, low: float, high: float, rate: float, step: Step) -> bool:
    """Adam, its steps falling from ``rate`` to 0 along half a cosine; always True.

    Source: Kingma & Ba 2015, algorithm 1; Loshchilov & Hutter 2017 for the cosine.
    """
    mean, square = np.zeros_like(x), np.zeros_like(x)
    _, gradient = evaluate(x)
    for k in range(steps):
        mean += (1 - BETA[0]) * (gradient - mean)
        square += (1 - BETA[1]) * (gradient**2 - square)
        size = rate * (1 + math.cos(math.pi * k / steps)) / 2
        direction = mean / (1 - BETA[0] ** (k + 1))
        direction /= np.sqrt(square / (1 - BETA[1] ** (k + 1))) + EPSILON
        x = np.clip(x - size * direction, low, high)
        value, gradient = evaluate(x)
        step(value)
    return True


METHODS = {"lbfgs": lbfgs, "adam": adam}
