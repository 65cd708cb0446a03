"""Trainable layers of Keras, under each of its backends: this process runs one, a process each the others."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import groupscat as gs
from groupscat.convolution.group import group_conv, group_pool, lift
from groupscat.convolution.layer import output_space
from groupscat.convolution.norm import fiber_batch_norm, fiber_statistics
from groupscat.groups import SE2, Similitude2
from groupscat.space import signal_space
from groupscat.testing import assert_close, noise
from groupscat.wavelets import GaussianRings
from tests.frameworks import missing

if missing("keras"):
    pytest.skip('pip install "groupscat[keras]"', allow_module_level=True)
if missing(os.environ.get("KERAS_BACKEND", "tensorflow")):
    pytest.skip("install what Keras runs on, or set KERAS_BACKEND", allow_module_level=True)

import keras

import groupscat.keras as gk
from tests.test_keras import BACKENDS, run_python

# Keras on TensorFlow reads variables through an __array__ that is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

if keras.backend.backend() not in BACKENDS:
    pytest.skip(f"Keras runs on {keras.backend.backend()}", allow_module_level=True)

#: Class, arguments, shape of x without the batch.
CASES: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "conv 4-D": (
        "ConvNd",
        {"in_channels": 2, "out_channels": 3, "kernel_size": (3, 2, 1, 2)},
        (2, 4, 3, 2, 3),
    ),
    "conv, mixed": (
        "ConvNd",
        {
            "in_channels": 2,
            "out_channels": 4,
            "kernel_size": (3, 2),
            "padding": ("edge", "zero"),
            "groups": 2,
        },
        (2, 5, 6),
    ),
    "lift": (
        "Lift",
        {"group": SE2(4), "in_channels": 2, "out_channels": 3, "kernel_size": 3, "stride": 2},
        (2, 7, 7),
    ),
    "lift, rings": (
        "Lift",
        {
            "group": SE2(8),
            "in_channels": 2,
            "out_channels": 3,
            "basis": GaussianRings(3),
            "approximate": True,
            "padding": "circular",
            "bias": False,
        },
        (2, 6, 6),
    ),
    "group": (
        "GroupConv",
        {"group": SE2(4), "in_channels": 2, "out_channels": 4, "kernel_size": 3, "groups": 2, "dilation": 2},
        (2, 4, 6, 6),
    ),
    "group, separable": (
        "GroupConv",
        {
            "group": Similitude2(2, 2),
            "in_channels": 2,
            "out_channels": 3,
            "kernel_size": 1,
            "separable": True,
            "approximate": True,
            "padding": "reflect",
        },
        (2, 4, 5, 5),
    ),
}
#: JAX computes in 32 bits unless told otherwise.
PRECISION = "float32" if keras.backend.backend() == "jax" else "float64"


def numbers(y: Any) -> NDArray[Any]:
    return np.asarray(keras.ops.convert_to_numpy(y))


def built(case: str, dtype: str = PRECISION, **more: Any) -> tuple[Any, NDArray[Any]]:
    """A layer with a bias that is not 0, and an input."""
    name, arguments, shape = CASES[case]
    keras.utils.set_random_seed(0)
    layer = getattr(gk, name)(**arguments, dtype=dtype, **more)
    layer.build((None, *shape))
    if layer.bias is not None:
        layer.bias.assign(np.arange(1.0, 1 + layer.spec.out_channels))
    return layer, noise((3, *shape)).astype("float64" if dtype == "float64" else "float32")


def by_function(layer: Any, x: NDArray[Any]) -> NDArray[Any]:
    """The layer's numbers from the functions of groupscat, on NumPy in float64."""
    spec, x = layer.spec, x.astype(float)
    w: Any = numbers(layer.weight).astype(float)
    arguments = {name: getattr(spec, name) for name in ("stride", "dilation", "padding", "groups")}
    if isinstance(layer, gk.ConvNd):
        y = gs.convnd(x, w, **arguments)
    else:
        w = (numbers(layer.mix).astype(float), w) if spec.separable else w
        function = lift if spec.lift else group_conv
        y = function(x, w, spec.group, basis=spec.basis, approximate=True, **arguments)
    bias = 0 if layer.bias is None else numbers(layer.bias)
    return y + np.reshape(bias, (-1,) + (1,) * (y.ndim - 2))


@pytest.mark.parametrize("case", CASES)
def test_layer_gives_the_numbers_of_the_function(case: str) -> None:
    layer, x = built(case)
    wanted = by_function(layer, x)
    assert_close(numbers(layer(x)), wanted, x, PRECISION)
    inputs = keras.Input(x.shape[1:], dtype=PRECISION)
    symbolic = layer(inputs)
    assert symbolic.shape == layer.compute_output_shape((None, *x.shape[1:])) == (None, *wanted.shape[1:])
    model = keras.Model(inputs, symbolic)
    for batch in (1, 3):
        assert_close(numbers(model(x[:batch])), wanted[:batch], x, PRECISION)


@pytest.mark.parametrize("case", CASES)
def test_same_numbers_as_the_layers_of_torch(case: str) -> None:
    if missing("torch"):
        pytest.skip('pip install "groupscat[torch]"')
    import torch

    import groupscat.torch as gst

    layer, x = built(case)
    name, arguments, _ = CASES[case]
    twin = getattr(gst, name)(**arguments, dtype=getattr(torch, PRECISION))
    state = {key: torch.as_tensor(numbers(getattr(layer, key)).copy()) for key in layer.spec.parameters}
    twin.load_state_dict(state)
    y = twin(torch.as_tensor(x, dtype=getattr(torch, PRECISION)))
    assert_close(numbers(layer(x)), y.detach().numpy(), x, PRECISION)


@pytest.mark.parametrize("case", CASES)
def test_configuration_and_file(case: str, tmp_path: Path) -> None:
    layer, x = built(case, kernel_initializer="glorot_uniform")
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    assert (again.spec, again.name) == (layer.spec, layer.name)
    assert again.get_config() == layer.get_config()
    model = keras.Sequential(
        [keras.Input(x.shape[1:], dtype=PRECISION), layer, gk.FiberBatchNorm(dtype=PRECISION)]
    )
    y = numbers(model(x))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(numbers(loaded(x)), y)
    assert loaded.layers[0].spec == layer.spec
    clone = copy.deepcopy(layer)
    np.testing.assert_array_equal(numbers(clone(x)), numbers(layer(x)))


def test_pools() -> None:
    x = noise((2, 3, 4, 6, 6)).astype("float32")
    arguments: tuple[dict[str, Any], ...] = ({}, {"reduce": "mean"}, {"window": 2}, {"window": (3, 2)})
    for given in arguments:
        layer = gk.GroupPool(SE2(4), **given)
        wanted = group_pool(x, SE2(4), **given)
        assert_close(numbers(layer(x)), wanted, x, "float32")
        assert layer(keras.Input(x.shape[1:])).shape == (None, *wanted.shape[1:])
        again = gk.GroupPool.from_config(json.loads(json.dumps(layer.get_config())))
        assert again.spec == layer.spec


def test_batch_norm_is_per_channel_over_everything_else() -> None:
    x = (3 * noise((5, 3, 4, 6, 6)) + 1).astype("float32")
    norm = gk.FiberBatchNorm(3, momentum=0.5, epsilon=1e-3)
    found = numbers(norm(x, training=True))
    mean, variance = fiber_statistics(x)
    assert_close(found, fiber_batch_norm(x, mean, variance, eps=1e-3), found, "float32")
    np.testing.assert_allclose(numbers(norm.moving_mean), mean / 2, rtol=1e-4)
    again = gk.FiberBatchNorm.from_config(norm.get_config())
    assert (again.channels, again.axis, again.momentum) == (3, 1, 0.5)
    with pytest.raises(gs.ShapeError, match=r"\(batch, 4, \.\.\.\): channels come first"):
        gk.FiberBatchNorm(4)(x)


def test_initial_values_follow_the_seed_and_the_initialiser() -> None:
    a, _ = built("group, separable")
    b, _ = built("group, separable")
    for name in ("mix", "weight"):
        np.testing.assert_array_equal(numbers(getattr(a, name)), numbers(getattr(b, name)))
    wide = gk.Lift(SE2(4), 16, 64, 3)
    wide.build((None, 16, 9, 9))
    assert abs(numbers(wide.weight).std() / (2 / (16 * 9)) ** 0.5 - 1) < 0.05
    assert not numbers(wide.bias).any()
    ones = gk.Lift(SE2(4), 1, 2, 3, kernel_initializer="ones")
    ones.build((None, 1, 9, 9))
    assert (numbers(ones.weight) == 1).all()


def test_training_lowers_the_loss() -> None:
    group = SE2(4)
    keras.utils.set_random_seed(0)
    layers = [
        *(gk.Lift(group, 1, 4, 3), gk.FiberBatchNorm(4), keras.layers.ReLU()),
        *(gk.GroupConv(group, 4, 4, 3, separable=True), gk.GroupPool(group, window=2), gk.GroupPool(group)),
        *(gk.ConvNd(4, 2, (3, 3)), keras.layers.Flatten(), keras.layers.Dense(2)),
    ]
    model = keras.Sequential([keras.Input((1, 8, 8)), *layers])
    model.compile("adam", "mse")
    x = noise((8, 1, 8, 8)).astype("float32")
    losses = model.fit(x, np.ones((8, 2)), epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert len(model.trainable_weights) == 2 + 2 + 3 + 2 + 2


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_policies_round_the_result_only(policy: str) -> None:
    layer, x = built("group", policy)
    y = layer(x)
    half = policy.rpartition("_")[2]
    assert keras.backend.standardize_dtype(y.dtype) == layer(keras.Input(x.shape[1:])).dtype == half
    exact = keras.ops.cast(by_function(layer, x).astype("float32"), half)
    found, wanted = (numbers(keras.ops.cast(v, "float32")) for v in (y, exact))
    assert np.abs(found - wanted).max() <= 2.0**-7 * np.abs(wanted).max()


@pytest.mark.parametrize("case", [case for case in CASES if "4-D" not in case])
def test_exported_to_ordinary_convolutions(case: str, tmp_path: Path) -> None:
    layer, x = built(case)
    sizes = x.shape[-layer.spec.ndim :]
    model = layer.export(sizes)
    found = model(x)
    assert_close(numbers(found), by_function(layer, x), x, PRECISION)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(numbers(loaded(x)), numbers(found))


def test_export_says_what_it_cannot() -> None:
    layer = gk.ConvNd(1, 1, (3,), stride=2, dilation=2)
    layer.build((None, 1, 9))
    with pytest.raises(gs.ArgumentError, match="no convolution with both"):
        layer.export((9,))
    with pytest.raises(gs.ArgumentError, match="along at most 3"):
        built("conv 4-D")[0].export((4, 3, 2, 3))


def test_outputs_tell_where_they_lie() -> None:
    lifted = gk.Lift(SE2(4), 1, 2, 3, stride=2)
    model = keras.Sequential([lifted, keras.layers.ReLU(), gk.GroupPool(SE2(4))])
    assert str(output_space(model, signal_space((9, 9)))) == "u1:5/2 × u2:5/2"


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(gs.ArgumentError, match="no weights yet: call it"):
        gk.Lift(SE2(4), 1, 2, 3).export((9, 9))
    layer, x = built("group", "float32")
    with pytest.raises(gs.ShapeError, match=r"\(batch, 2, 4, N_1, N_2\)"):
        layer(x[:, :1])
    with pytest.raises(gs.ShapeError, match="unknown lengths"):
        gk.Lift(SE2(4), 1, 2, 3)(keras.Input((1, None, 9)))
    with pytest.raises(gs.DtypeError, match=r"complex.*groupscat\.group_conv takes complex"):
        layer(x.astype("complex64"))
    for name in BACKENDS:
        if name != keras.backend.backend() and not missing(name):
            with pytest.raises(gs.DtypeError, match=f"an array of {name}"):
                layer(gs.convert(x, name))


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != keras.backend.backend()])
def test_in_a_process_with_another_backend(backend: str) -> None:
    if missing(backend):
        pytest.skip(f'pip install "groupscat[{backend}]"')
    code = "from tests import test_group_layers_keras as t; t.everything()"
    run_python(code, KERAS_BACKEND=backend)


def everything() -> None:
    """What must hold under each backend, in one process."""
    import tempfile

    for case in CASES:
        test_layer_gives_the_numbers_of_the_function(case)
        test_same_numbers_as_the_layers_of_torch(case)
        with tempfile.TemporaryDirectory() as folder:
            test_configuration_and_file(case, Path(folder))
            if "4-D" not in case:
                test_exported_to_ordinary_convolutions(case, Path(folder))
    test_pools()
    test_batch_norm_is_per_channel_over_everything_else()
    test_initial_values_follow_the_seed_and_the_initialiser()
    test_training_lowers_the_loss()
    test_policies_round_the_result_only("mixed_bfloat16")
    test_what_does_not_fit_is_refused()
