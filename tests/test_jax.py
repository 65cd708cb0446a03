"""JAX: the contract, and what only JAX users do."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, ClassVar

import numpy as np
import pytest

import groupscat as gs
from groupscat.testing import OPERATORS, BackendContract, LayerContract, assert_close, noise
from tests.frameworks import missing

if missing("jax"):
    pytest.skip('pip install "groupscat[jax]"', allow_module_level=True)

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)


def gradient(function: Any, x: Any) -> Any:
    """Derivatives by the real and the imaginary part; JAX returns their conjugate."""
    return np.conj(np.asarray(jax.grad(function)(jnp.asarray(x))))


class TestJAX(BackendContract):
    name: ClassVar[str] = "jax"
    examples: ClassVar[int] = 6  # every new shape is compiled, operation by operation

    def gradient(self, function: Any, x: Any) -> Any:
        return gradient(function, x)


class TestLayers(LayerContract):
    name: ClassVar[str] = "jax"
    door: ClassVar[str] = "groupscat.jax"


@pytest.mark.parametrize("name", ["1-D", "2-D", "1-D, complex", "cascade, 2-D", "harmonic, even"])
def test_vmap(name: str) -> None:
    S = OPERATORS[name]()
    x = jnp.asarray(noise((3, 2, *S.shape), is_complex=S.complex_input))
    assert_close(jax.vmap(S)(x), S(x), x)
    assert_close(jax.vmap(S, in_axes=1, out_axes=1)(x), S(x), x)


def test_jit_of_a_gradient_of_every_signal() -> None:
    S = OPERATORS["2-D"]()
    x = jnp.asarray(noise((3, *S.shape)))
    each = jax.jit(jax.vmap(jax.grad(lambda v: S(v).sum())))(x)
    together = jax.grad(lambda v: S(v).sum())(x)
    assert_close(each, together)


@pytest.mark.parametrize("name", ["1-D", "harmonic, odd"])
def test_first_call_in_a_trace_leaves_usable_constants(name: str) -> None:
    """Constants are made once; were they tracers, every later call would fail."""
    S = OPERATORS[name]()
    x = np.abs(noise((2, *S.shape))) + 0.1
    assert_close(jax.jit(S)(x), S(x), x)
    assert_close(S(jnp.asarray(x)), S(x), x)
    assert_close(jax.jit(S)(x), S(x), x)


def test_second_derivatives_are_right() -> None:
    S = gs.Scattering1D(J=2, shape=16)
    x, v = jnp.asarray(noise((16,)) + 3), jnp.asarray(noise((16,), 1))
    slope = jax.grad(lambda z: (S(z) ** 2).sum())
    _, found = jax.jvp(slope, (x,), (v,))
    step = 1e-6
    wanted = (slope(x + step * v) - slope(x - step * v)) / (2 * step)
    assert_close(found, wanted, 0.0, 1e-7)


def test_float32_stays_float32_with_x64() -> None:
    assert OPERATORS["2-D"]()(jnp.zeros((11, 8), jnp.float32)).dtype == jnp.float32


def test_bfloat16_is_computed_in_float32_and_returned() -> None:
    S = OPERATORS["1-D"]()
    x = jnp.asarray(noise((2, 40)), jnp.bfloat16)
    y = S(x)
    assert y.dtype == jnp.bfloat16
    assert (y == S(x.astype(jnp.float32)).astype(jnp.bfloat16)).all()
    with pytest.raises(gs.DtypeError, match="bfloat16"):
        gs.convert(y, "numpy")


def test_device_is_the_inputs() -> None:
    backend = gs.get_backend("jax")
    assert "cpu" in backend.devices()
    x = backend.put(noise((11, 8)), "float32", "cpu")
    assert OPERATORS["2-D"]()(x).devices() == x.devices()
    with pytest.raises(gs.DeviceError, match=r"device='cpu:99' cannot be used by jax.*here: cpu"):
        backend.put(noise((3,)), "float32", "cpu:99")


WITHOUT_X64 = """
import warnings
warnings.simplefilter("error")
import numpy as np, jax, jax.numpy as jnp, groupscat as gs
S = gs.Scattering2D(J=2, shape=(8, 8), L=2, padding="zero")
x = np.random.default_rng(0).standard_normal((2, 8, 8))
y = S(jnp.asarray(x, jnp.float32))
assert y.dtype == jnp.float32 and np.abs(np.asarray(y) - S(x)).max() < 1e-5
for call in (lambda: S(jnp.ones((8, 8), jnp.int32)), lambda: gs.convert(x, "jax"),
             lambda: gs.get_backend("jax").put(x, "float64")):
    try:
        call()
    except gs.DtypeError as error:
        assert "JAX_ENABLE_X64=1" in str(error)
    else:
        raise AssertionError("converted silently")
"""


def test_without_x64_nothing_is_halved_silently() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_X64], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_mixed_frameworks_name_the_way_out() -> None:
    import groupscat.jax as gsj

    with pytest.raises(gs.DtypeError, match=r"takes arrays of jax, got numpy\.ndarray.*groupscat\.convert"):
        gsj.Scattering1D(J=2, shape=16)(np.zeros(16))
