"""The kernels of solid harmonics, in every compiled library: powers, and moduli of degrees."""

from __future__ import annotations

import numpy as np
import pytest

from groupscat_native.library import library
from tests.test_native import Array, close, empty, noise, precision, which

__all__ = ["which"]  # a fixture: each library in turn


# --------------------------------------------------------------------------------------------- powers


def slopes(x: Array, q: float) -> Array:
    """The derivative of |x|^q, 0 at 0."""
    size = np.where(x == 0, 1, np.abs(x))
    return np.where(x == 0, float(q == 1), q * size ** (q - 1) * np.where(x < 0, -1, 1))


@precision
@pytest.mark.parametrize("q", [0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4, 2.5, 17])
@pytest.mark.parametrize("sign", [False, True])
def test_powers_and_their_gradients(q: float, sign: bool, dtype: str) -> None:
    x, g = noise((40,), dtype), noise((40,), dtype)
    x[::7] = 0
    if not sign:
        x = np.abs(x)
    wide, even = x.astype(float), q != int(q)
    wanted = np.abs(wide) ** q if even else wide ** int(q)
    slope = slopes(wide, q) if even else q * wide ** (int(q) - 1)
    for first, stop in [(0, 40), (3, 38), (5, 5)]:
        out, back = np.full((2, 40), -7, dtype)
        assert library()["power", dtype](None, q, sign, x.ctypes.data, out.ctypes.data, first, stop)
        given = x.ctypes.data, g.ctypes.data, back.ctypes.data
        assert library()["power_vjp", dtype](None, q, sign, *given, first, stop)
        inside = np.zeros(40, bool)
        inside[first:stop] = True
        close(out, np.where(inside, wanted, -7), dtype)
        close(back, np.where(inside, slope * g, -7), dtype)


@precision
def test_powers_of_what_is_no_number(dtype: str) -> None:
    x = np.array([np.nan, 0, 4, np.inf], dtype)
    for q, wanted in [
        (0.5, [np.nan, 0, 2, np.inf]),
        (2, [np.nan, 0, 16, np.inf]),
        (1.5, [np.nan, 0, 8, np.inf]),
    ]:
        out = empty((4,), dtype)
        assert library()["power", dtype](None, q, 0, x.ctypes.data, out.ctypes.data, 0, 4)
        np.testing.assert_allclose(out, wanted)
