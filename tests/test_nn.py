"""Networks as data: counts, chaining, values against direct sums, state, gradients, and errors."""

from __future__ import annotations

import copy
import itertools
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import groupscat as gs
from groupscat import nn
from groupscat.convolution.group_layer import GroupConvSpec, GroupPoolSpec, LiftSpec
from groupscat.convolution.layer import ConvNdSpec
from groupscat.groups import SE2
from groupscat.testing import assert_close
from tests.frameworks import missing, needs

if not missing("jax"):
    import jax

    jax.config.update("jax_enable_x64", True)

FRAMEWORKS = ["numpy", *(pytest.param(name, marks=needs(name)) for name in ("torch", "tensorflow", "jax"))]
F64 = NDArray[np.float64]
rng = np.random.default_rng(0)


def conv(inputs: int, outputs: int, taps: tuple[int, ...], stride: Any = 1, bias: bool = False) -> ConvNdSpec:
    return ConvNdSpec(in_channels=inputs, out_channels=outputs, kernel_size=taps, stride=stride, bias=bias)


#: Every layer once, tiny: two attributes, a residual block, a dropout.
TINY = nn.Network(
    [
        conv(2, 4, (3, 3), bias=True),
        nn.BatchNorm(),
        nn.ELU(),
        nn.NewAttribute(),
        conv(1, 4, (3, 3, 3), (1, 1, 2)),
        nn.BatchNorm(affine=False),
        nn.ReLU(fraction=0.5),
        nn.NewAttribute(),
        conv(1, 3, (3, 1, 2, 3), (2, 1, 2, 2)),
        nn.SoftThreshold(0.1),
        nn.NewAttribute(),
        nn.Mean("v1"),
        nn.Residual([nn.Conv1x1(2), nn.Modulus(), nn.Conv1x1(2, bias=False)], [nn.Conv1x1(2)]),
        nn.Dropout(0.6),
        nn.SignedRoot(),
        nn.Pool(2),
        nn.Mean(("u1", "u2")),
        nn.Flatten(),
        nn.Dense(3),
    ],
    input_shape=(2, 4, 2),
)


def numbers(network: nn.Network, seed: int = 1) -> tuple[dict[str, F64], dict[str, F64]]:
    """Parameters and a state without special values."""
    r = np.random.default_rng(seed)
    parameters = {k: r.normal(size=shape) for k, shape in network.parameters.items()}
    return parameters, {k: r.uniform(0.5, 1.5, shape) for k, shape in network.state.items()}


def noise(network: nn.Network, batch: int = 3) -> F64:
    return np.random.default_rng(7).normal(size=(batch, *network.input_shape))


# ------------------------------------------------------------------------------------- direct sums


def naive_conv(x: F64, w: F64, stride: tuple[int, ...]) -> F64:
    """Zero padding, ⌈n/s⌉ outputs, by the definition."""
    sizes, taps = x.shape[2:], w.shape[2:]
    out = [-(-n // s) for n, s in zip(sizes, stride, strict=True)]
    before = [max((m - 1) * s + k - n, 0) // 2 for m, s, k, n in zip(out, stride, taps, sizes, strict=True)]
    y = np.zeros((len(x), len(w), *out))
    for place in itertools.product(*map(range, out)):
        for tap in itertools.product(*map(range, taps)):
            at = tuple(j * s + t - b for j, s, t, b in zip(place, stride, tap, before, strict=True))
            if all(0 <= a < n for a, n in zip(at, sizes, strict=True)):
                y[(..., *place)] += x[(..., *at)] @ w[(..., *tap)].T
    return y


def naive_norm(x: F64, mean: F64, variance: F64, weight: Any = 1.0, bias: Any = 0.0) -> F64:
    y = np.empty_like(x)
    weight, bias = np.broadcast_to(weight, mean.shape), np.broadcast_to(bias, mean.shape)
    for c in range(x.shape[1]):
        y[:, c] = (x[:, c] - mean[c]) / np.sqrt(variance[c] + 1e-5) * weight[c] + bias[c]
    return y


def naive_tiny(p: dict[str, F64], s: dict[str, F64], x: F64, masks: dict[str, F64] | None) -> F64:
    """TINY written out; ``masks``: in training."""

    def norm(x: F64, name: str, *affine: F64) -> F64:
        if masks is None:
            return naive_norm(x, s[f"{name}.mean"], s[f"{name}.variance"], *affine)
        each = [x[:, c] for c in range(x.shape[1])]
        return naive_norm(x, np.array([e.mean() for e in each]), np.array([e.var() for e in each]), *affine)

    x = naive_conv(x, p["0.weight"], (1, 1)) + p["0.bias"][:, None, None]
    x = norm(x, "1", p["1.weight"], p["1.bias"])
    x = np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)
    x = np.moveaxis(x, 1, -1)[:, None]
    x = norm(naive_conv(x, p["4.weight"], (1, 1, 2)), "5")
    x[:, :2] = np.maximum(x[:, :2], 0)
    x = naive_conv(np.moveaxis(x, 1, -1)[:, None], p["8.weight"], (2, 1, 2, 2))
    x = np.sign(x) * np.maximum(abs(x) - 0.1, 0)
    x = np.moveaxis(x, 1, -1).mean(3)  # (batch, u1, u2, v2, v3)

    def mix(x: F64, name: str) -> F64:
        return np.einsum("oc,bc...->bo...", p[f"{name}.weight"], x)

    x = x[:, None]
    bias = (slice(None), None, None, None, None)
    body = mix(abs(mix(x, "12.body.0") + p["12.body.0.bias"][bias]), "12.body.2")
    x = body + mix(x, "12.shortcut.0") + p["12.shortcut.0.bias"][bias]
    if masks is not None:
        x = x * masks["13.mask"] / 0.6
    x = np.sign(x) * (np.sqrt(abs(x) + 1e-5) + 0.1)
    x = x.max((2, 3)).reshape(len(x), -1)  # one window is all of the 2 × 2 grid
    return x @ p["18.weight"].T + p["18.bias"]


def put(framework: str, arrays: dict[str, F64]) -> dict[str, Any]:
    backend = gs.get_backend(framework)
    return {name: backend.put(a, "float64") for name, a in arrays.items()}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("training", [False, True])
def test_apply_is_the_definition_in_every_framework(framework: str, training: bool) -> None:
    parameters, state = numbers(TINY)
    x, backend = noise(TINY), gs.get_backend(framework)
    masks = nn.draw_masks(TINY, 3, dtype="float64") if training else {}
    wanted = naive_tiny(parameters, state, x, masks if training else None)
    p, s, m = (put(framework, a) for a in (parameters, state, masks))
    y, new = nn.apply(TINY, p, s, backend.put(x, "float64"), training, m)
    assert backend.owns(y)
    assert_close(backend.to_numpy(y), wanted, tolerance=1e-10)
    first = naive_conv(x, parameters["0.weight"], (1, 1)) + parameters["0.bias"][:, None, None]
    for name, statistic in (("mean", np.mean), ("variance", np.var)):
        old = state[f"1.{name}"]
        each = np.array([statistic(first[:, c]) for c in range(4)])
        expected = 0.9 * old + 0.1 * each if training else old
        assert_close(backend.to_numpy(new[f"1.{name}"]), expected, tolerance=1e-10)


def test_the_trained_network_is_that_of_its_state() -> None:
    """With momentum 1 the state is that of the last batch: both plans give the same."""
    network = nn.Network([conv(2, 3, (3, 3)), nn.BatchNorm(momentum=1.0)], (2, 5, 5))
    (p, s), x = numbers(network), noise(network)
    y, new = nn.apply(network, p, s, x, training=True)
    again, same = nn.apply(network, p, new, x)
    assert_close(again, y)
    assert same == new
    assert set(new) == set(s)
    assert all(np.any(new[k] != s[k]) for k in s)


def test_half_precision_comes_back_as_it_came() -> None:
    p, s = ({k: a.astype("float16") for k, a in arrays.items()} for arrays in numbers(TINY))
    x = noise(TINY).astype("float16")
    y, new = nn.apply(TINY, p, s, x, True, nn.draw_masks(TINY, 3, dtype="float16"))
    assert y.dtype == np.float16
    assert {a.dtype for a in new.values()} == {np.dtype("float16")}


# ------------------------------------------------------------------------------- published networks


def test_parameter_counts_are_the_published_ones() -> None:
    assert nn.hcnn(K=16).size == 102_330
    assert nn.hcnn(K=16, separable=True).size == 360_522
    for K in (8, 32):
        assert nn.plain_cnn(K).size == 9 * 3 * K + 12 * 9 * K * K + 10 * K + 10


def test_table_of_the_hierarchical_network() -> None:
    """The index spaces x_j(u, v_{j-1}, v_j) of the published table."""
    network = nn.hcnn()
    shapes = [
        row.after.shape[1:]
        for row in network.inference.rows
        if type(row.layer).__name__ in ("NewAttribute", "Mean")
    ]
    sides = [(32, 32)] * 1 + [(16, 16)] * 4 + [(8, 8)] * 4
    blocks = [shape for side in sides for shape in ((*side, 4, 8, 16), (*side, 8, 16))]
    assert shapes == [(32, 32, 16), (32, 32, 8, 16), *blocks, (16,)]
    text = str(network)
    assert "c:16 × u1:32 × u2:32" in text
    assert text.splitlines()[-1] == "102,330 parameters, 352 numbers of state"


@pytest.mark.parametrize("attributes", [(3,), (3, 5), (3, 3, 3), (3, 3, 3, 3)])
def test_any_number_of_attributes(attributes: tuple[int, ...]) -> None:
    network = nn.hcnn(K=16, input_shape=(1, 8, 8), attributes=attributes)
    kernels = [len(shape) - 2 for name, shape in network.parameters.items() if len(shape) > 2]
    assert max(kernels) == 2 + len(attributes)
    assert network.output_space.shape == (10,)


@pytest.mark.parametrize("separable", [False, True])
def test_a_small_hierarchical_network_is_the_definition(separable: bool) -> None:
    network = nn.hcnn(K=4, separable=separable, input_shape=(1, 4, 4), classes=2, attributes=(2, 3))
    (p, s), x = numbers(network), noise(network, 2)
    wanted = x
    for k, layer in enumerate(network.layers):
        name, text = str(k), repr(layer)
        if text.startswith("Conv"):
            stride = layer.spec.stride
            stride = stride if isinstance(stride, tuple) else (stride,) * layer.spec.ndim
            wanted = naive_conv(wanted, p[f"{name}.weight"], stride)
        elif text.startswith("BatchNorm"):
            wanted = naive_norm(wanted, *(s[f"{name}.{n}"] for n in ("mean", "variance")),
                                p[f"{name}.weight"], p[f"{name}.bias"])  # fmt: skip
        elif text.startswith("ELU"):
            wanted = np.where(wanted > 0, wanted, np.exp(np.minimum(wanted, 0)) - 1)
        elif text.startswith("NewAttribute"):
            wanted = np.moveaxis(wanted, 1, -1)[:, None]
        elif text.startswith("Mean"):
            last = len(network.layers) - 3
            wanted = wanted.mean((2, 3, 4) if k == last else 4)
        elif text.startswith("Flatten"):
            wanted = wanted.reshape(2, -1)
        else:
            wanted = wanted @ p[f"{name}.weight"].T + p[f"{name}.bias"]
    found, _ = nn.apply(network, p, s, x)
    assert_close(found, wanted, tolerance=1e-10)


def test_scattering_and_a_linear_layer() -> None:
    network = nn.scattering_mlp(J=1, L=4, input_shape=(3, 8, 8), classes=4)
    (p, s), x = numbers(network), noise(network)
    S = gs.Scattering2D(J=1, L=4, shape=(8, 8))(x).reshape(3, 15, 4, 4)
    y = naive_norm(S, s["1.mean"], s["1.variance"]).reshape(3, -1) @ p["3.weight"].T + p["3.bias"]
    assert_close(nn.apply(network, p, s, x)[0], y)
    assert network.state["1.mean"] == (15,)


def test_a_network_on_a_group() -> None:
    layers = [
        LiftSpec(group=SE2(4), in_channels=1, out_channels=3, kernel_size=3),
        nn.ReLU(),
        GroupConvSpec(group=SE2(4), in_channels=3, out_channels=2, kernel_size=3, separable=True),
        GroupPoolSpec(SE2(4)),
    ]
    network = nn.Network(layers, (1, 5, 5))
    assert str(network.output_space) == "c:2 × u1:5 × u2:5"
    (p, s), x = numbers(network), noise(network)
    y = np.maximum(gs.lift(x, p["0.weight"], SE2(4)) + p["0.bias"][:, None, None, None], 0)
    y = gs.group_conv(y, (p["2.mix"], p["2.weight"]), SE2(4)) + p["2.bias"][:, None, None, None]
    assert_close(nn.apply(network, p, s, x)[0], gs.group_pool(y, SE2(4)))


# ------------------------------------------------------------------------------------- plans, copies


def test_a_network_is_data() -> None:
    assert nn.hcnn(K=4) == nn.hcnn(K=4) != nn.hcnn(K=8)
    assert hash(nn.hcnn(K=4)) == hash(nn.hcnn(K=4))
    for again in (pickle.loads(pickle.dumps(TINY)), copy.deepcopy(TINY)):
        assert again == TINY
        assert again.training.plan == TINY.training.plan


def test_a_plan_names_its_four_kinds_of_input() -> None:
    plan = TINY.training.plan
    assert plan.inputs == ("x", "13.mask")
    assert plan.state == ("1.mean", "1.variance", "5.mean", "5.variance")
    assert len(plan.outputs) == 1 + len(plan.state)
    assert TINY.inference.plan.inputs == ("x",)
    assert len(TINY.inference.plan.outputs) == 1
    assert TINY.masks == {"13.mask": (2, 2, 2, 2, 3)}


def test_init_is_reproducible_and_of_the_scale_of_he() -> None:
    network = nn.Network([conv(8, 64, (3, 3)), nn.Conv1x1(16, initial="orthogonal")], (8, 4, 4))
    first, again = nn.init(network, 3)[0], nn.init(network, 3)[0]
    assert all(np.array_equal(first[k], again[k]) for k in first)
    assert first["0.weight"].dtype == np.float32
    assert abs(first["0.weight"].std() / np.sqrt(2 / 72) - 1) < 0.05
    w = nn.init(network, 3, "float64")[0]["1.weight"]
    assert_close(w @ w.T, np.eye(16))


def test_masks_keep_their_share() -> None:
    masks = nn.draw_masks(TINY, 2000)
    assert abs(masks["13.mask"].mean() - 0.6) < 0.01
    assert set(np.unique(masks["13.mask"])) == {0.0, 1.0}


def test_an_empty_batch_gives_no_rows() -> None:
    p, s = numbers(TINY)
    assert nn.apply(TINY, p, s, np.zeros((0, 2, 4, 2)))[0].shape == (0, 3)


# --------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            [conv(3, 4, (3, 3)), conv(5, 4, (3, 3))],
            r"Layer 1, ConvNdSpec.*c:4 × u1:8 × u2:8.*expected \(batch, 5",
        ),
        ([conv(3, 4, (3, 3)), nn.Dense(10)], r"Layer 1, Dense.*c:4 × u1:8 × u2:8.*Flatten"),
        ([conv(3, 4, (3, 3)), nn.Mean("v1")], r"Layer 1, Mean.*expected one of \['c', 'u1', 'u2'\]"),
        ([nn.Pool(3)], r"Layer 0, Pool.*window of 3 does not divide the 8"),
        ([gs.Scattering2D(J=1, shape=(16, 16))], r"Layer 0, Scattering2D.*\(16, 16\), got c:3 × u1:8 × u2:8"),
        (
            [conv(3, 1, (3, 3)), nn.NewAttribute(), conv(1, 4, (3, 3, 3), (1, 1, 2))],
            r"Layer 2, .*Axis v1 has 1 samples, fewer than its stride 2",
        ),
        (
            [nn.Residual([nn.ReLU(), conv(3, 4, (3, 3))])],
            r"Layer 0, Residual.*body gives c:4 × u1:8 × u2:8.*added to c:3 × u1:8",
        ),
        (
            [nn.ReLU(), nn.Residual([nn.ReLU(), nn.Dense(4)])],
            r"Layer 1.body.1, Dense.*does not fit on c:3 × u1:8 × u2:8",
        ),
    ],
)
def test_layers_that_do_not_fit_together(layers: list[Any], message: str) -> None:
    with pytest.raises(gs.ShapeError, match=message):
        nn.Network(layers, (3, 8, 8))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Network([abs], (3, 8, 8)), "is no layer"),
        (lambda: nn.Network(nn.ReLU(), (3, 8, 8)), "expected a list of layers"),
        (lambda: nn.Network([], 8), "input_shape=8"),
        (lambda: nn.Network([], (3, 0)), "input_shape=0"),
        (lambda: nn.ReLU(fraction=2), "fraction=2"),
        (lambda: nn.Dropout(0), "keep=0"),
        (lambda: nn.BatchNorm(momentum=-1), "momentum=-1"),
        (lambda: nn.SoftThreshold(0), "threshold=0"),
        (lambda: nn.Mean("c"), "channels stay"),
        (lambda: nn.Conv1x1(3, initial="ones"), "initial='ones'"),  # type: ignore[arg-type]
        (lambda: nn.hcnn(K=0), "K=0"),
        (lambda: nn.hcnn(attributes=()), "attributes="),
        (lambda: nn.init(TINY, -1), "seed=-1"),
        (lambda: nn.Network([gs.Scattering2D(J=1, shape=(8, 8), out_type="list")], (1, 8, 8)), "out_type"),
    ],
)
def test_values_that_cannot_be(make: Any, message: str) -> None:
    with pytest.raises(gs.ArgumentError, match=message):
        make()


def wrong_inputs() -> Iterator[Any]:
    (p, s), x = numbers(TINY), noise(TINY)
    masks = nn.draw_masks(TINY, 3, dtype="float64")
    less = {k: a for k, a in p.items() if k != "0.bias"}
    yield pytest.param(gs.ArgumentError, r"missing \['0.bias'\]", (less, s, x), id="missing")
    yield pytest.param(gs.ArgumentError, r"unknown \['more'\]", ({**p, "more": x}, s, x), id="unknown")
    yield pytest.param(gs.ArgumentError, "state: missing", (p, {}, x), id="no state")
    yield pytest.param(gs.ArgumentError, "masks: missing", (p, s, x, True), id="no masks")
    yield pytest.param(gs.ArgumentError, "masks: .*unknown", (p, s, x, False, masks), id="masks")
    yield pytest.param(
        gs.ShapeError, "'0.bias' .*expected \\(4\\)", ({**p, "0.bias": np.zeros(5)}, s, x), id="shape"
    )
    yield pytest.param(gs.ShapeError, r"expected \(batch, 2, 4, 2\)", (p, s, x[0]), id="no batch")
    yield pytest.param(gs.ShapeError, "empty batch", (p, s, x[:0], True, masks), id="empty")
    yield pytest.param(gs.DtypeError, "same precision", (p, s, x.astype("float32")), id="precision")
    yield pytest.param(gs.DtypeError, "complex", (p, s, x + 1j), id="complex")


@pytest.mark.parametrize(("error", "message", "arguments"), [*wrong_inputs()])
def test_inputs_that_do_not_fit(error: type[Exception], message: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(error, match=message):
        nn.apply(TINY, *arguments)


# ---------------------------------------------------------------------------------------------- Torch


torch = pytest.importorskip("torch", reason='pip install "groupscat[torch]"')


def module(network: nn.Network, **options: Any) -> Any:
    import groupscat.torch

    return groupscat.torch.Network(network, **options)


def test_module_has_the_names_of_the_specification() -> None:
    net = module(TINY, dtype=torch.float64, seed=4)
    parameters, state = nn.init(TINY, 4, "float64")
    assert {k: tuple(p.shape) for k, p in net.named_parameters()} == TINY.parameters
    assert {k: tuple(b.shape) for k, b in net.named_buffers()} == TINY.state
    assert set(net.state_dict()) == {*TINY.parameters, *TINY.state}
    for name, values in (parameters | state).items():
        np.testing.assert_array_equal(net.state_dict()[name].numpy(), values)


def test_module_is_apply_and_keeps_its_statistics() -> None:
    net = module(TINY, dtype=torch.float64)
    x = torch.from_numpy(noise(TINY))
    p, s = (
        {k: a.detach().numpy().copy() for k, a in arrays}
        for arrays in (net.named_parameters(), net.named_buffers())
    )
    assert_close(net.eval()(x).detach().numpy(), nn.apply(TINY, p, s, noise(TINY))[0], tolerance=1e-10)
    torch.manual_seed(0)
    masks = {k: m.numpy() for k, m in net.masks(x).items()}
    torch.manual_seed(0)
    y, new = nn.apply(TINY, p, s, noise(TINY), True, masks)
    assert_close(net.train()(x).detach().numpy(), y, tolerance=1e-10)
    for name, buffer in net.named_buffers():
        assert_close(buffer.numpy(), new[name], tolerance=1e-10)
        assert not buffer.requires_grad


def test_module_copies_and_pickles() -> None:
    net = module(nn.plain_cnn(K=2, input_shape=(1, 8, 8))).eval()
    x = torch.randn(2, 1, 8, 8)
    for again in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(again(x), net(x))
        assert again.spec == net.spec


@pytest.mark.parametrize("training", [False, True])
def test_gradients(training: bool) -> None:
    net = module(TINY, dtype=torch.float64, seed=0).train(training)
    names = list(TINY.parameters)
    x = torch.from_numpy(noise(TINY, 2)).requires_grad_()

    def run(x: Any, *parameters: Any) -> Any:
        torch.manual_seed(0)
        return torch.func.functional_call(net, dict(zip(names, parameters, strict=True)), (x,))

    # Away from zero, where the last ρ jumps: biases that are not 0.
    given = [torch.from_numpy(a).requires_grad_() for a in numbers(TINY)[0].values()]
    assert torch.autograd.gradcheck(run, (x, *given), fast_mode=True)


def test_training_step_lowers_the_loss() -> None:
    torch.manual_seed(0)
    net = module(nn.hcnn(K=4, input_shape=(1, 8, 8), classes=2, attributes=(3, 3)))
    x, label = torch.randn(16, 1, 8, 8), torch.arange(16) % 2
    step = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(15):
        loss = torch.nn.functional.cross_entropy(net(x), label)
        losses.append(float(loss.detach()))
        step.zero_grad()
        loss.backward()
        step.step()
    assert losses[-1] < 0.6 * losses[0]


def test_module_errors() -> None:
    with pytest.raises(gs.ArgumentError, match=r"expected a groupscat.nn.Network"):
        module(conv(1, 1, (3, 3)))  # type: ignore[arg-type]
    with pytest.raises(gs.ArgumentError, match="float16"):
        module(TINY, dtype=torch.float16)
    with pytest.raises(gs.DtypeError, match="takes torch tensors"):
        module(TINY)(noise(TINY))
    with pytest.raises(gs.DtypeError, match="same precision"):
        module(TINY).eval()(torch.from_numpy(noise(TINY)))
