"""Strategies of the library's own tests: those it publishes, and operators that the oracle can follow."""

from __future__ import annotations

from hypothesis import assume
from hypothesis import strategies as st

import groupscat as gs
from groupscat.testing.strategies import PADDINGS, arguments, batches, paddings, shapes, signals
from tests.oracle import resolution

__all__ = ["PADDINGS", "arguments", "batches", "operators", "paddings", "shapes", "signals"]


@st.composite
def operators(draw: st.DrawFn, ndim: int | None = None) -> gs.Scattering:
    """A small translation scattering with any combination of options, whose wavelets its grid resolves."""
    S = gs.Scattering(**draw(arguments(ndim)))
    assume(resolution(S) > 1e-6)
    return S
