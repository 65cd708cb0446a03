"""Features of one framework used in another: the same file from the command line, the same predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat.cli import main
from groupscat.testing import TOLERANCE, assert_close
from tests.frameworks import missing, needs

datasets = pytest.importorskip("sklearn.datasets", reason='pip install "groupscat[sklearn]"')

if not missing("jax"):
    import jax

    jax.config.update("jax_enable_x64", True)

BACKENDS = [pytest.param(name, marks=needs(name)) for name in ("torch", "tensorflow", "jax")]
OPTIONS = ["-J", "1", "-L", "4", "--batch-size", "64"]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 handwritten digits of 8×8 pixels, with labels, as an .npz."""
    found = datasets.load_digits()
    path = tmp_path_factory.mktemp("digits") / "digits.npz"
    np.savez(path, x=found.images[:600].astype("float32") / 16, label=found.target[:600])
    return path


def features(digits: Path, backend: str, *more: str) -> dict[str, Any]:
    """Everything that ``groupscat features`` writes."""
    out = digits.with_name(f"{backend}{len(more)}.npz")
    command = [
        "features",
        str(digits),
        "--key",
        "x",
        "-o",
        str(out),
        "--backend",
        backend,
        "--overwrite",
        "-q",
    ]
    assert main([*command, *OPTIONS, *more]) == 0
    with np.load(out) as store:
        return dict(store)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_backend_writes_the_same_store(digits: Path, backend: str, dtype: str) -> None:
    wanted, found = features(digits, "numpy", "--dtype", dtype), features(digits, backend, "--dtype", dtype)
    assert sorted(found) == sorted(wanted)
    for name in wanted:
        if name == "features":
            assert found[name].dtype == dtype
            assert_close(found[name], wanted[name], 0.0, TOLERANCE[dtype])
        elif name == "config":
            ours, theirs = json.loads(str(found[name])), json.loads(str(wanted[name]))
            assert ours.pop("backend") == backend
            assert theirs.pop("backend") == "numpy"
            assert ours == theirs
        else:
            np.testing.assert_array_equal(found[name], wanted[name])


@pytest.mark.parametrize("trained", ["numpy", *BACKENDS])
def test_classifier_of_one_framework_predicts_with_features_of_all(digits: Path, trained: str) -> None:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    from sklearn.svm import SVC

    store = features(digits, trained)
    x, label = store["features"].reshape(len(store["features"]), -1), store["label"]
    model = make_pipeline(FunctionTransformer(np.log1p), SVC(C=100.0)).fit(x[:300], label[:300])
    wanted = model.predict(x[300:])
    assert (wanted == label[300:]).mean() > 0.85  # it has learned something that could differ
    for other in ("numpy", "torch", "tensorflow", "jax"):
        if other != trained and not missing(other):
            y = features(digits, other)["features"].reshape(len(x), -1)
            np.testing.assert_array_equal(model.predict(y[300:]), wanted, err_msg=other)


@needs("torch")
def test_torch_and_numpy_share_memory() -> None:
    """Both write to their arrays, so that sharing surprises nobody."""
    x = np.zeros(3)
    y = gs.convert(x, "torch", copy=False)
    y[0] = 7.0
    assert x[0] == 7.0
    gs.convert(y, "numpy", copy=False)[1] = 8.0
    np.testing.assert_array_equal(x, [7.0, 8.0, 0.0])
    assert gs.convert(x, "torch", copy=True).data_ptr() != x.ctypes.data


@needs("tensorflow")
@needs("jax")
@pytest.mark.parametrize(("one", "other"), [("jax", "tensorflow"), ("tensorflow", "jax")])
def test_frameworks_without_writing_share_memory(one: str, other: str) -> None:
    x = gs.convert(np.arange(1024.0), one)
    y = gs.convert(x, other, copy=False)
    assert gs.backend_of(y).name == other
    assert np.from_dlpack(y).ctypes.data == np.from_dlpack(x).ctypes.data


@needs("torch")
def test_gradients_are_not_dropped_on_the_way() -> None:
    import torch

    with pytest.raises(gs.DtypeError, match=r"gradient.*x\.detach\(\)"):
        gs.convert(torch.zeros(3, requires_grad=True), "numpy")
    with pytest.raises(gs.DtypeError, match="bfloat16"):
        gs.convert(torch.zeros(3, dtype=torch.bfloat16), "numpy")


@pytest.mark.parametrize("backend", BACKENDS)
def test_arrays_go_from_framework_to_framework(backend: str) -> None:
    """A Torch tensor's features, say, used in JAX: same values, no detour that the user has to know."""
    S = gs.Scattering1D(J=2, shape=16)
    x = np.random.default_rng(0).standard_normal((3, 16))
    wanted = S(x)
    for other in ("numpy", "torch", "tensorflow", "jax"):
        if not missing(other):
            gs.get_backend(other)
            y = gs.convert(S(gs.convert(x, other)), backend)
            assert gs.backend_of(y).name == backend
            assert_close(gs.get_backend(backend).to_numpy(y), wanted, x)


@pytest.mark.parametrize("backend", ["torch", "tensorflow", "jax"])
def test_element_types_a_framework_does_not_have_are_refused(backend: str) -> None:
    if reason := missing(backend):
        pytest.skip(reason)
    for dtype in ("longdouble", "object", "str", "datetime64[s]"):
        x = np.zeros(3, dtype)
        if x.dtype == np.float64:  # a long double is a double there
            continue
        with pytest.raises(gs.DtypeError, match="cannot become an array"):
            gs.convert(x, backend)
    y = gs.convert(np.arange(3, dtype=">f4"), backend)
    np.testing.assert_array_equal(gs.convert(y, "numpy"), [0, 1, 2])
