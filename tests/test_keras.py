"""``groupscat.keras``: everything Keras users do with a layer, under each backend of Keras.

In this process Keras runs on what KERAS_BACKEND says (TensorFlow by default); its other backends get one
script in a process of their own each.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

import groupscat as gs
from groupscat.testing import LayerContract, assert_close, noise
from tests.frameworks import missing

if missing("keras"):
    pytest.skip('pip install "groupscat[keras]"', allow_module_level=True)
if missing(os.environ.get("KERAS_BACKEND", "tensorflow")):
    pytest.skip("install what Keras runs on, or set KERAS_BACKEND", allow_module_level=True)

import keras

import groupscat.keras as gk

BACKENDS = ("tensorflow", "torch", "jax")

# Keras on TensorFlow reads variables through an __array__ that is older than NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept:DeprecationWarning")

if keras.backend.backend() not in BACKENDS:
    pytest.skip(f"Keras runs on {keras.backend.backend()}", allow_module_level=True)

SHAPE = (8, 7)
X = noise((3, *SHAPE))
S = gs.Scattering2D(J=1, shape=SHAPE, L=2)


def layer(**more: Any) -> Any:
    return gk.Scattering2D(J=1, shape=SHAPE, L=2, **more)


def numbers(y: Any) -> NDArray[Any]:
    return np.asarray(keras.ops.convert_to_numpy(y))


def model(*leading: int | None, head: bool = True, **more: Any) -> Any:
    inputs = keras.Input((*leading, *SHAPE))
    y = layer(**more)(inputs)
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(y)) if head else y)


@keras.saving.register_keras_serializable(package="tests")
def squared(z: Any) -> Any:
    return z * z


class TestLayers(LayerContract):
    name: ClassVar[str] = keras.backend.backend()
    door: ClassVar[str] = "groupscat.keras"

    def weights(self, layer: Any) -> list[Any]:
        return [*layer.weights, *layer.variables]

    def foreign(self) -> list[Any]:
        """Arrays of the other frameworks; NumPy's are welcome, as in any layer."""
        others = [name for name in BACKENDS if name != self.name and not missing(name)]
        return [gs.convert(np.zeros((8, 7), np.float32), name) for name in others]

    def test_error_names_both_frameworks_and_the_ways_out(self) -> None:
        for x in self.foreign():
            other = gs.backend_of(x).name
            message = rf"array of {other}, but Keras runs on {self.name}.*KERAS_BACKEND={other}"
            with pytest.raises(gs.DtypeError, match=message):
                layer()(x)


# ------------------------------------------------------------------------------ symbolic and eager


@pytest.mark.parametrize("leading", [(), (5,), (None,), (2, None)])
def test_symbolic_shape_and_type_come_from_the_plan(
    leading: tuple[int | None, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any) -> None:
        raise AssertionError("numbers were traced")

    monkeypatch.setattr(gk.OperatorLayer, "call", refused)
    y = layer()(keras.Input((*leading, *SHAPE)))
    assert (y.shape, y.dtype) == ((None, *leading, *S.output_shape), "float32")
    assert layer().compute_output_shape((None, *leading, *SHAPE)) == y.shape


@pytest.mark.parametrize("batch", [1, 3])
def test_functional_model_of_any_batch(batch: int) -> None:
    x = X[:batch].astype("float32")
    assert_close(model(head=False).predict(x, verbose=0), S(X[:batch]), X, "float32")


def test_several_leading_axes() -> None:
    x = noise((2, 4, *SHAPE))
    y = model(None, head=False)(x)
    assert_close(numbers(y), S(x), x, "float32")


def test_sequential_time_distributed_and_cloned() -> None:
    sequential = keras.Sequential([keras.Input(SHAPE), layer()])
    assert sequential.output_shape == (None, *S.output_shape)
    assert_close(numbers(sequential(X)), S(X), X, "float32")
    assert_close(numbers(keras.models.clone_model(sequential)(X)), S(X), X, "float32")
    frames = keras.layers.TimeDistributed(layer())(keras.Input((4, *SHAPE)))
    assert frames.shape == (None, 4, *S.output_shape)


def test_numpy_arrays_are_welcome() -> None:
    assert_close(numbers(layer()(X)), S(X), X, "float32")
    image = (100 * np.abs(X)).astype(np.uint8)
    assert_close(numbers(layer()(image)), S(image.astype(float)), image, "float32")


@pytest.mark.parametrize("shape", [(None, 7), (8, None), (None, None)])
def test_unknown_size_says_what_to_do(shape: Any) -> None:
    with pytest.raises(gs.ShapeError, match=r"unknown trailing shape.*keras\.Input\(shape=\(8, 7\)\)"):
        layer()(keras.Input(shape))


@pytest.mark.parametrize("shape", [(7, 8), (3, 8, 8), (8,), ()])
def test_wrong_shape_is_refused_in_a_model_too(shape: Any) -> None:
    with pytest.raises(gs.ShapeError, match=r"built for (shape )?\(8, 7\)"):
        layer()(keras.Input(shape))


def test_complex_input() -> None:
    arguments: dict[str, Any] = {"J": 2, "shape": 16, "complex_input": True}
    z = noise((2, 16), is_complex=True)
    wanted = gs.Scattering1D(**arguments)(z)
    built = gk.Scattering1D(**arguments)
    symbolic = built(keras.Input((16,), dtype="complex64"))
    found = numbers(built(z.astype("complex64")))
    assert symbolic.dtype == found.dtype == "complex64"
    assert_close(found, wanted, z, "float32")
    real = gk.Scattering1D(J=2, shape=16)
    for x in (keras.Input((16,), dtype="complex64"), z.astype("complex64")):
        with pytest.raises(gs.DtypeError, match=r"built for real input.*complex_input=True"):
            real(x)


def test_dict_output() -> None:
    arguments: dict[str, Any] = {"J": 2, "shape": 16, "T": 0, "out_type": "dict"}
    operator, x = gs.Scattering1D(**arguments), noise((3, 16))
    inputs = keras.Input((16,))
    symbolic = gk.Scattering1D(**arguments)(inputs)
    found = keras.Model(inputs, symbolic).predict(x.astype("float32"), verbose=0)
    wanted = operator(x)
    assert set(symbolic) == set(found) == set(wanted)
    for key in wanted:
        assert symbolic[key].shape == (None, *wanted[key].shape[1:])
        assert_close(found[key], wanted[key], x, "float32")


def test_list_output_is_for_eager_use() -> None:
    arguments: dict[str, Any] = {"J": 2, "shape": 16, "out_type": "list"}
    x = noise((3, 16))
    built = gk.Scattering1D(**arguments, dtype="mixed_float16")
    for found, wanted in zip(built(x), gs.Scattering1D(**arguments)(x), strict=True):
        assert found["n"] == wanted["n"]
        assert keras.backend.standardize_dtype(found["coef"].dtype) == "float16"
        assert_close(numbers(found["coef"]), wanted["coef"], x, "float16")
    with pytest.raises(gs.ArgumentError, match=r'out_type="dict".*layer\.paths'):
        built(keras.Input((16,)))


# ------------------------------------------------------------------------------------- precision


#: Dtype policies and the type of what comes out.
POLICIES = {
    "float32": "float32",
    "float16": "float16",
    "mixed_float16": "float16",
    "mixed_bfloat16": "bfloat16",
}


@pytest.mark.parametrize(("policy", "dtype"), POLICIES.items())
def test_policies_round_the_result_only(policy: str, dtype: str) -> None:
    built = layer(dtype=policy)
    y = built(X.astype("float32"))
    assert keras.backend.standardize_dtype(y.dtype) == built(keras.Input(SHAPE)).dtype == dtype
    exact = keras.ops.cast(layer()(X.astype("float32")), dtype)
    np.testing.assert_array_equal(*(numbers(keras.ops.cast(v, "float32")) for v in (y, exact)))


def test_float64() -> None:
    built = layer(dtype="float64")
    assert built(keras.Input(SHAPE)).dtype == "float64"
    if keras.backend.backend() != "jax":  # computes in 32 bits unless told otherwise
        assert_close(numbers(built(X)), S(X), X)
        assert_close(numbers(built(X > 0)), S((X > 0).astype(float)), 1.0)
    assert keras.backend.standardize_dtype(layer()(X).dtype) == "float32"


# ---------------------------------------------------------------------------------------- saving


def test_saved_model_gives_the_same_bits(tmp_path: Path) -> None:
    original = model(dtype="mixed_bfloat16")
    x = X.astype("float32")
    original.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(original.predict(x, verbose=0), loaded.predict(x, verbose=0))
    assert loaded.layers[1].operator == original.layers[1].operator
    assert loaded.layers[1].dtype_policy.name == "mixed_bfloat16"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Scattering", {"J": 1, "shape": (4, 4, 4), "L": 2, "T": "global", "padding": "zero"}),
        ("Scattering1D", {"J": 2, "shape": 16, "Q": (2, 1), "stride": 2, "sampling_rate": 8.0}),
        ("Scattering2D", {"J": 1, "shape": (8, 8), "L": 2, "rho": "rectifier", "phases": 3}),
        ("Scattering1D", {"J": 2, "shape": 16, "rho": squared}),
        ("Scattering3D", {"J": 1, "shape": (4, 4, 4), "L": 2, "method": "cascade"}),
        ("HarmonicScattering3D", {"J": 1, "shape": (4, 4, 4), "L": 1, "integral_powers": (1.0, 2.0)}),
    ],
)
def test_configuration_survives(name: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    made = getattr(gk, name)(**arguments, name="features", trainable=False)
    again = type(made).from_config(made.get_config())
    assert (again.operator, again.name, again.trainable) == (made.operator, "features", False)
    small = keras.Sequential([keras.Input(made.operator.shape), made])
    small.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").layers[0]
    assert loaded.operator == made.operator
    x = np.abs(noise((2, *made.operator.shape))).astype("float32")
    np.testing.assert_array_equal(numbers(loaded(x)), numbers(made(x)))
    assert small.outputs[0].dtype == keras.backend.standardize_dtype(made(x).dtype)


# ------------------------------------------------------------------------------------ what it shows


def test_names_of_the_layer_and_of_the_operator() -> None:
    built = layer(name="features")
    assert (built.name, built.L, built.max_order, built.output_shape) == ("features", 2, 2, S.output_shape)
    assert built.filters.phi.ndim == 2
    assert repr(built) == "Scattering2D(name='features', J=1, shape=(8, 7), L=2)"
    with pytest.raises(AttributeError, match="'Scattering2D' object has no attribute 'colour'"):
        built.colour  # noqa: B018
    with pytest.raises(TypeError, match="no argument 'colour'"):
        layer(colour="blue")


# --------------------------------------------------------------------------------- under each backend


def fit_and_differentiate() -> None:
    """Training of a head; derivatives by the input, at zero and elsewhere, against differences."""
    keras.utils.set_random_seed(0)
    trained = model()
    before = [numbers(w) for w in trained.weights]
    assert len(before) == 2  # the head's
    trained.compile(keras.optimizers.Adam(0.01), "mse")
    x, target = noise((12, *SHAPE)).astype("float32"), np.ones((12, 2), "float32")
    losses = trained.fit(x, target, epochs=3, batch_size=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert all((numbers(w) != b).any() for w, b in zip(trained.weights, before, strict=True))

    start = X[0].astype("float32")
    gradient = derivative(start)
    step = 1e-2 * noise(SHAPE, 5)
    difference = (S(start + step) ** 2).sum() - (S(start - step) ** 2).sum()
    assert 2 * (gradient * step).sum() == pytest.approx(difference, rel=1e-3)
    np.testing.assert_array_equal(derivative(np.zeros(SHAPE, "float32")), 0)


def derivative(x: NDArray[Any]) -> NDArray[Any]:
    """The gradient of Σ S(x)², with whichever framework Keras runs on."""
    built, name = layer(), keras.backend.backend()
    if name == "tensorflow":
        import tensorflow as tf

        z = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(z)
            y = tf.reduce_sum(built(z) ** 2)
        return np.asarray(tape.gradient(y, z).numpy())
    if name == "torch":
        z = keras.ops.convert_to_tensor(x).clone().requires_grad_()
        (built(z) ** 2).sum().backward()
        return np.asarray(z.grad.cpu().numpy())
    import jax

    return np.asarray(jax.grad(lambda z: (built(z) ** 2).sum())(jax.numpy.asarray(x)))


def test_fit_and_differentiate() -> None:
    fit_and_differentiate()


def test_compiled_training_step() -> None:
    """jit_compile: XLA on TensorFlow and JAX; Torch compiles by its own means, tested with its modules."""
    if keras.backend.backend() == "torch":
        pytest.skip("torch.compile is tested with groupscat.torch")
    trained = model()
    trained.compile("sgd", "mse", jit_compile=True)
    history = trained.fit(X.astype("float32"), np.ones((3, 2)), epochs=2, verbose=0).history["loss"]
    assert history[1] < history[0]


def test_export_with_any_batch(tmp_path: Path) -> None:
    if keras.backend.backend() != "tensorflow":
        pytest.skip("SavedModel is TensorFlow's")
    import tensorflow as tf

    exported = model()
    exported.export(tmp_path, verbose=False)
    loaded = tf.saved_model.load(str(tmp_path))
    for batch in (0, 1, 3):
        x = tf.constant(X[:batch], tf.float32)
        np.testing.assert_array_equal(loaded.serve(x), exported(x))


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != keras.backend.backend()])
def test_in_a_process_with_another_backend(backend: str) -> None:
    if missing(backend):
        pytest.skip(f'pip install "groupscat[{backend}]"')
    run_python("from tests import test_keras; test_keras.everything()", KERAS_BACKEND=backend)


def everything() -> None:
    """What must hold under each backend, in one process."""
    import tempfile

    contract = TestLayers()
    contract.test_everything_else_of_groupscat_is_there()
    for case, batch in [("1-D, complex", (2, 3)), ("2-D", ()), ("2-D, cascade", (0,)), ("harmonic", (1,))]:
        contract.test_numbers_are_the_operators(case, batch)
    contract.test_copies_give_the_same("2-D")
    contract.test_filters_are_constants()
    contract.test_wrong_shape_is_refused()
    contract.test_arrays_of_another_framework_are_refused()
    contract.test_error_names_both_frameworks_and_the_ways_out()
    test_functional_model_of_any_batch(3)
    test_sequential_time_distributed_and_cloned()
    test_complex_input()
    test_dict_output()
    test_list_output_is_for_eager_use()
    for policy, dtype in POLICIES.items():
        test_policies_round_the_result_only(policy, dtype)
    test_float64()
    with tempfile.TemporaryDirectory() as folder:
        test_saved_model_gives_the_same_bits(Path(folder))
        test_configuration_survives("Scattering1D", {"J": 2, "shape": 16, "rho": squared}, Path(folder))
    test_names_of_the_layer_and_of_the_operator()
    fit_and_differentiate()


# ---------------------------------------------------------------------------------------- front doors


def run_python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[1],
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("door", "absent", "message"),
    [
        ("keras", "keras", 'groupscat.keras needs Keras 3: pip install "groupscat[keras]"'),
        ("keras", "tensorflow", "Keras is set to run on tensorflow, which is not installed."),
        (
            "tensorflow",
            "tensorflow",
            'groupscat.tensorflow needs TensorFlow: pip install "groupscat[tensorflow',
        ),
    ],
)
def test_missing_frameworks_are_named(door: str, absent: str, message: str) -> None:
    code = f"""
import sys
sys.modules[{absent!r}] = None
import groupscat
try:
    import groupscat.{door}
except groupscat.BackendError as error:
    print(error)
"""
    assert run_python(code, KERAS_BACKEND="tensorflow").startswith(message)


def test_tensorflow_door_is_for_keras_on_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    if missing("tensorflow"):
        pytest.skip('pip install "groupscat[tensorflow]"')
    import importlib

    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    monkeypatch.delitem(sys.modules, "groupscat.tensorflow", raising=False)
    message = r"Keras runs on jax.*KERAS_BACKEND=tensorflow.*groupscat\.keras"
    with pytest.raises(gs.BackendError, match=message):
        importlib.import_module("groupscat.tensorflow")
    monkeypatch.setattr(keras.config, "backend", lambda: "tensorflow")
    door = importlib.import_module("groupscat.tensorflow")
    assert door.Scattering2D is gk.Scattering2D
    assert {name for name in gs.__all__ if not hasattr(door, name)} == set()


def test_numpy_arrays_that_keras_would_change_silently() -> None:
    layer = gk.Scattering1D(J=2, shape=20)
    x = noise((2, 20)).astype("float32")
    with pytest.raises(gs.DtypeError, match="mask"):
        layer(np.ma.masked_greater(x, 0))
    for dtype in ("object", "str", "datetime64[s]"):
        with pytest.raises(gs.DtypeError, match="expected one of"):
            layer(np.zeros((2, 20), dtype))
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(layer(x.astype(">f4"))), keras.ops.convert_to_numpy(layer(x))
    )
