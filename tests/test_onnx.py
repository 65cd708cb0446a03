"""ONNX files: what onnxruntime makes of them is what NumPy computes, for any batch, and faults are found."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.fft
from numpy.typing import NDArray

import groupscat as gs
from groupscat import nn
from groupscat.backend import Backend, registry
from groupscat.convolution.group_layer import GroupConvSpec, GroupPoolSpec, LiftSpec
from groupscat.convolution.layer import ConvNdSpec
from groupscat.groups import SE2
from groupscat.plan.conv_axis import BOUNDARIES
from groupscat.plan.strategy import STRATEGIES
from groupscat.testing import assert_close
from groupscat.testing.convolutions import ConvolutionContract
from groupscat.testing.operators import OPERATORS, OperatorContract, example
from groupscat.testing.primitives import PrimitiveContract
from groupscat.testing.tolerances import TOLERANCE
from groupscat.wavelets import GaussianRings
from tests.frameworks import missing
from tests.test_nn import TINY, conv, noise, numbers

if missing("onnx"):
    pytest.skip('pip install "groupscat[onnx]"', allow_module_level=True)
if missing("onnxruntime"):
    pytest.skip("pip install onnxruntime", allow_module_level=True)

import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator

from groupscat_onnx import backend as onnx_backend
from groupscat_onnx import tensor as onnx_tensor
from groupscat_onnx.backend import ONNXBackend
from groupscat_onnx.export import graph_model
from groupscat_onnx.tensor import Complex

#: Sums of a few thousand products of float32 numbers, layer after layer.
DEEP = {"float64": 1e-11, "float32": 1e-4}


def session(proto: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # what fails is raised; nothing more is to be printed
    return onnxruntime.InferenceSession(proto, options, providers=["CPUExecutionProvider"])


def exported(model: Any, folder: Path, dtype: str | None = None) -> onnx.ModelProto:
    path = folder / "model.onnx"
    gs.export_onnx(model, path, dtype)
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def served(proto: onnx.ModelProto, x: NDArray[Any]) -> NDArray[Any]:
    """What onnxruntime makes of x; complex arrays go as two."""
    given = {"x.re": x.real.copy(), "x.im": x.imag.copy()} if np.iscomplexobj(x) else {"x": x}
    return joined(session(proto.SerializeToString()).run(None, given))


def joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """A real array is one part, a complex one two."""
    return parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]


def model_of(network: nn.Network, dtype: str = "float64") -> nn.Model:
    """A network with parameters and a state without special values."""
    parameters, state = ({k: a.astype(dtype) for k, a in d.items()} for d in numbers(network))
    return nn.Model(network, parameters, state)


def agree(network: nn.Network, folder: Path) -> None:
    """The file computes what ``apply`` does in float64, in both precisions, for any batch."""
    model = model_of(network)
    for dtype in ("float64", "float32"):
        proto = exported(model, folder, dtype)
        for batch in (1, 3):
            x = noise(network, batch)
            found = served(proto, x.astype(dtype))
            assert found.dtype == dtype
            wanted = model(x)
            assert np.abs(wanted).max() > 1e-3
            assert_close(found, wanted, tolerance=DEEP[dtype])


# ------------------------------------------------------------------------------------------- backend


class Evaluating(ONNXBackend):
    """Expressions without inputs have values: those that onnxruntime finds."""

    def is_tracing(self, x: Any) -> bool:
        return False

    def to_numpy(self, x: Any) -> NDArray[Any]:
        return joined(session(graph_model(x).SerializeToString()).run(None, {}))


EVALUATING = Evaluating()


class TestContract(PrimitiveContract, ConvolutionContract, OperatorContract):
    """Every primitive, composite, convolution and operator: the contract of all backends."""

    name = "onnx"
    examples = 5

    @pytest.fixture(autouse=True)
    def _registered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        names, load = {**registry._entries(), "onnx": None}, registry._load
        monkeypatch.setattr(registry, "_entries", lambda: names)
        monkeypatch.setattr(registry, "_load", lambda name: EVALUATING if name == "onnx" else load(name))


@pytest.mark.parametrize("n", [1, 7, 64, 67, 96, 121, 2 * 67, 67 * 71, 1024, 7200, 8192])
@pytest.mark.parametrize("is_complex", [False, True])
def test_transforms_of_any_length(n: int, is_complex: bool) -> None:
    """By one matrix, in two steps, in more, of lengths with large prime factors."""
    rng = np.random.default_rng(n)
    x = rng.normal(size=(2, n)) + (1j * rng.normal(size=(2, n)) if is_complex else 0)
    forward = EVALUATING.fft(EVALUATING.asarray(x), (-1,))
    back = EVALUATING.backward_fft(EVALUATING.asarray(x), (-1,))
    assert_close(EVALUATING.to_numpy(forward), scipy.fft.fft(x))
    assert_close(EVALUATING.to_numpy(back), scipy.fft.ifft(x, norm="forward"))


def test_expressions_are_no_numbers() -> None:
    x = onnx_tensor.Tensor((None, 3), "float32", name="x")
    with pytest.raises(TypeError, match="known only when the graph runs"):
        bool(x > 0)
    with pytest.raises(TypeError, match="a part of the batch"):
        x[:2]
    with pytest.raises(TypeError, match="ndarray meets a float32"):
        x + np.ones(3)
    with pytest.raises(gs.BackendError, match="no values yet"):
        ONNXBackend().to_numpy(x)
    assert x[:, None, ::-1].shape == (None, 1, 3)


# ------------------------------------------------------------------------------------------ networks

RINGS = GaussianRings(3)
LAYERS: dict[str, tuple[list[Any], tuple[int, ...]]] = {
    "no layer": ([], (2, 4)),
    "BatchNorm": ([nn.BatchNorm()], (3, 4, 4)),
    "BatchNorm, not affine": ([nn.BatchNorm(affine=False)], (3,)),
    "Standardise": ([nn.Standardise((0.3, -1.0), (0.5, 2.0))], (2, 4)),
    "DivisiveNorm": ([nn.DivisiveNorm()], (3, 6, 6)),
    "Dropout": ([nn.Dropout(0.5)], (3, 4)),
    "ReLU": ([nn.ReLU()], (3, 4)),
    "ReLU of some channels": ([nn.ReLU(fraction=0.5)], (4, 4)),
    "ELU": ([nn.ELU(0.7)], (3, 4)),
    "Modulus": ([nn.Modulus()], (3, 4)),
    "SoftThreshold": ([nn.SoftThreshold(0.3)], (3, 4)),
    "SignedRoot": ([nn.SignedRoot()], (3, 4)),
    "Dense": ([nn.Dense(4)], (5,)),
    "Conv1x1": ([nn.Conv1x1(4)], (5, 3, 2)),
    "TightFrame": ([nn.TightFrame(2)], (3, 4)),
    "Flatten": ([nn.Flatten()], (3, 4, 2)),
    "Pad": ([nn.Pad(1)], (2, 4, 5)),
    "Pool": ([nn.Pool(2)], (2, 4, 6)),
    "Pool, mean": ([nn.Pool(3, "mean")], (2, 6)),
    "Mean": ([nn.Mean("u2")], (2, 4, 6)),
    "NewAttribute": ([nn.NewAttribute(), conv(1, 2, (3, 3, 3), (1, 1, 2))], (4, 4, 4)),
    "Residual": ([nn.Residual([conv(3, 4, (3, 3)), nn.ReLU()], [nn.Conv1x1(4)])], (3, 5, 5)),
    "convolution, 1-D": ([conv(2, 3, (4,), 2, bias=True)], (2, 9)),
    "convolution, 3-D": ([conv(2, 3, (3, 1, 2), (1, 2, 1))], (2, 4, 5, 3)),
    "convolution, groups": (
        [ConvNdSpec(in_channels=4, out_channels=6, kernel_size=(3, 2), dilation=2, groups=2)], (4, 7, 6)
    ),
    "group": (
        [
            LiftSpec(group=SE2(4), in_channels=1, out_channels=3, kernel_size=3),
            nn.ReLU(),
            GroupConvSpec(group=SE2(4), in_channels=3, out_channels=2, kernel_size=3, separable=True),
            GroupPoolSpec(SE2(4)),
        ],
        (1, 5, 5),
    ),
    "group, rings": (
        [
            LiftSpec(group=SE2(8), in_channels=2, out_channels=2, basis=RINGS, approximate=True),
            GroupConvSpec(group=SE2(8), in_channels=2, out_channels=2, basis=RINGS, approximate=True),
            GroupPoolSpec(SE2(8), reduce="mean", window=2),
        ],
        (2, 6, 6),
    ),
    "scattering of channels": (
        [gs.Scattering2D(J=1, L=2, shape=(6, 8)), nn.Flatten(), nn.Dense(2)], (2, 6, 8)
    ),
    "every kind of layer": (list(TINY.layers), TINY.input_shape),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name: str, tmp_path: Path) -> None:
    agree(nn.Network(*LAYERS[name]), tmp_path)


@pytest.mark.parametrize("padding", BOUNDARIES)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_convolution_of_any_strategy_and_padding(strategy: str, padding: str, tmp_path: Path) -> None:
    spec = ConvNdSpec(
        in_channels=2, out_channels=3, kernel_size=(2, 3, 2), stride=(1, 2, 1), dilation=(1, 1, 2),
        padding=padding, strategy=strategy,
    )  # fmt: skip
    agree(nn.Network([spec], (2, 4, 6, 5)), tmp_path)


@pytest.mark.parametrize(
    "network",
    [
        nn.hcnn(K=4, input_shape=(3, 8, 8), attributes=(3, 5)),
        nn.hcnn(K=4, separable=True, input_shape=(1, 8, 8), attributes=(3, 5)),
        nn.hcnn(K=8, input_shape=(1, 4, 4), attributes=(3, 3, 3)),
        nn.plain_cnn(K=4, input_shape=(3, 8, 8), rho=nn.ReLU(fraction=0.5)),
        nn.scattering_mlp(hidden=(8,), input_shape=(3, 16, 16)),
    ],
    ids=["hcnn", "hcnn, separable", "hcnn, three attributes", "plain_cnn", "scattering_mlp"],
)
def test_published_network(network: nn.Network, tmp_path: Path) -> None:
    agree(network, tmp_path)


@pytest.mark.parametrize("name", OPERATORS)
def test_operator_of_any_batch(name: str, tmp_path: Path) -> None:
    S = OPERATORS[name]()
    if S.out_type != "array":
        with pytest.raises(gs.ArgumentError, match="out_type='list'"):
            exported(S, tmp_path)
        return
    wide = "complex128" if S.complex_input else "float64"
    for dtype, given in (("float64", wide), ("float32", {"complex128": "complex64"}.get(wide, "float32"))):
        proto = exported(S, tmp_path, dtype)
        for batch in (1, 3):
            x = example(S, (batch,))
            assert_close(served(proto, x.astype(given)), S(x), x, TOLERANCE[dtype])


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_modules_and_layers(framework: str, tmp_path: Path) -> None:
    if missing(framework):
        pytest.skip(f'pip install "groupscat[{framework}]"')
    door = pytest.importorskip(f"groupscat.{framework}")
    model, x = model_of(TINY, "float32"), noise(TINY).astype("float32")
    net = door.Network(model)
    if framework == "torch":
        net.train()  # what is exported is the trained network all the same
    found = served(exported(net, tmp_path), x)
    assert_close(found, model(x), tolerance=DEEP["float32"])
    S = door.Scattering2D(J=1, L=2, shape=(6, 8))
    image = np.random.default_rng(0).normal(size=(2, 6, 8)).astype("float32")
    wanted = gs.Scattering2D(J=1, L=2, shape=(6, 8))(image)
    assert_close(served(exported(S, tmp_path), image), wanted, tolerance="float32")


def test_another_runtime_gives_the_same(tmp_path: Path) -> None:
    """That of ONNX itself: nothing depends on what onnxruntime takes beyond the standard."""
    for network in (TINY, nn.scattering_mlp(J=1, L=2, input_shape=(2, 6, 8))):
        model, x = model_of(network), noise(network)
        (y,) = ReferenceEvaluator(exported(model, tmp_path)).run(None, {"x": x})
        assert_close(y, model(x), tolerance=DEEP["float64"])


# ------------------------------------------------------------------------------------------ the file


def test_file_says_what_it_holds(tmp_path: Path) -> None:
    model = model_of(TINY, "float32")
    proto = exported(model, tmp_path)
    found = session(proto.SerializeToString())
    (x,), (y,) = found.get_inputs(), found.get_outputs()
    assert (x.name, x.shape, x.type) == ("x", ["batch", 2, 4, 2], "tensor(float)")
    assert (y.name, y.shape, y.type) == ("y", ["batch", 3], "tensor(float)")
    header = json.loads(found.get_modelmeta().custom_metadata_map["groupscat"])
    assert nn.from_config(header["network"]) == TINY
    assert proto.doc_string == str(TINY)
    assert proto.producer_name == "groupscat"
    assert {entry.domain for entry in proto.opset_import} == {""}


def test_weights_are_those_of_the_model(tmp_path: Path) -> None:
    model = model_of(TINY, "float32")
    held = {t.name: onnx.numpy_helper.to_array(t) for t in exported(model, tmp_path).graph.initializer}
    for name, values in model.arrays().items():
        np.testing.assert_array_equal(held[name], values)


def test_results_are_called_as_in_the_plan(tmp_path: Path) -> None:
    proto = exported(model_of(TINY), tmp_path)
    names = {name for entry in proto.graph.node for name in entry.output}
    assert {op.dst for op in TINY.inference.plan.ops} <= names
    S = gs.Scattering2D(J=1, L=2, shape=(8, 8))
    spectra = {name for name, register in S.plan.registers if register.is_complex}
    names = {name for entry in exported(S, tmp_path).graph.node for name in entry.output}
    assert spectra
    assert {f"{name}.{part}" for name in spectra for part in ("re", "im")} <= names


def test_constants_are_held_once(tmp_path: Path) -> None:
    proto = exported(gs.Scattering2D(J=2, L=2, shape=(8, 8)), tmp_path)
    held = [(t.data_type, tuple(t.dims), t.raw_data) for t in proto.graph.initializer]
    assert len(set(held)) == len(held)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_precision_is_that_of_the_network(dtype: str, tmp_path: Path) -> None:
    network = nn.Network([nn.Dense(3)], (4,))
    found = session(exported(model_of(network, dtype), tmp_path).SerializeToString())
    wanted = {"float16": "float", "float32": "float", "float64": "double"}[dtype]
    assert found.get_inputs()[0].type == f"tensor({wanted})"


# -------------------------------------------------------------------------------------------- errors


@nn.register
@dataclass(frozen=True, repr=False)
class Tangent(nn.Pointwise):
    def __call__(self, xp: Backend, x: Any) -> Any:
        return np.tanh(x)


def test_layers_that_no_graph_has_are_named(tmp_path: Path) -> None:
    network = nn.Network([nn.Dense(3), Tangent()], (4,))
    with pytest.raises(gs.ArgumentError, match=r"Tangent\(\).*cannot be written as ONNX.*groupscat.Backend"):
        gs.export_onnx(model_of(network), tmp_path / "x.onnx")
    S = gs.Scattering1D(J=2, shape=16, rho=np.tanh)
    with pytest.raises(gs.ArgumentError, match=r"Pointwise.*cannot be written as ONNX"):
        gs.export_onnx(S, tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (nn.plain_cnn(K=4), {}, "expected a groupscat.nn.Model"),
        (None, {}, "None: expected a groupscat.nn.Model"),
        (nn.Model(TINY, {}, {}), {}, "missing"),
        (gs.Scattering1D(J=2, shape=16, out_type="list"), {}, "out_type='list'"),
        (gs.Scattering1D(J=2, shape=16), {"dtype": "float16"}, "dtype='float16'"),
    ],
)
def test_what_cannot_be_exported(model: Any, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(gs.ArgumentError, match=message):
        gs.export_onnx(model, tmp_path / "x.onnx", **options)


@pytest.mark.parametrize("path", ["no folder/x.onnx", "file/x.onnx", "folder", ""])
def test_a_file_that_cannot_be_written(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("something else")
    Path("folder").mkdir()
    with pytest.raises(gs.DataError, match="cannot be written"):
        gs.export_onnx(model_of(TINY), path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_constants_beyond_what_a_file_can_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("groupscat_onnx.export.LARGEST", 1000)
    with pytest.raises(gs.ArgumentError, match="one ONNX file holds less than 1,000"):
        gs.export_onnx(gs.Scattering1D(J=2, shape=64), tmp_path / "x.onnx")


def test_without_onnx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in ("onnx", "groupscat_onnx")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(gs.BackendError, match=r'pip install "groupscat\[onnx\]"'):
        gs.export_onnx(model_of(TINY), tmp_path / "x.onnx")


# -------------------------------------------------------------------------------------------- faults

#: A fault each in what only the export does; the rest is the backend's, which the contract holds to account.
FAULTS: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "spectra conjugate": (ONNXBackend, "fft", lambda f, self, x, axes: self.backward_fft(x, axes)),
    "one axis left out": (ONNXBackend, "fft", lambda f, self, x, axes: f(self, x, axes[1:])),
    "no twiddles": (onnx_backend, "_twiddles", lambda f, a, b, sign, t: f(a, b, 0, t)),
    "a product without its cross terms": (
        ONNXBackend, "_times",
        lambda f, self, x, y: Complex(f(self, x, y).re, self.matmul(*(getattr(z, "re", z) for z in (x, y)))),
    ),
    "margins before and after changed": (
        ONNXBackend, "conv",
        lambda f, self, x, w, s, d, margin, g: f(self, x, w, s, d, [m[::-1] for m in margin], g),
    ),
    "zeros on one side": (
        ONNXBackend, "surround", lambda f, self, x, margin: f(self, x, [(0, a + b) for a, b in margin])
    ),
    "slices from the start": (
        onnx_tensor, "_sliced",
        lambda f, x, part: f(x, [slice(0, p.stop - p.start) if isinstance(p, slice) and p.start and p.stop
                                 and p.step is None and p.stop > p.start > 0 else p for p in part]),
    ),
    "moved back": (
        ONNXBackend, "permute", lambda f, self, x, order: f(self, x, np.argsort(order).tolist())
    ),
    "root forgotten": (ONNXBackend, "power", lambda f, self, x, q: x if q == 0.5 else f(self, x, q)),
    "imaginary part forgotten": (ONNXBackend, "modulus", lambda f, self, z, axis=None: f(self, z.re, axis)),
    "parts in the wrong order": (ONNXBackend, "concat", lambda f, self, xs, axis: f(self, xs[::-1], axis)),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_found(fault: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    owner, name, change = FAULTS[fault]
    original = getattr(owner, name)
    changed = lambda *args, **options: change(original, *args, **options)  # noqa: E731
    for holder in (owner, sys.modules["groupscat_onnx.export"], onnx_backend):
        if getattr(holder, name, None) is original:
            monkeypatch.setattr(holder, name, changed)
    networks = [
        TINY,
        nn.Network([conv(2, 3, (2, 4))], (2, 5, 6)),
        nn.Network([gs.Scattering1D(J=3, shape=150), nn.Flatten()], (2, 150)),
    ]
    found = 0
    for network in networks:
        try:
            agree(network, tmp_path)
        except Exception:  # a graph that is none is found, too
            found += 1
    assert found
