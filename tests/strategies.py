"""Strategies of the library's own tests: those it publishes, and operators that the oracle can follow."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

import groupscat as gs
from groupscat.testing.strategies import PADDINGS, arguments, batches, paddings, shapes, signals
from tests.oracle import resolution

__all__ = ["PADDINGS", "arguments", "batches", "operators", "paddings", "shapes", "signals", "windows"]


@st.composite
def operators(draw: st.DrawFn, ndim: int | None = None) -> gs.Scattering:
    """A small translation scattering with any combination of options, whose wavelets its grid resolves."""
    S = gs.Scattering(**draw(arguments(ndim)))
    assume(resolution(S) > 1e-6)
    return S


@st.composite
def windows(draw: st.DrawFn) -> tuple[Any, ...]:
    """What a block of filters keeps of a spectrum, and more: of 1 to 3 axes.

    The shape of the spectrum, the number of filters, the segments and the fold of each axis.
    """
    d = draw(st.integers(1, 3))
    sizes, segments, folds = [], [], []
    for _ in range(d):
        fold, n = draw(st.integers(1, 3)), draw(st.integers(1, 4))
        cuts = sorted(draw(st.sets(st.integers(1, max(1, fold * n - 1)), max_size=min(4, fold * n - 1))))
        edges = [0, *cuts, fold * n]
        gap = draw(st.integers(0, 3))
        parts = tuple((lo + gap, hi + gap) for lo, hi in itertools.pairwise(edges))
        whole = draw(st.booleans())
        sizes.append(fold * n if whole else fold * n + 2 * gap)
        segments.append(None if whole else tuple(draw(st.permutations(parts))))
        folds.append(fold)
    batch, channels, count = draw(st.integers(0, 5)), draw(st.integers(1, 3)), draw(st.integers(1, 9))
    return (batch, channels, *sizes), count, segments, folds
