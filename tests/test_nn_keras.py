"""Networks as Keras layers, under each of its backends: this process runs one, a process each the others."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import groupscat as gs
from groupscat import nn
from groupscat.convolution.layer import ConvNdSpec
from groupscat.testing import assert_close
from tests.frameworks import missing

if missing("keras"):
    pytest.skip('pip install "groupscat[keras]"', allow_module_level=True)
if missing(os.environ.get("KERAS_BACKEND", "tensorflow")):
    pytest.skip("install what Keras runs on, or set KERAS_BACKEND", allow_module_level=True)

import keras

import groupscat.keras as gk
from tests.test_keras import BACKENDS, run_python
from tests.test_nn import TINY, noise, numbers

# Keras on TensorFlow reads variables through an __array__ that is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

if keras.backend.backend() not in BACKENDS:
    pytest.skip(f"Keras runs on {keras.backend.backend()}", allow_module_level=True)


def test_weights_have_the_names_of_the_specification() -> None:
    layer = gk.Network(TINY, seed=3, dtype="float64")
    parameters, state = nn.init(TINY, 3, "float64")
    assert [w.name for w in layer.trainable_weights] == [k.replace(".", "_") for k in parameters]
    rest = [w.name for w in layer.non_trainable_weights if w.name != "seed_generator_state"]
    assert rest == [k.replace(".", "_") for k in state]
    for name, values in layer.arrays().items():
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(values), (parameters | state)[name])


def test_layer_is_apply_and_keeps_its_statistics() -> None:
    network = nn.Network([*TINY.layers[:6], nn.Flatten(), nn.Dense(2)], TINY.input_shape)
    (parameters, state), x = numbers(network), noise(network)
    layer = gk.Network(nn.Model(network, parameters, state), dtype="float64")
    assert_close(keras.ops.convert_to_numpy(layer(x)), nn.apply(network, parameters, state, x)[0], 0, 1e-10)
    y, new = nn.apply(network, parameters, state, x, training=True)
    assert_close(keras.ops.convert_to_numpy(layer(x, training=True)), y, 0, 1e-10)
    for name, values in new.items():
        assert_close(keras.ops.convert_to_numpy(layer.arrays()[name]), values, 0, 1e-10)


def test_dropouts_draw_anew_in_training_only() -> None:
    layer = gk.Network(nn.Network([nn.Dropout(0.5)], (1, 1000)), seed=0)
    x = np.ones((2, 1, 1000), "float32")
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x)), x)
    first, second = (keras.ops.convert_to_numpy(layer(x, training=True)) for _ in range(2))
    assert set(np.unique(first)) == {0.0, 2.0}
    assert abs(first.mean() - 1) < 0.1
    assert np.any(first != second)


def test_fit_saves_and_loads(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    first = ConvNdSpec(in_channels=1, out_channels=4, kernel_size=(3, 3))
    rest = [nn.BatchNorm(), nn.ReLU(), nn.Dropout(0.9), nn.Flatten(), nn.Dense(2)]
    network = nn.Network([first, *rest], (1, 4, 4))
    model = keras.Sequential([keras.Input((1, 4, 4)), gk.Network(network)])
    x, label = np.random.default_rng(0).normal(size=(32, 1, 4, 4)).astype("float32"), np.arange(32) % 2
    x[label == 1] += 1
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss)
    before = {k: keras.ops.convert_to_numpy(a) for k, a in model.layers[0].arrays().items()}
    losses = model.fit(x, label, batch_size=16, epochs=12, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    after = {k: keras.ops.convert_to_numpy(a) for k, a in model.layers[0].arrays().items()}
    assert all(np.any(before[name] != after[name]) for name in before)
    wanted = model.predict(x, verbose=0)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        keras.saving.load_model(tmp_path / "model.keras").predict(x, verbose=0), wanted
    )
    again = gk.Network.from_config(json.loads(json.dumps(model.layers[0].get_config())))
    assert again.spec == network
    pytest.importorskip("safetensors")
    nn.save(model.layers[0], tmp_path / "model.safetensors")
    assert_close(nn.load(tmp_path / "model.safetensors")(x), wanted, 0, 1e-4)


def test_errors() -> None:
    with pytest.raises(gs.ArgumentError, match=r"expected a groupscat.nn.Network"):
        gk.Network(nn.ReLU())  # type: ignore[arg-type]
    with pytest.raises(gs.ShapeError, match=r"expected \(batch, 2, 4, 2\)"):
        gk.Network(TINY)(np.zeros((1, 2, 4, 4), "float32"))


def everything() -> None:
    """What another process does, on another backend."""
    import tempfile

    test_weights_have_the_names_of_the_specification()
    test_layer_is_apply_and_keeps_its_statistics()
    test_dropouts_draw_anew_in_training_only()
    with tempfile.TemporaryDirectory() as folder:
        test_fit_saves_and_loads(Path(folder))
    test_errors()


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != keras.backend.backend()])
def test_on_the_other_backends(backend: str) -> None:
    if missing(backend):
        pytest.skip(f'pip install "groupscat[{backend}]"')
    run_python("from tests import test_nn_keras; test_nn_keras.everything()", KERAS_BACKEND=backend)
