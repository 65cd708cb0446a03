"""Trainable layers of Torch: what a module has to be, and that their numbers are the functions'."""

from __future__ import annotations

import copy
import dataclasses
import io
import os
import pickle
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import groupscat as gs
from groupscat.convolution.config import from_config, register, to_config
from groupscat.convolution.group import group_conv, group_pool, lift
from groupscat.convolution.layer import output_space
from groupscat.convolution.norm import fiber_batch_norm, fiber_statistics
from groupscat.equivariance import equivariance_error
from groupscat.errors import ApproximationWarning
from groupscat.groups import E2, SE2, Cyclic, Group, SE3Octahedral, Similitude2, Translation
from groupscat.space import signal_space
from groupscat.wavelets import GaussianRings, Pixels
from tests.frameworks import missing

if os.environ.get("GROUPSCAT_REQUIRE", "").find("torch") < 0:
    pytest.importorskip("torch", reason='needs Torch: pip install "groupscat[torch]"')

import torch
from torch import Tensor, nn

import groupscat.torch as gst

RINGS = GaussianRings(3)
#: A layer, and the lengths of its base axes.
CASES: dict[str, tuple[Callable[..., nn.Module], tuple[int, ...]]] = {
    "conv 1-D": (lambda **k: gst.ConvNd(2, 4, (3,), **k), (7,)),
    "conv 4-D": (lambda **k: gst.ConvNd(2, 2, (3, 2, 1, 2), stride=(1, 1, 1, 2), **k), (4, 3, 2, 3)),
    "conv 4-D, fft": (lambda **k: gst.ConvNd(2, 2, (3, 2, 1, 2), strategy="fft", **k), (4, 3, 2, 3)),
    "conv, edge": (lambda **k: gst.ConvNd(2, 4, (3, 2), padding="edge", groups=2, **k), (5, 4)),
    "lift": (lambda **k: gst.Lift(SE2(4), 2, 3, 3, **k), (5, 5)),
    "lift, separable": (lambda **k: gst.Lift(SE2(4), 2, 3, 3, separable=True, **k), (5, 5)),
    "lift, rings": (lambda **k: gst.Lift(SE2(8), 2, 3, basis=RINGS, approximate=True, **k), (5, 5)),
    "group": (lambda **k: gst.GroupConv(SE2(4), 2, 3, 3, stride=2, **k), (5, 5)),
    "group, reflections": (lambda **k: gst.GroupConv(E2(2), 2, 2, (3, 1), padding="circular", **k), (4, 3)),
    "group, depthwise": (lambda **k: gst.GroupConv(SE2(4), 2, 2, 3, groups=2, bias=False, **k), (4, 4)),
    "group, separable": (lambda **k: gst.GroupConv(SE2(4), 2, 3, 3, separable=True, **k), (5, 5)),
    "group, scales": (
        lambda **k: gst.GroupConv(Similitude2(2, 2), 2, 2, 1, separable=True, approximate=True, **k),
        (4, 4),
    ),
}


def signal(layer: nn.Module, sizes: tuple[int, ...], batch: int = 2, dtype: Any = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (batch, layer.in_channels, *layer.spec.before, *sizes)
    return torch.randn(shape, dtype=dtype, generator=generator)


def built(case: str, dtype: Any = torch.float64) -> tuple[Any, Tensor]:
    """A layer with a bias that is not 0, and an input."""
    make, sizes = CASES[case]
    torch.manual_seed(1)
    layer = make(dtype=dtype)
    if layer.bias is not None:
        nn.init.normal_(layer.bias)
    return layer, signal(layer, sizes, dtype=dtype)


def error(y: Tensor, reference: Any) -> float:
    found, wanted = (np.asarray(a.detach() if isinstance(a, Tensor) else a) for a in (y, reference))
    assert found.shape == wanted.shape
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def by_function(layer: Any, x: Tensor) -> np.ndarray:
    """The layer's numbers from the functions of groupscat, on NumPy."""
    spec = layer.spec
    w: Any = layer.weight.detach().numpy()
    arguments = {
        "stride": spec.stride,
        "dilation": spec.dilation,
        "padding": spec.padding,
        "groups": spec.groups,
    }
    if isinstance(layer, gst.ConvNd):
        y = gs.convnd(x.numpy(), w, **arguments)
    else:
        w = (layer.mix.detach().numpy(), w) if spec.separable else w
        function = lift if spec.lift else group_conv
        y = function(x.numpy(), w, spec.group, basis=spec.basis, approximate=True, **arguments)
    bias = 0 if layer.bias is None else layer.bias.detach().numpy()
    return y + np.reshape(bias, (-1,) + (1,) * (y.ndim - 2))


# ------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("case", CASES)
def test_layer_gives_the_numbers_of_the_function(case: str) -> None:
    layer, x = built(case)
    y = layer(x)
    assert error(y, by_function(layer, x)) < 1e-12
    assert tuple(y.shape) == layer.spec.output_shape(tuple(x.shape))
    single = copy.deepcopy(layer).float()
    assert error(single(x.float()), y) < 1e-5


def test_pool_gives_the_numbers_of_the_function() -> None:
    x = torch.randn(2, 3, 4, 6, 6)
    for arguments in ({}, {"reduce": "mean"}, {"window": 2}, {"reduce": "mean", "window": (3, 2)}):
        layer = gst.GroupPool(SE2(4), **arguments)
        assert error(layer(x), group_pool(x.numpy(), SE2(4), **arguments)) < 1e-6
        assert tuple(layer(x).shape) == layer.spec.output_shape(tuple(x.shape))
    with pytest.raises(gs.ShapeError, match=r"Windows of \(4, 4\)"):
        gst.GroupPool(SE2(4), window=4)(x)


def test_complex_signals_part_by_part() -> None:
    layer, x = built("group")
    z = torch.complex(x, x.flip(0))
    bias = layer.bias.reshape(-1, 1, 1, 1)
    assert error(layer(z).real, layer(x)) < 1e-14
    assert error(layer(z).imag, layer(x.flip(0)) - bias) < 1e-12
    pool = gst.GroupPool(SE2(4), "mean")
    assert error(pool(z).imag, pool(z.imag)) < 1e-14
    with pytest.raises(gs.DtypeError, match="no maximum"):
        gst.GroupPool(SE2(4))(z)


# ------------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("make", "x"),
    [
        (
            lambda: gst.ConvNd(16, 64, (3, 3), padding="circular"),
            (8, 16, 16, 16),
        ),
        (
            lambda: gst.Lift(SE2(4), 16, 32, 3, padding="circular"),
            (8, 16, 16, 16),
        ),
        (
            lambda: gst.GroupConv(SE2(4), 8, 32, 3, groups=2, padding="circular"),
            (8, 8, 4, 16, 16),
        ),
        (
            lambda: gst.GroupConv(
                SE2(8), 8, 32, basis=GaussianRings(5), padding="circular", approximate=True
            ),
            (8, 8, 8, 16, 16),
        ),
        (
            lambda: gst.GroupConv(SE2(4), 8, 256, 3, separable=True, padding="circular"),
            (8, 8, 4, 16, 16),
        ),
    ],
)
def test_initial_scale_keeps_the_power_through_relu(make: Any, x: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    layer = make()
    assert not layer.bias.any()
    with torch.no_grad():
        power = float((layer(torch.randn(x)).relu() ** 2).mean())
    assert abs(power - 1) < 0.15


def test_drawn_the_same_under_one_seed() -> None:
    def draw() -> Any:
        torch.manual_seed(3)
        return gst.GroupConv(SE2(4), 2, 3, 3, separable=True)

    a, b = draw(), draw()
    assert all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))
    before = a.weight.clone()
    a.reset_parameters()
    assert not torch.equal(a.weight, before)


def test_parameters_are_there_at_construction() -> None:
    names = {name: tuple(p.shape) for name, p in gst.Lift(SE2(4), 2, 3, 5).named_parameters()}
    assert names == {"weight": (3, 2, 5, 5), "bias": (3,)}
    separable = gst.GroupConv(SE2(4), 2, 3, basis=RINGS, separable=True, bias=False, approximate=True)
    names = {name: tuple(p.shape) for name, p in separable.named_parameters()}
    assert names == {"mix": (3, 2, 4), "weight": (3, RINGS.size)}
    assert separable.bias is None
    assert gst.ConvNd(2, 3, (3,), dtype=torch.float64, device="meta").weight.is_meta


def test_construction_takes_milliseconds() -> None:
    def seconds() -> float:
        start = time.perf_counter()
        gst.GroupConv(SE2(8), 16, 16, basis=GaussianRings(5), approximate=True)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.01


@pytest.mark.parametrize("case", CASES)
def test_saved_copied_and_pickled(case: str) -> None:
    layer, x = built(case)
    y = layer(x)
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other = CASES[case][0](dtype=torch.float64)
    other.load_state_dict(torch.load(file, weights_only=True))
    for same in (other, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(same(x), y)
    assert set(layer.state_dict()) == set(layer.spec.parameters)
    assert not list(layer.buffers())


def test_training_lowers_the_loss() -> None:
    torch.manual_seed(0)
    x, labels = torch.randn(16, 1, 9, 9), torch.arange(16) % 2
    net = nn.Sequential(
        *(gst.Lift(SE2(4), 1, 4, 3), gst.FiberBatchNorm(4), nn.ReLU(), gst.GroupConv(SE2(4), 4, 4, 3)),
        *(gst.GroupPool(SE2(4)), nn.Flatten(), nn.Linear(4 * 81, 2)),
    )
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    losses = []
    for _ in range(10):
        losses.append(nn.functional.cross_entropy(net(x), labels))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < losses[0] / 2
    assert all(p.grad is not None for p in net.parameters())


# ------------------------------------------------------------------------------------- derivatives


@pytest.mark.parametrize("case", CASES)
def test_derivatives(case: str) -> None:
    layer, x = built(case)
    names, values = zip(*layer.named_parameters(), strict=True)

    def function(x: Tensor, *parameters: Tensor) -> Tensor:
        found: Tensor = torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x,))
        return found

    given = (x[:1].clone().requires_grad_(), *(p.detach().clone().requires_grad_() for p in values))
    assert torch.autograd.gradcheck(function, given, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, given, fast_mode=True)


@pytest.mark.parametrize("case", CASES)
def test_vmap(case: str) -> None:
    layer, x = built(case)
    stack = torch.stack([x, x.flip(0), 2 * x])
    assert error(torch.func.vmap(layer)(stack), torch.stack([layer(part) for part in stack])) < 1e-12
    parameters = {name: torch.stack([p, 2 - p]).detach() for name, p in layer.named_parameters()}

    def member(p: dict[str, Tensor]) -> Tensor:
        found: Tensor = torch.func.functional_call(layer, p, (x,))
        return found

    ensemble = torch.func.vmap(member)(parameters)
    one_by_one = [member({name: p[k] for name, p in parameters.items()}) for k in range(2)]
    assert error(ensemble, torch.stack(one_by_one)) < 1e-12


# ------------------------------------------------------------------------------------- compilers


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_compiled_whole(case: str) -> None:
    torch.compiler.reset()
    layer, x = built(case)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    given = x.clone().requires_grad_()
    found = torch.autograd.grad(compiled(given).square().sum(), [given, *layer.parameters()])
    wanted = torch.autograd.grad(layer(given).square().sum(), [given, *layer.parameters()])
    assert error(compiled(x), layer(x)) < 1e-12
    assert max(error(a, b) for a, b in zip(found, wanted, strict=True)) < 1e-12
    assert error(compiled(torch.cat([x, x])), layer(torch.cat([x, x]))) < 1e-12


@pytest.mark.slow
def test_compiled_once_for_all_batches() -> None:
    torch.compiler.reset()
    net = nn.Sequential(
        gst.Lift(SE2(4), 1, 2, 3), nn.ReLU(), gst.GroupConv(SE2(4), 2, 2, 3, padding="reflect")
    )
    net.append(gst.GroupPool(SE2(4)))
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    compiled(torch.randn(2, 1, 7, 7)), compiled(torch.randn(3, 1, 7, 7))
    with torch._dynamo.config.patch(error_on_recompile=True):
        for batch in (4, 5, 9):
            x = torch.randn(batch, 1, 7, 7)
            assert error(compiled(x), net(x)) < 1e-6
    for side in (8, 11, 7):
        x = torch.randn(2, 1, side, side)
        assert error(compiled(x), net(x)) < 1e-6


@pytest.mark.slow
def test_compiled_layers_of_equal_weights_are_told_apart() -> None:
    torch.compiler.reset()
    x = torch.randn(2, 1, 7, 7)
    a = gst.Lift(SE2(4), 1, 2, 3)
    for padding in ("circular", "reflect", "edge"):
        b = gst.Lift(SE2(4), 1, 2, 3, padding=padding)
        b.load_state_dict(a.state_dict())
        compiled = torch.compile(b, fullgraph=True, backend="aot_eager")
        assert error(compiled(x), b(x)) < 1e-6
        assert error(b(x), a(x)) > 1e-2


@pytest.mark.slow
@pytest.mark.parametrize("strict", [False, True])
def test_exported_with_any_batch(strict: bool) -> None:
    """Also where the exporter is the first to need the constants: they must not be stand-ins."""
    layer = gst.GroupConv(SE2(4), 1, 2, 3, padding="reflect" if strict else "edge").double()
    batch = {0: torch.export.Dim("batch", min=1)}
    x = torch.randn(5, 1, 4, 6, 6, dtype=torch.float64)
    exported = torch.export.export(layer, (x[:2],), dynamic_shapes=(batch,), strict=strict).module()
    assert error(exported(x), layer(x)) < 1e-12
    assert error(layer(x), by_function(layer, x)) < 1e-12


# ------------------------------------------------------------------------------------- precision


def test_half_precision_is_computed_in_single() -> None:
    layer, x = built("group", torch.float32)
    half = copy.deepcopy(layer).half()
    y = half(x.half())
    exact = half.float()(x.half().float())
    assert y.dtype == torch.float16
    assert error(y.float(), exact) < 2e-3


def test_autocast_rounds_nothing() -> None:
    layer, x = built("group", torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer(x), layer(x.clone()))
        y, z = layer(x), layer(x.bfloat16())
    assert y.dtype == z.dtype == torch.float32
    assert torch.equal(y, layer(x))
    assert torch.equal(z, layer(x.bfloat16().float()))


def test_what_does_not_fit_is_refused() -> None:
    layer = gst.GroupConv(SE2(4), 2, 3, 3)
    x = torch.zeros(1, 2, 4, 5, 5)
    with pytest.raises(gs.DtypeError, match="x is float64 and weight is float32"):
        layer(x.double())
    with pytest.raises(gs.DeviceError, match="x is on meta and weight on cpu"):
        layer(x.to("meta"))
    with pytest.raises(gs.DtypeError, match=r"takes torch tensors, got numpy\.ndarray"):
        layer(x.numpy())
    with pytest.raises(gs.ShapeError, match=r"\(batch, 2, 4, N_1, N_2\)"):
        layer(x[:, :1])
    with pytest.raises(gs.ShapeError, match="lifted first"):
        layer(x[:, :, 0])
    assert layer.to("meta")(x.to("meta")).shape == (1, 3, 4, 5, 5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "expected exactly one of them"),
        ({"kernel_size": 3, "basis": RINGS}, "expected exactly one of them"),
        ({"kernel_size": 0}, "kernel_size=0"),
        ({"kernel_size": (3, 3, 3)}, "3 values for 2 axes"),
        ({"basis": 3}, "basis=3"),
        ({"kernel_size": 3, "stride": 0}, "stride=0"),
        ({"kernel_size": 3, "padding": "same"}, "padding='same'"),
        ({"kernel_size": 3, "groups": 2}, "groups=2 must divide"),
        ({"kernel_size": 3, "strategy": "best"}, "strategy='best'"),
    ],
)
def test_arguments_are_checked_at_construction(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(gs.ArgumentError, match=message):
        gst.Lift(SE2(4), 3, 2, **arguments)
    with pytest.raises(gs.ArgumentError, match="one number of taps per axis"):
        gst.ConvNd(1, 1, 3)  # type: ignore[arg-type]
    assert gst.ConvNd(1, 1, np.array([3, 5])).spec.kernel_size == (3, 5)  # type: ignore[arg-type]


def test_approximation_is_said_once_at_construction() -> None:
    with pytest.warns(ApproximationWarning) as caught:
        layer = gst.Lift(SE2(8), 1, 2, basis=RINGS)
    assert [record.filename for record in caught] == [__file__]
    layer(torch.zeros(1, 1, 5, 5))
    with pytest.raises(gs.ArgumentError, match="does not commute"):
        gst.Lift(SE2(4), 1, 2, 3, stride=2)(torch.zeros(1, 1, 6, 6))


def test_representation_is_short() -> None:
    layer = gst.Lift(SE2(4), 3, 8, 5, stride=2)
    assert repr(layer) == (
        "Lift(in_channels=3, out_channels=8, stride=2, group=Translation(d=2) @ Cyclic(n=4), "
        "basis=Pixels(5, 5))"
    )


# ------------------------------------------------------------------------------------- batch norm


def test_batch_norm_is_per_channel_over_everything_else() -> None:
    norm = gst.FiberBatchNorm(3, momentum=0.5)
    x = torch.randn(4, 3, 8, 5, 5) * 3 + torch.arange(3.0).reshape(-1, 1, 1, 1)
    y = norm(x)
    plain = nn.BatchNorm3d(3, momentum=0.5)
    assert error(y, plain(x)) < 1e-5
    assert list(norm.state_dict()) == list(plain.state_dict())
    mean, variance = fiber_statistics(x)
    assert error(y, fiber_batch_norm(x, mean, variance, norm.weight, norm.bias)) < 1e-5
    assert error(norm.running_mean, mean / 2) < 1e-5
    norm.eval()
    running = fiber_batch_norm(x, norm.running_mean, norm.running_var)
    assert error(norm(x), running) < 1e-5
    assert norm(torch.randn(4, 3, 2, 2, 2, 2, 2)).shape == (4, 3, 2, 2, 2, 2, 2)
    assert gst.FiberBatchNorm(3)(torch.randn(4, 3)).shape == (4, 3)


@pytest.mark.parametrize("framework", ["numpy", "torch", "jax", "tensorflow"])
def test_functional_batch_norm_in_every_framework(framework: str) -> None:
    if missing(framework):
        pytest.skip(f'pip install "groupscat[{framework}]"')
    rng = np.random.default_rng(0)
    x = rng.normal(100, 2, (6, 3, 4, 5)).astype("float32")
    weight, bias = rng.normal(size=(2, 3)).astype("float32")
    put = [gs.convert(a, framework) for a in (x, weight, bias)]
    mean, variance = fiber_statistics(put[0])
    wide = x.astype("float64")
    wanted = wide.mean((0, 2, 3)), wide.var((0, 2, 3))
    assert max(np.abs(np.asarray(a) - b).max() for a, b in zip((mean, variance), wanted, strict=True)) < 1e-3
    found = np.asarray(fiber_batch_norm(put[0], mean, variance, *put[1:], eps=1e-3))
    column = (3, 1, 1)
    scale = weight / np.sqrt(wanted[1] + 1e-3)
    exact = (wide - wanted[0].reshape(column)) * scale.reshape(column) + bias.reshape(column)
    assert np.abs(found - exact).max() < 1e-4
    for wrong in (mean[:2], gs.convert(np.zeros((3, 1), "float32"), framework)):
        with pytest.raises(gs.ShapeError, match="one number for each of the 3 channels"):
            fiber_batch_norm(put[0], wrong, variance)
    with pytest.raises(gs.DtypeError, match="variances are those of real numbers"):
        fiber_statistics(gs.convert(x.astype("complex64"), framework))
    with pytest.raises(gs.ShapeError, match="no values have no mean"):
        fiber_statistics(put[0][:0])
    with pytest.raises(gs.ArgumentError, match="eps=-1: expected a positive"):
        fiber_batch_norm(put[0], mean, variance, eps=-1)


# ------------------------------------------------------------------------------------- places, equivariance


def strided(padding: str) -> nn.Sequential:
    group = SE2(4)
    more = {"padding": padding, "stride": 2, "dtype": torch.float64}
    return nn.Sequential(
        *(gst.Lift(group, 1, 2, 3, **more), gst.FiberBatchNorm(2).double(), nn.ReLU()),
        *(gst.GroupConv(group, 2, 3, 3, **more), nn.ReLU(), gst.GroupConv(group, 3, 2, 5, **more)),
    ).eval()


@pytest.mark.parametrize(("padding", "side"), [("zero", 17), ("none", 47), ("circular", 16)])
def test_stacked_strided_layers_commute(padding: str, side: int) -> None:
    """Three layers of stride 2, their outputs where they say: exact, and not so anywhere else."""
    net = strided(padding)
    space = signal_space((side, side), periodic=padding == "circular")
    out = output_space(net, space)
    x = torch.randn(1, 1, side, side, dtype=torch.float64)
    assert out.shape == tuple(net(x).shape[2:])
    arguments: dict[str, Any] = {"space": space}
    if padding == "circular":  # about a sample that is left after all strides
        arguments |= {"origin": [axis.start for axis in out.base.values()], "translations": True}
    assert float(equivariance_error(net, SE2(4), x, out_space=out, **arguments)) < 1e-12
    with pytest.raises(gs.GroupscatError):
        equivariance_error(net, SE2(4), x, out_space=output_space(net[0], space), **arguments)
    broken = equivariance_error(nn.Sequential(*net, Shear()), SE2(4), x, out_space=out, **arguments)
    assert float(broken) > 1e-2


class Shear(nn.Module):
    """No layer for a group: later elements are weaker."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.linspace(1, 0.5, x.shape[2], dtype=x.dtype).reshape(-1, 1, 1)


def test_layers_tell_where_their_outputs_lie() -> None:
    lift = gst.Lift(SE2(4), 1, 2, 4, stride=3, padding="none")
    assert str(lift.output_space(signal_space((10, 10), step=2))) == "h:4 × u1:3/6@3 × u2:3/6@3"
    pool = gst.GroupPool(SE2(4), window=2)
    assert str(pool.output_space(signal_space((8, 8), SE2(4), step=2))) == "h:4 × u1:4/4@1 × u2:4/4@1"
    assert str(gst.GroupPool(SE2(4)).output_space(signal_space((8, 8), SE2(4)))) == "u1:8 × u2:8"
    conv = gst.ConvNd(1, 1, (3,), padding="circular")
    assert str(conv.output_space(signal_space((8,), periodic=True))) == "u1:8~"
    with pytest.raises(gs.ShapeError, match="an axis h of 4 elements"):
        pool.output_space(signal_space((8, 8)))
    with pytest.raises(gs.ShapeError, match="base axes alone"):
        lift.output_space(signal_space((8, 8), SE2(4)))
    with pytest.raises(gs.ShapeError, match="expected 1 of them"):
        conv.output_space(signal_space((8, 8)))


@pytest.mark.parametrize("group", [E2(4), SE3Octahedral()])
def test_pooled_networks_are_invariant(group: Group) -> None:
    side = (6,) * group.ndim
    net = nn.Sequential(
        *(gst.Lift(group, 1, 2, 3), nn.ReLU(), gst.GroupConv(group, 2, 2, 3, separable=True)),
        *(gst.GroupPool(group, window=2), gst.GroupPool(group, "mean")),
    ).double()
    x = torch.randn(1, 1, *side, dtype=torch.float64)
    out = output_space(net, signal_space(side))
    assert out.elements == {}
    assert float(equivariance_error(net, group, x, out_space=out)) < 1e-12


# ------------------------------------------------------------------------------------- export


@pytest.mark.parametrize("case", [case for case in CASES if "4-D" not in case])
@pytest.mark.parametrize("padding", ["zero", "circular", "reflect", "edge", "none"])
def test_exported_to_ordinary_convolutions(case: str, padding: str) -> None:
    layer, x = built(case)
    spec = layer.spec
    more = {"approximate": True} if spec.before or spec.after else {}
    layer.spec = dataclasses.replace(spec, padding=padding, **more)
    plain = layer.export(tuple(x.shape[-spec.ndim :]))
    assert {type(m).__module__.split(".")[0] for m in plain} == {"torch"}
    assert error(plain(x), layer(x)) < 1e-12
    assert error(plain.float()(x.float()), layer(x)) < 1e-5


def test_exported_layer_has_parameters_of_its_own() -> None:
    layer, x = built("lift")
    before = layer(x)
    plain = layer.export()
    with torch.no_grad():
        for p in plain.parameters():
            p.zero_()
    assert torch.equal(layer(x), before)
    assert layer.half().export()[0].weight.dtype == torch.float16


@pytest.mark.parametrize("dilation", [1, 2])
def test_exported_with_padding_of_several_kinds(dilation: int) -> None:
    paddings = ("zero", "circular", "reflect")
    layer = gst.ConvNd(2, 3, (3, 4, 2), stride=(1, 2, 1), padding=paddings, dilation=dilation).double()
    x = torch.randn(2, 2, 7, 8, 9, dtype=torch.float64)
    assert error(layer.export((7, 8, 9))(x), layer(x)) < 1e-12


def test_export_of_weights_that_are_computed() -> None:
    from torch.nn.utils import parametrizations, prune

    x = torch.randn(1, 1, 7, 7)
    normed = parametrizations.weight_norm(gst.Lift(SE2(4), 1, 2, 3))
    pruned = prune.random_unstructured(gst.Lift(SE2(4), 1, 2, 3), "weight", 0.5)
    for layer in (normed, pruned):
        assert error(layer.export()(x), layer(x)) < 1e-5


def test_filters_of_layers_are_real() -> None:
    for dtype in (torch.complex64, torch.int32, "float32"):
        with pytest.raises(gs.DtypeError, match=r"dtype=.*expected torch\.float32"):
            gst.Lift(SE2(4), 1, 2, 3, dtype=dtype)
    with pytest.warns(UserWarning, match="Complex modules"):
        layer = gst.Lift(SE2(4), 1, 2, 3).to(torch.complex64)
    with pytest.raises(gs.DtypeError, match=r"weight is torch\.complex64; layers have real filters"):
        layer(torch.zeros(1, 1, 5, 5))


def test_export_says_what_it_needs() -> None:
    with pytest.raises(gs.ArgumentError, match="along at most 3"):
        gst.ConvNd(1, 1, (1, 1, 1, 1)).export()
    with pytest.raises(gs.ArgumentError, match=r"export\(shape=\(28, 28\)\)"):
        gst.Lift(SE2(4), 1, 2, 3, stride=2).export()
    with pytest.raises(gs.ArgumentError, match="expected the 2 lengths"):
        gst.Lift(SE2(4), 1, 2, 3).export((28,))
    with pytest.raises(gs.ArgumentError, match="shape=28: expected the 2 lengths"):
        gst.Lift(SE2(4), 1, 2, 3).export(28)  # type: ignore[arg-type]
    with pytest.raises(gs.ArgumentError, match="does not commute"):
        gst.Lift(SE2(4), 1, 2, 3, stride=2).export((8, 8))
    x = torch.randn(1, 1, 7, 7)
    layer = gst.Lift(SE2(4), 1, 2, 3, stride=2, padding="none")
    assert error(layer.export()(x), layer(x)) < 1e-5


# ------------------------------------------------------------------------------------- configuration


@pytest.mark.parametrize(
    "value",
    [
        *(
            SE2(8),
            E2(4),
            SE3Octahedral(),
            Similitude2(4, 2, 1.5),
            Cyclic(np.int64(4)),
            SE2(4) * Translation(1),
        ),
        *(Pixels(3, 5), GaussianRings(5, sigma=0.5), GaussianRings(3) * Pixels(2)),
    ],
)
def test_groups_and_bases_are_plain_data(value: Any) -> None:
    import json

    assert from_config(json.loads(json.dumps(to_config(value)))) == value


def test_only_registered_classes_are_made() -> None:
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Turns(Cyclic):
        """A group of one's own."""

    with pytest.raises(gs.ArgumentError, match="not registered"):
        to_config(Turns(4))
    with pytest.raises(gs.ArgumentError, match="class='Turns': expected one of Cyclic"):
        from_config({"class": "Turns", "n": 4})
    register(Turns)
    assert from_config(to_config(Translation(2) @ Turns(4))) == Translation(2) @ Turns(4)
    with pytest.raises(gs.ArgumentError, match=r"class=\['Cyclic'\]: expected one of"):
        from_config({"class": ["Cyclic"]})
    with pytest.raises(gs.ArgumentError, match=r"no fields \['m'\]"):
        from_config({"class": "Cyclic", "m": 4})
    with pytest.raises(gs.ArgumentError, match="does not make a Cyclic"):
        from_config({"class": "Cyclic"})
    with pytest.raises(gs.ArgumentError, match="frozen dataclass"):
        register(print)
    with pytest.raises(gs.ArgumentError, match="another class Turns"):
        register(dataclass(frozen=True)(type("Turns", (Cyclic,), {})))
