"""The gradients of a convolution against its linearity: ⟨y, C dx⟩ = ⟨C* y, dx⟩ takes no second way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import groupscat as gs

PADDINGS = ("zero", "circular", "reflect", "edge", "none")


def drawn(rng: np.random.Generator, shape: tuple[int, ...], is_complex: bool) -> Any:
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if is_complex else x


@given(st.integers(1, 4), st.integers(1, 2), st.booleans(), st.integers(0, 2**32 - 1))
def test_both_gradients_are_adjoint(d: int, groups: int, is_complex: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes, taps = rng.integers(1, 6, d).tolist(), rng.integers(1, 4, d).tolist()
    stride, dilation = rng.integers(1, 4, d).tolist(), rng.integers(1, 3, d).tolist()
    padding = [str(p) for p in rng.choice(PADDINGS, d)]
    for k in range(d):
        if (taps[k] - 1) * dilation[k] + 1 > sizes[k] and padding[k] == "none":
            padding[k] = "zero"
    x = drawn(rng, (2, 2 * groups, *sizes), is_complex)
    w = drawn(rng, (3 * groups, 2, *taps), is_complex)
    arguments = (stride, dilation, padding, groups)
    y = drawn(rng, gs.convnd(x, w, *arguments).shape, is_complex)
    gx, gw = gs.convnd_adjoint(x, w, y, *arguments)
    assert gx.shape == x.shape
    assert gw.shape == w.shape
    dx, dw = drawn(rng, x.shape, is_complex), drawn(rng, w.shape, is_complex)
    scale = 1 + np.abs(gx).sum() + np.abs(gw).sum()
    assert abs(np.vdot(y, gs.convnd(dx, w, *arguments)) - np.vdot(gx, dx)) <= 1e-12 * scale
    assert abs(np.vdot(y, gs.convnd(x, dw, *arguments)) - np.vdot(gw, dw)) <= 1e-12 * scale


@pytest.mark.parametrize("strategy", ["native", "fft", "toeplitz", "taps"])
def test_of_every_strategy_the_same(strategy: str) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 3, 6, 5, 4)), rng.standard_normal((2, 3, 3, 3, 2))
    y = rng.standard_normal(gs.convnd(x, w, 2).shape)
    for found, wanted in zip(
        gs.convnd_adjoint(x, w, y, 2, strategy=strategy), gs.convnd_adjoint(x, w, y, 2), strict=True
    ):
        np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_another_shape_than_the_output_is_refused() -> None:
    x, w = np.ones((1, 1, 4, 4)), np.ones((2, 1, 3, 3))
    with pytest.raises(gs.ShapeError, match=r"y has shape \(1, 2, 4, 3\); expected .* 2, 4, 4"):
        gs.convnd_adjoint(x, w, np.ones((1, 2, 4, 3)))
    with pytest.raises(gs.ShapeError, match=r"x has shape \(1, 1, 4, 4\) and w \(2, 1, 3, 3, 3\)"):
        gs.convnd_adjoint(x, np.ones((2, 1, 3, 3, 3)), np.ones((1, 2, 4, 4)))
    with pytest.raises(gs.ShapeError, match=r"x has shape \(4,\); expected \(batch, channels"):
        gs.convnd_adjoint(np.ones(4), w, np.ones((1, 2, 4, 4)))
    with pytest.raises(gs.ShapeError, match=r"y has shape \(3, 2, 4, 4\); expected \(1, 2, 4, 4\)"):
        gs.convnd_adjoint(x, w, np.ones((3, 2, 4, 4)))


def test_no_signal_has_no_gradient() -> None:
    x, w, y = np.ones((0, 1, 4, 4)), np.ones((2, 1, 3, 3)), np.ones((0, 2, 4, 4), complex)
    gx, gw = gs.convnd_adjoint(x, w, y)
    assert gx.shape == x.shape
    assert gw.dtype == complex
    np.testing.assert_array_equal(gw, np.zeros(w.shape))
