"""The TensorFlow backend: the contract, and what is TensorFlow's alone (graphs, XLA, variables, devices)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

import groupscat as gs
from groupscat.backend import get_backend
from groupscat.testing import OPERATORS, TOLERANCE, BackendContract, assert_close, noise
from tests.frameworks import missing

if missing("tensorflow"):
    pytest.skip('pip install "groupscat[tensorflow]"', allow_module_level=True)

import tensorflow as tf


class TestTensorFlow(BackendContract):
    name: ClassVar[str] = "tensorflow"
    examples: ClassVar[int] = 10  # every new plan is traced

    def gradient(self, function: Callable[[Any], Any], x: NDArray[Any]) -> NDArray[Any]:
        z = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(z)
            y = function(z)
        return np.asarray(tape.gradient(y, z).numpy())


xp = get_backend("tensorflow")
NAMES = ["1-D, complex", "2-D", "2-D, zero", "cascade, 2-D", "harmonic, even", "1-D, frames"]


def make(name: str) -> Any:
    return OPERATORS[name]()


def signal(S: Any, batch: tuple[int, ...] = (2,)) -> NDArray[Any]:
    x = noise((*batch, *S.shape), is_complex=S.complex_input)
    return np.abs(x) + 0.1 if isinstance(S, gs.HarmonicScattering3D) else x


def spec(S: Any, *leading: int | None) -> Any:
    return tf.TensorSpec([*leading, *S.shape], tf.complex128 if S.complex_input else tf.float64)


# ----------------------------------------------------------------------------------- graphs and XLA


@pytest.mark.parametrize("name", NAMES)
def test_one_graph_for_every_batch_length(name: str) -> None:
    """An unknown length is never looked at: one trace serves all, none at all too."""
    S = make(name)
    traces = []

    @tf.function(input_signature=[spec(S, None)])
    def graph(x: Any) -> Any:
        traces.append(1)
        return S(x)

    for batch in (3, 1, 0):
        x = signal(S, (batch,))
        y = graph(tf.constant(x))
        assert y.shape == (batch, *S.output_shape)
        assert_close(y.numpy(), S(x), x)
    assert len(traces) == 1
    assert graph.get_concrete_function().structured_outputs.shape.as_list() == [None, *S.output_shape]


@pytest.mark.parametrize("leading", [(None, None), (None, 3), (2, None)])
def test_several_leading_axes_of_unknown_length(leading: tuple[int | None, ...]) -> None:
    S = make("2-D")
    x = signal(S, (2, 3))
    graph = tf.function(lambda v: S(v), input_signature=[spec(S, *leading)])
    assert_close(graph(tf.constant(x)).numpy(), S(x), x)
    static = graph.get_concrete_function().structured_outputs.shape.as_list()
    assert static == [*leading, *S.output_shape]


@pytest.mark.parametrize("shape", [[None, None, 8], [None, 11, None], None])
def test_trailing_shape_must_be_known(shape: Any) -> None:
    graph = tf.function(lambda v: make("2-D")(v), input_signature=[tf.TensorSpec(shape, tf.float64)])
    with pytest.raises(gs.ShapeError, match=r"tf\.ensure_shape"):
        graph.get_concrete_function()


def test_shape_is_known_after_ensure_shape() -> None:
    S = make("2-D")
    x = signal(S)
    graph = tf.function(
        lambda v: S(tf.ensure_shape(v, (None, 11, 8))), input_signature=[tf.TensorSpec(None, tf.float64)]
    )
    assert_close(graph(tf.constant(x)).numpy(), S(x), x)


@pytest.mark.parametrize("name", ["1-D, frames", "2-D", "cascade, 2-D", "harmonic, odd"])
def test_xla(name: str) -> None:
    S = make(name)
    x = signal(S)
    y = tf.function(lambda v: S(v), jit_compile=True)(tf.constant(x, tf.float32))
    assert_close(y.numpy(), S(x), x, TOLERANCE["float32"])


def test_gradient_under_xla() -> None:
    S = SMALL["2-D"]()
    x = tf.constant(signal(S), tf.float32)

    def gradient(v: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(v)
            y = tf.reduce_sum(S(v) ** 2)
        return tape.gradient(y, v)

    wanted = gradient(x).numpy()
    assert_close(tf.function(gradient, jit_compile=True)(x).numpy(), wanted, 0.0, TOLERANCE["float32"])
    zero = tf.function(gradient, jit_compile=True)(tf.zeros_like(x)).numpy()
    np.testing.assert_array_equal(zero, 0)


def test_first_call_inside_a_function_then_eager_and_the_other_way_round() -> None:
    """Constants are cached: a symbolic one would belong to a graph that is gone."""
    x = signal(make("2-D"))
    for first_traced in (True, False):
        S = make("2-D")
        graph = tf.function(lambda v, S=S: S(v))
        first, second = (graph, S) if first_traced else (S, graph)
        for call in (first, second, tf.function(lambda v, S=S: S(v))):
            assert_close(call(tf.constant(x)).numpy(), S(x), x)
        cached = [value for made in S._constants.values() for value in made.values()]
        assert not any(tf.is_tensor(value) and tf.is_symbolic_tensor(value) for value in cached)


def test_functions_run_eagerly_on_demand() -> None:
    S = make("2-D")
    x = signal(S)
    tf.config.run_functions_eagerly(True)
    try:
        y = tf.function(lambda v: S(v))(tf.constant(x))
    finally:
        tf.config.run_functions_eagerly(False)
    assert_close(y.numpy(), S(x), x)


def test_in_an_input_pipeline() -> None:
    S = make("2-D")
    x = signal(S, (5,))
    batches = tf.data.Dataset.from_tensor_slices(x).batch(2).map(S)
    assert_close(np.concatenate([y.numpy() for y in batches]), S(x), x)


def test_vectorized_map() -> None:
    S = make("2-D")
    x = signal(S, (3,))
    assert_close(tf.vectorized_map(S, tf.constant(x)).numpy(), S(x), x)


# -------------------------------------------------------------------------------- derivatives


def hessian(function: Callable[[Any], Any], x: NDArray[Any], direction: NDArray[Any]) -> NDArray[Any]:
    """Second derivatives of a real function at x, times a direction."""
    z = tf.constant(x)
    with tf.GradientTape() as outer:
        outer.watch(z)
        with tf.GradientTape() as inner:
            inner.watch(z)
            y = function(z)
        slope = tf.reduce_sum(inner.gradient(y, z) * direction)
    return np.asarray(outer.gradient(slope, z).numpy())


#: Small, because every operation of a derivative of a derivative is a graph's.
SMALL = {
    "1-D": lambda: gs.Scattering1D(J=1, shape=8),
    "2-D": lambda: gs.Scattering2D(J=1, shape=(4, 5), L=1, max_order=1),
    "harmonic": lambda: gs.HarmonicScattering3D(J=0, shape=(3, 3, 3), L=1, max_order=1),
}


@pytest.mark.parametrize(("name", "traced"), [("1-D", False), ("2-D", True), ("harmonic", False)])
def test_second_derivative(name: str, traced: bool) -> None:
    S = SMALL[name]()
    x, direction, weight = signal(S, ()), noise(S.shape, 3), noise(S.output_shape, 1)

    def loss(v: Any) -> Any:
        return tf.reduce_sum(S(v) * weight)

    def slope(t: float) -> NDArray[Any]:
        z = tf.constant(x + t * direction)
        with tf.GradientTape() as tape:
            tape.watch(z)
            y = loss(z)
        return np.asarray(tape.gradient(y, z).numpy())

    step = 1e-6
    difference = (slope(step) - slope(-step)) / (2 * step)
    found = hessian(tf.function(loss) if traced else loss, x, direction)
    assert_close(found, difference, 0.0, 1e-6)  # the difference quotient loses half of the digits


def test_second_derivative_is_finite_at_zero() -> None:
    for function in (xp.modulus, lambda v: xp.power(v, 0.5), lambda v: xp.power(v, 0.3)):
        found = hessian(lambda v, f=function: tf.reduce_sum(f(v)), np.zeros(3), np.ones(3))
        np.testing.assert_array_equal(found, 0)
    S = SMALL["2-D"]()
    assert np.isfinite(hessian(lambda v: tf.reduce_sum(S(v)), np.zeros(S.shape), np.ones(S.shape))).all()


def test_forward_derivative() -> None:
    S = SMALL["1-D"]()
    x, direction = signal(S, ()), noise(S.shape, 3)
    z = tf.constant(x)
    with tf.autodiff.ForwardAccumulator(z, tf.constant(direction)) as accumulator:
        y = S(z)
    step = 1e-6
    difference = (S(x + step * direction) - S(x - step * direction)) / (2 * step)
    assert_close(accumulator.jvp(y).numpy(), difference, 0.0, 1e-6)


# ------------------------------------------------------------------------- variables and modules


def test_variables_are_arrays_and_get_gradients() -> None:
    S = make("2-D")
    x = signal(S)
    variable = tf.Variable(x)
    with tf.GradientTape() as tape:
        y = S(variable)
        loss = tf.reduce_sum(y**2)
    assert_close(y.numpy(), S(x), x)
    z = tf.constant(x)
    with tf.GradientTape() as other:
        other.watch(z)
        wanted = tf.reduce_sum(S(z) ** 2)
    assert_close(tape.gradient(loss, variable).numpy(), other.gradient(wanted, z).numpy())
    assert_close(tf.function(lambda: S(variable))().numpy(), S(x), x)
    np.testing.assert_array_equal(gs.convert(variable, "numpy"), x)


def test_saved_model_of_a_module(tmp_path: Path) -> None:
    S = make("2-D")
    x = signal(S, (3,))

    class Features(tf.Module):
        @tf.function(input_signature=[spec(S, None)])
        def __call__(self, v: Any) -> Any:
            return S(v)

    module = Features()
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    for batch in (3, 1, 0):
        np.testing.assert_array_equal(loaded(tf.constant(x[:batch])), module(tf.constant(x[:batch])))
    zero = tf.zeros_like(x)
    with tf.GradientTape() as tape:
        tape.watch(zero)
        y = tf.reduce_sum(loaded(zero))
    assert np.isfinite(tape.gradient(y, zero).numpy()).all()


def test_ragged_and_sparse_tensors_are_refused() -> None:
    S = make("1-D")
    for x in (tf.ragged.constant([[1.0], [2.0, 3.0]]), tf.sparse.from_dense(tf.eye(40))):
        with pytest.raises(gs.DtypeError, match=f"got .*{type(x).__name__}"):
            S(x)


# --------------------------------------------------------------------------- devices and types


def test_devices() -> None:
    assert "cpu:0" in xp.devices()
    for name in ("cpu", "CPU:0", "cpu:0", "/device:CPU:0"):
        assert "CPU:0" in xp.put(np.zeros(2), "float32", name).device
    # Soft placement would take the CPU for a device that is not there.
    with pytest.raises(gs.DeviceError, match=r"'gpu:77' is not known.*cpu:0"):
        xp.put(np.zeros(2), "float32", "gpu:77")


def test_a_process_of_its_own() -> None:
    """Import changes no setting; work and constants stay on the device of the input.

    Two logical CPUs stand in for a CPU and a GPU; they must be asked for before TensorFlow starts.
    """
    code = """
import os
import numpy as np, tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
settings = lambda: (
    tf.config.experimental.tensor_float_32_execution_enabled(), tf.config.get_soft_device_placement(),
    tf.config.optimizer.get_jit(), tf.config.threading.get_intra_op_parallelism_threads(),
    tf.config.functions_run_eagerly(), tf.get_logger().level,
)
environment, wanted = dict(os.environ), settings()

import groupscat as gs
S = gs.Scattering2D(J=1, shape=(8, 8), L=2)
x = np.random.default_rng(0).standard_normal((2, 8, 8))
xp = gs.get_backend("tensorflow")
assert xp.devices() == ("cpu:0", "cpu:1"), xp.devices()
for name in ("CPU:1", "CPU:0"):
    y = S(xp.put(x, "float64", name))
    assert name in y.device, (name, y.device)
    np.testing.assert_allclose(y, S(x), atol=1e-12)
assert len(S._constants) == 3
for (_, device, _), made in S._constants.items():
    assert device == "cpu" or {c.device for c in made.values()} == {device}, device
assert "CPU:1" in S(xp.put(x[:0], "float64", "CPU:1")).device
assert settings() == wanted and dict(os.environ) == environment
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_products_are_not_rounded_where_gpus_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """TF32 is TensorFlow's default on NVIDIA GPUs: averages are computed in float64 there."""
    import groupscat_tensorflow.backend as module

    seen = []
    original = tf.linalg.matmul

    def spy(a: Any, b: Any, **kwargs: Any) -> Any:
        seen.append(a.dtype)
        return original(a, b, **kwargs)

    monkeypatch.setattr(tf.linalg, "matmul", spy)
    x, m = tf.constant(noise((3, 4)), tf.float32), tf.constant(noise((2, 4)), tf.float32)
    exact = xp.linear(x, m)
    monkeypatch.setattr(module, "_on_cpu", lambda x: False)
    assert xp.linear(x, m).dtype == tf.float32
    assert_close(xp.linear(x, m).numpy(), exact.numpy(), 0.0, "float32")
    assert seen == [tf.float32, tf.float64, tf.float64]
    monkeypatch.setattr(tf.config.experimental, "tensor_float_32_execution_enabled", lambda: False)
    xp.linear(x, m)
    assert seen[-1] == tf.float32


def test_bfloat16_is_computed_in_float32_and_returned() -> None:
    S = make("1-D")
    x = tf.cast(noise((2, 40)), tf.bfloat16)
    y = S(x)
    assert y.dtype == tf.bfloat16
    wanted = tf.cast(S(tf.cast(x, tf.float32)), tf.bfloat16)
    np.testing.assert_array_equal(tf.cast(y, tf.float32), tf.cast(wanted, tf.float32))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "bfloat16", "float16"])
def test_real_types_become_complex_where_complex_is_wanted(dtype: str) -> None:
    S = make("1-D, complex")
    x = tf.cast(tf.constant(3 * noise((2, 30))) > 0, dtype)
    y = S(x)
    assert y.dtype == tf.complex64
    assert_close(y.numpy(), S(tf.cast(x, tf.float64).numpy()), 0.0, "float32")


def test_strings_are_refused() -> None:
    with pytest.raises(gs.DtypeError, match="x has dtype string"):
        make("1-D")(tf.constant([["a"] * 40]))


def test_memory_is_shared_with_frameworks_whose_arrays_never_change() -> None:
    if missing("jax"):
        pytest.skip('pip install "groupscat[jax]"')
    import jax.numpy as jnp

    x = jnp.arange(12, dtype=jnp.float32).reshape(3, 4)
    y = gs.convert(x, "tensorflow", copy=False)
    assert isinstance(y, tf.Tensor)
    np.testing.assert_array_equal(y, x)
    assert y.__dlpack_device__() == x.__dlpack_device__()


def test_gradients_do_not_warn_of_lost_imaginary_parts(caplog: pytest.LogCaptureFixture) -> None:
    import logging

    logger = logging.getLogger("tensorflow")
    logger.addHandler(caplog.handler)
    try:
        for complex_input in (False, True):
            S = gs.Scattering1D(J=2, shape=20, complex_input=complex_input)
            x = tf.constant(noise((2, 20)))
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tf.reduce_sum(tf.abs(S(x)))
            assert tape.gradient(y, x).dtype == tf.float64
    finally:
        logger.removeHandler(caplog.handler)
    assert "imaginary" not in caplog.text
