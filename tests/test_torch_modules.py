"""``groupscat.torch``: everything Torch users do with a module."""

from __future__ import annotations

import copy
import inspect
import io
import os
import pickle
import warnings
from typing import Any, ClassVar

import numpy as np
import pytest

import groupscat as gs
from groupscat.testing import LayerContract

if os.environ.get("GROUPSCAT_REQUIRE", "").find("torch") < 0:
    pytest.importorskip("torch", reason='needs Torch: pip install "groupscat[torch]"')

import torch
from torch import Tensor

import groupscat.torch as gst

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "1d": ("Scattering1D", {"J": 2, "shape": 16}),
    "1d-complex": ("Scattering1D", {"J": 2, "shape": 16, "complex_input": True, "padding": "circular"}),
    "2d": ("Scattering2D", {"J": 1, "shape": (8, 7), "L": 2}),
    "2d-cascade": ("Scattering2D", {"J": 1, "shape": (8, 8), "L": 2, "method": "cascade"}),
    "2d-rectifier": ("Scattering2D", {"J": 1, "shape": (8, 8), "L": 2, "rho": "rectifier"}),
    "2d-raw": ("Scattering2D", {"J": 1, "shape": (8, 8), "L": 2, "T": 0, "stride": 1, "max_order": 1}),
    "3d": ("Scattering3D", {"J": 1, "shape": (4, 4, 4), "L": 2, "padding": "zero"}),
    "harmonic": ("HarmonicScattering3D", {"J": 1, "shape": (5, 4, 4), "L": 1}),
}


def build(case: str, **more: Any) -> gst.OperatorModule:
    name, arguments = CASES[case]
    module: gst.OperatorModule = getattr(gst, name)(**arguments, **more)
    return module


def signal(module: gst.OperatorModule, batch: tuple[int, ...] = (2,), dtype: Any = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    if module.operator.complex_input:
        dtype = torch.complex128 if dtype == torch.float64 else torch.complex64
    return torch.randn(*batch, *module.operator.shape, dtype=dtype, generator=generator)


def error(y: Tensor | np.ndarray, reference: Tensor | np.ndarray) -> float:
    y, reference = np.asarray(y.detach() if isinstance(y, Tensor) else y), np.asarray(reference)
    return float(np.abs(y - reference).max() / np.abs(reference).max())


@pytest.mark.parametrize("case", CASES)
def test_module_gives_the_numbers_of_the_numpy_operator(case: str) -> None:
    module = build(case)
    x = signal(module)
    reference = module.operator(x.numpy())
    assert error(copy.deepcopy(module).double()(x), reference) < 1e-12
    single = x.to(torch.complex64 if x.is_complex() else torch.float32)
    y = module(single)
    assert error(y, reference) < 1e-5
    assert y.dtype in (torch.float32, torch.complex64)


def test_plain_tensors_follow_the_functional_operator() -> None:
    S = gs.Scattering2D(J=1, shape=(8, 8), L=2)
    x = torch.randn(3, 8, 8, dtype=torch.float64, requires_grad=True)
    y = S(x)
    assert isinstance(y, Tensor)
    assert y.dtype == torch.float64
    assert y.requires_grad
    assert error(y, S(x.detach().numpy())) < 1e-12


def test_double_is_exact_also_after_single_precision_and_back() -> None:
    module = build("2d").float().double().half().double()
    x = signal(module)
    assert error(module(x), module.operator(x.numpy())) < 1e-12


def test_half_precision_is_computed_in_single_and_returned_as_half() -> None:
    module = build("2d").half()
    x = signal(module).half()
    y = module(x)
    assert y.dtype == torch.float16
    assert error(y.float(), module.operator(x.float().numpy())) < 1e-3
    assert build("2d")(x.bfloat16()).dtype == torch.bfloat16


def test_default_dtype_and_device_are_respected() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        assert build("2d").precision == "float64"
    finally:
        torch.set_default_dtype(torch.float32)


def test_constants_are_buffers_outside_of_the_state_dict() -> None:
    module = build("2d")
    assert len(list(module.buffers())) == len(module.plan.constants)
    assert not module.state_dict()
    assert not list(module.parameters())
    module.load_state_dict({})


def test_module_from_the_meta_device_is_filled_again() -> None:
    with torch.device("meta"):
        module = build("2d")
    assert all(b.is_meta for b in module.buffers())
    module = module.to_empty(device="cpu").double()
    x = signal(module)
    assert error(module(x), module.operator(x.numpy())) < 1e-12


@pytest.mark.parametrize("case", CASES)
def test_pickle_and_deepcopy_keep_configuration_and_precision(case: str) -> None:
    module = build(case).double()
    x = signal(module)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert other.precision == "float64"
        assert error(other(x), module(x)) == 0
    assert len(pickle.dumps(module)) < 4000, "filters must not be pickled"


def test_saved_inside_a_network_and_loaded() -> None:
    net = torch.nn.Sequential(build("2d"), torch.nn.Flatten(), torch.nn.LazyLinear(3))
    x = signal(net[0], dtype=torch.float32)
    y = net(x)
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    other = torch.nn.Sequential(build("2d"), torch.nn.Flatten(), torch.nn.LazyLinear(3))
    other(x)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert error(other(x), y.detach()) == 0


@pytest.mark.parametrize("case", CASES)
def test_gradcheck(case: str) -> None:
    module = build(case).double()
    x = signal(module, (1,)).requires_grad_()
    assert torch.autograd.gradcheck(module, (x,))


@pytest.mark.parametrize(
    "case", [c for c in CASES if c != "2d-rectifier"]
)  # its second derivative is a delta
def test_gradgradcheck(case: str) -> None:
    module = build(case).double()
    x = signal(module, (1,)).requires_grad_()
    assert torch.autograd.gradgradcheck(module, (x,))


@pytest.mark.parametrize("case", CASES)
def test_gradient_is_finite_at_zero(case: str) -> None:
    module = build(case)
    x = torch.zeros_like(signal(module, dtype=torch.float32)).requires_grad_()
    module(x).abs().sum().backward()
    assert x.grad is not None
    assert torch.isfinite(torch.view_as_real(x.grad) if x.grad.is_complex() else x.grad).all()


@pytest.mark.parametrize("case", CASES)
def test_vmap(case: str) -> None:
    module = build(case).double()
    x = signal(module, (3, 2))
    assert error(torch.func.vmap(module)(x), module(x)) < 1e-14
    per_sample = torch.func.vmap(torch.func.grad(lambda v: module(v).abs().sum()))(x[:, 0])
    leaf = x[:, 0].clone().requires_grad_()
    module(leaf).abs().sum().backward()
    assert leaf.grad is not None
    assert error(per_sample, leaf.grad) < 1e-12


@pytest.mark.parametrize("case", CASES)
def test_forward_derivative(case: str) -> None:
    module = build(case).double()
    x = signal(module, (1,)) + 3
    direction = signal(module, (1,)).flip(-1)
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "`torch.jit.script` is deprecated", DeprecationWarning
        )  # in torch itself
        _, tangent = torch.func.jvp(module, (x,), (direction,))
    step = 1e-6
    difference = (module(x + step * direction) - module(x - step * direction)) / (2 * step)
    assert error(tangent, difference) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_compiled_whole(case: str) -> None:
    torch.compiler.reset()  # Torch counts compilations of one method for all modules, and stops
    module = build(case).double()
    x = signal(module)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    assert error(compiled(x), module(x)) < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_exported_with_any_batch(case: str) -> None:
    module = build(case).double()
    batch = {0: torch.export.Dim("batch", min=1)}
    exported = torch.export.export(module, (signal(module, (3,)),), dynamic_shapes=(batch,)).module()
    x = signal(module, (5,))
    assert error(exported(x), module(x)) < 1e-12


def test_signature_and_documentation_are_the_operators() -> None:
    for name in ("Scattering", "Scattering1D", "Scattering2D", "Scattering3D", "HarmonicScattering3D"):
        module, operator = getattr(gst, name), getattr(gs, name)
        assert inspect.signature(module) == inspect.signature(operator)
        assert operator.__doc__ in module.__doc__
    assert "J=1, shape=(8, 7), L=2" in repr(build("2d"))
    assert build("2d").paths == build("2d").operator.paths


def test_list_and_dict_output() -> None:
    module = build("2d", out_type="dict")
    x = signal(module, dtype=torch.float32)
    assert error(module(x)[(1,)], build("2d")(x)[:, 2]) == 0


class TestLayers(LayerContract):
    name: ClassVar[str] = "torch"
    door: ClassVar[str] = "groupscat.torch"

    def weights(self, layer: Any) -> list[Any]:
        return [*layer.parameters(), *layer.state_dict()]


def test_numpy_array_given_to_a_module() -> None:
    with pytest.raises(
        gs.DtypeError, match=r"takes torch tensors, got numpy\.ndarray.*or use groupscat\.Scattering2D"
    ):
        build("2d")(np.zeros((8, 7)))


def test_precision_of_input_and_module_must_agree() -> None:
    with pytest.raises(gs.DtypeError, match=r"float64.*module\.double\(\)"):
        build("2d")(torch.zeros(8, 7, dtype=torch.float64))


def test_device_of_input_and_module_must_agree() -> None:
    with pytest.raises(gs.DeviceError, match=r"x is on meta but Scattering2D is on cpu"):
        build("2d")(torch.zeros(8, 7, device="meta"))


def test_unusual_memory_layouts() -> None:
    module = build("2d")
    x = torch.randn(7, 8, 2)
    assert error(module(x.permute(2, 1, 0)), module(x.permute(2, 1, 0).contiguous())) < 1e-6
    row = torch.randn(8, 7)
    assert error(module(row.expand(3, 8, 7)), module(row)[None].repeat(3, 1, 1, 1)) < 1e-6
    assert module(torch.zeros(0, 8, 7)).shape == (0, *module.output_shape)
    z = build("1d-complex")
    w = torch.randn(16, dtype=torch.complex64)
    assert error(z(w.conj()), z(w.conj().resolve_conj())) < 1e-6
    assert error(build("1d")(w.conj().imag), build("1d")(w.conj().imag.resolve_neg())) < 1e-6


def test_integers_are_converted_as_documented() -> None:
    x = torch.arange(56, dtype=torch.uint8).reshape(8, 7)
    assert error(build("2d")(x), build("2d")(x.float())) == 0


def test_small_integers_are_computed_in_the_precision_of_the_module() -> None:
    x = torch.arange(56, dtype=torch.uint8).reshape(8, 7)
    module = build("2d").double()
    assert error(module(x), module(x.double())) == 0


def test_module_shows_what_its_operator_has() -> None:
    module = build("2d")
    assert (module.J, module.shape, module.max_order) == (1, (8, 7), 2)
    assert module.filters.phi.ndim == 2
    assert module.littlewood_paley().upper == module.operator.littlewood_paley().upper
    assert "paths" in str(module)
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        module.colour  # noqa: B018


def test_operator_first_used_in_inference_mode_can_be_differentiated_later() -> None:
    S = gs.Scattering2D(J=1, shape=(8, 8), L=2)
    with torch.inference_mode():
        S(torch.randn(8, 8))
        module = build("2d")
    for transform, side in ((S, 8), (module, 7)):
        x = torch.randn(8, side, requires_grad=True)
        transform(x).sum().backward()
        assert x.grad is not None


@pytest.mark.parametrize("case", ["2d", "2d-cascade"])
def test_autocast_does_not_lower_the_precision(case: str) -> None:
    module = build(case)
    x = signal(module, dtype=torch.float32)
    reference = module(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y, z = module(x), module.operator(x)
    assert y.dtype == z.dtype == torch.float32
    assert error(y, reference) == error(z, reference) == 0


def test_check_finite_lets_transforms_through() -> None:
    module = build("2d", check_finite=True)
    x = signal(module, dtype=torch.float32)
    assert error(torch.func.vmap(module)(x), module(x)) < 1e-6
    with pytest.raises(gs.NotFiniteError):
        module(x / 0)


def test_the_meta_device_tells_shapes() -> None:
    for given in (gs.Scattering1D(J=2, shape=20), gst.Scattering1D(J=2, shape=20).to("meta")):
        y = given(torch.zeros(3, 20, device="meta"))
        assert y.shape == (3, *given.output_shape)
        assert y.is_meta


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_tensors_that_are_not_dense_are_refused() -> None:
    x = torch.ones(2, 20)
    S = gst.Scattering1D(J=2, shape=20)
    for given in (x.to_sparse(), x.to_sparse_csr(), torch.nested.nested_tensor([x[0], x[1]])):
        for use in (S, S.operator, lambda x: gs.convert(x, "numpy")):
            with pytest.raises(gs.DtypeError, match="expected a dense one"):
                use(given)
    with pytest.raises(gs.DtypeError, match="quantised"):
        gs.convert(torch.quantize_per_tensor(x, 0.1, 0, torch.qint8), "numpy")
