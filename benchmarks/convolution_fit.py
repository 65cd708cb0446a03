"""The constants that n-d convolution chooses by, fitted to times: ``python -m benchmarks.convolution_fit``.

Prints every strategy's time with gradients for a range of shapes, what is chosen now and would be when
fitted, and how much longer the choices take than the best ones. Torch on a CPU, float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product

import numpy as np
import torch

from benchmarks.convolution_cases import CASES, Case, both_ways, ours
from benchmarks.tables import table
from benchmarks.timing import Effort, interleaved
from groupscat.convolution.arguments import axes_of
from groupscat.plan import strategy as rule

EFFORT = Effort(budget=2, least=3, most=9)
NAMES = ("GROUPED", "MATRIX", "TRANSFORM", "MOVE", "GATHER", "START")
#: Factors that each constant is tried at.
STEPS = (0.25, 0.5, 1.0, 2.0, 4.0)


def shapes() -> Iterator[Case]:
    """Those of the benchmark and of the hierarchical network, and others: axes, taps, channels, strides."""
    yield from CASES
    for side, stride in ((16, 1), (16, 2), (8, 1), (8, 2), (4, 1)):
        sizes, strides = (side, side, 8, 16), (stride, stride, 2, 2)
        yield Case(f"network, {side}², {strides}", 8, (1, 16), sizes, (3, 3, 7, 11), strides)
    for sizes, taps in (
        ((32, 32), (3, 3)),
        ((16, 16, 16), (3, 3, 3)),
        ((16, 16, 16), (5, 5, 5)),
        ((24, 24, 8), (3, 3, 3)),
        ((24, 24, 8), (5, 5, 7)),
        ((16, 16, 8, 4), (3, 3, 3, 3)),
        ((16, 16, 4, 4), (3, 3, 3, 3)),
        ((8, 8, 6, 6, 4), (3, 3, 3, 3, 3)),
    ):
        for channels, stride in product(((1, 16), (8, 8), (24, 24)), (1, 2)):
            strides = (1, 1, *(stride,) * (len(sizes) - 2))
            if len(sizes) > 2 or stride == 1:
                yield Case(f"{taps} of {sizes}, {channels}, {strides}", 2, channels, sizes, taps, strides)


def fit() -> str:
    """The times, and the regret of the present and of the fitted constants."""
    measured = [(case, _times(case)) for case in shapes()]
    present = tuple(getattr(rule, name) for name in NAMES)
    fitted = min(product(STEPS, repeat=len(NAMES)), key=lambda f: _regret(measured, _scaled(present, f)))
    best = _scaled(present, fitted)
    rows = [
        [case.name, *(f"{1e3 * times[s]:.1f}" for s in rule.STRATEGIES), min(times, key=times.__getitem__)]
        + [_chosen(case, constants) for constants in (present, best)]
        for case, times in measured
    ]
    header = ["case", *(f"{s}, ms" for s in rule.STRATEGIES), "best", "chosen now", "chosen when fitted"]
    verdicts = [
        f"{what}: {', '.join(f'{n} = {c:.2f}' for n, c in zip(NAMES, constants, strict=True))}; the choice "
        f"takes {np.exp(_regret(measured, constants)):.3f} times as long as the best in the geometric mean"
        for what, constants in (("now", present), ("fitted", best))
    ]
    return "\n\n".join([table(header, rows), *verdicts])


def _times(case: Case) -> dict[str, float]:
    x, w = case.inputs(torch.float32)
    calls = {s: both_ways(ours(s)(case, w), x) for s in rule.STRATEGIES}
    return {s: timing.median for s, timing in interleaved(calls, EFFORT).items()}


def _scaled(constants: tuple[float, ...], factors: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(c * f for c, f in zip(constants, factors, strict=True))


def _regret(measured: list[tuple[Case, dict[str, float]]], constants: tuple[float, ...]) -> float:
    """Mean logarithm of the time of the choice over that of the best."""
    with _constants(constants):
        return float(np.mean([np.log(t[_choice(case)] / min(t.values())) for case, t in measured]))


def _chosen(case: Case, constants: tuple[float, ...]) -> str:
    with _constants(constants):
        return _choice(case)


def _choice(case: Case) -> str:
    axes = axes_of(case.sizes, case.taps, case.strides)
    return rule.choose.__wrapped__(axes, *case.channels, groups=1).strategy


@contextmanager
def _constants(values: tuple[float, ...]) -> Iterator[None]:
    kept = {name: getattr(rule, name) for name in NAMES}
    try:
        vars(rule).update(zip(NAMES, values, strict=True))
        yield
    finally:
        vars(rule).update(kept)


if __name__ == "__main__":
    print(fit())
