"""Published networks: their tables and counts, written out from the papers, and what they compute."""

from __future__ import annotations

import inspect
import itertools
import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import groupscat as gs
from groupscat import nn
from groupscat.nn.residual import Residual
from groupscat.testing import assert_close
from groupscat.wavelets import GaussianRings
from tests.frameworks import missing, needs

if not missing("jax"):
    import jax

    jax.config.update("jax_enable_x64", True)

FRAMEWORKS = ["numpy", *(pytest.param(name, marks=needs(name)) for name in ("torch", "tensorflow", "jax"))]
F64 = NDArray[np.float64]

#: Small enough to run.
SMALL: dict[str, dict[str, Any]] = {
    "hcnn": {"K": 4, "attributes": (3, 3)},
    "plain_cnn": {"K": 3},
    "wide_resnet": {"depth": 10, "width": 1},
    "scattering_linear": {"J": 1, "L": 4},
    "scattering_mlp": {"J": 1, "L": 4, "hidden": (5, 6)},
    "scattering_wrn": {"depth": 8, "width": 1, "J": 1, "L": 4},
    "scattering_resnet10": {"width": 4, "J": 1, "L": 4},
    "shared_local_encoder": {"J": 1, "L": 4, "encoder": (6, 5), "hidden": (4,), "pool": 2},
    "se2_cnn": {"orientations": 4, "width": 2},
}


def small(name: str) -> nn.Network:
    return nn.PUBLISHED[name](input_shape=(2, 8, 8), classes=3, **SMALL[name])


def numbers(network: nn.Network, seed: int = 1) -> tuple[dict[str, F64], dict[str, F64]]:
    """Parameters of the scale that they start at, none special, and a state."""
    r = np.random.default_rng(seed)
    parameters = {
        k: a + 0.1 * r.normal(size=a.shape) for k, a in nn.init(network, seed, "float64")[0].items()
    }
    # Means far from 0 would leave nothing after a few rectifiers.
    state = {
        k: r.uniform(0.5, 1.5, shape) if k.endswith("variance") else 0.1 * r.normal(size=shape)
        for k, shape in network.state.items()
    }
    return parameters, state


def images(network: nn.Network, batch: int = 2) -> F64:
    return np.random.default_rng(7).normal(size=(batch, *network.input_shape))


# --------------------------------------------------------------------------------------------- by name


def test_there_is_a_small_one_of_each() -> None:
    assert set(SMALL) == set(nn.PUBLISHED)
    for name, make in nn.PUBLISHED.items():
        assert getattr(nn, name) is make
        assert {"input_shape", "classes"} <= set(inspect.signature(make).parameters)
        summary = (inspect.getdoc(make) or "").splitlines()[0]
        assert summary.endswith(".")
        assert len(summary) <= 110


@pytest.mark.parametrize("name", SMALL)
def test_any_images_and_classes(name: str) -> None:
    network = small(name)
    assert network.output_space.shape == (3,)
    parameters, state = nn.init(network, 0)
    x = images(network).astype("float32")
    y, new = nn.apply(network, parameters, state, x, True, nn.draw_masks(network, len(x)))
    assert y.shape == (2, 3)
    assert np.isfinite(y).all()
    assert set(new) == set(state)
    assert nn.from_config(json.loads(json.dumps(nn.to_config(network)))) == network


@pytest.mark.parametrize("framework", FRAMEWORKS[1:])
@pytest.mark.parametrize("name", SMALL)
def test_the_same_in_every_framework(name: str, framework: str) -> None:
    network, xp = small(name), gs.get_backend(framework)
    (p, s), x = numbers(network), images(network)
    wanted, _ = nn.apply(network, p, s, x)
    assert np.abs(wanted[0] - wanted[1]).max() > 1e-3  # it does see the images
    p, s = ({k: xp.put(a, "float64") for k, a in arrays.items()} for arrays in (p, s))
    assert_close(xp.to_numpy(nn.apply(network, p, s, xp.put(x, "float64"))[0]), wanted, tolerance=1e-10)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("shape", [(32, 32), 3, "3x32x32", (3, 0, 32)])
def test_what_is_no_image_is_named(name: str, shape: Any) -> None:
    with pytest.raises(gs.ArgumentError, match="input_shape="):
        nn.PUBLISHED[name](input_shape=shape)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.wide_resnet(depth=12), "depth=12: expected 10, 16, 22"),
        (lambda: nn.scattering_wrn(depth=10), "depth=10: expected 8, 12, 16"),
        (lambda: nn.scattering_wrn(depth=4), "depth=4"),
        (lambda: nn.wide_resnet(width=0), "width=0"),
        (lambda: nn.scattering_resnet10(width=0), "width=0"),
        (lambda: nn.shared_local_encoder(encoder=(0,)), "encoder=0"),
        (lambda: nn.shared_local_encoder(pool=0), "pool=0"),
        (lambda: nn.scattering_linear(classes=0), "classes=0"),
        (lambda: nn.se2_cnn(orientations=0), "orientations=0"),
    ],
)
def test_values_that_no_network_has(make: Any, message: str) -> None:
    with pytest.raises(gs.ArgumentError, match=message):
        make()


# -------------------------------------------------------------------------------------- published counts


def coefficients(J: int, L: int = 8, colours: int = 3) -> int:
    """Of orders 0, 1, 2, per image."""
    return colours * (1 + L * J + L * L * J * (J - 1) // 2)


def block(inputs: int, outputs: int, strided: bool = False) -> int:
    """Two 3 × 3 convolutions and their norms; where the shape changes a 1 × 1 convolution and its norm."""
    body = 9 * inputs * outputs + 9 * outputs * outputs + 2 * 2 * outputs
    return body + ((inputs + 2) * outputs if strided or inputs != outputs else 0)


def test_scattering_and_a_wide_resnet() -> None:
    network = nn.scattering_wrn()
    assert coefficients(2) == 243
    assert network.state["1.mean"] == (243,)
    count = 9 * 243 * 128 + 2 * 128
    count += block(128, 256) + block(256, 256) + block(256, 512) + block(512, 512) + 512 * 10 + 10
    assert network.size == count
    assert round(count / 1e6, 1) == 10.8
    residual = [row for row in network.inference.rows if isinstance(row.layer, Residual)]
    assert [row.after.shape for row in residual] == [(256, 8, 8)] * 2 + [(512, 8, 8)] * 2
    assert [bool(row.layer.shortcut) for row in residual] == [True, False, True, False]  # type: ignore[attr-defined]
    deeper = nn.scattering_wrn(depth=16, width=4)
    count = 9 * 243 * 64 + 2 * 64 + 512 // 2 * 10 + 10
    count += block(64, 128) + 2 * block(128, 128) + block(128, 256) + 2 * block(256, 256)
    assert deeper.size == count


def test_scattering_and_resnet10_have_the_12_8_million_parameters_of_the_paper() -> None:
    network = nn.scattering_resnet10()
    channels = coefficients(3)
    assert (channels, network.state["1.mean"]) == (651, (651,))
    count = 9 * 651 * 256 + 256 + 2 * 256  # the only convolution with a bias
    count += 2 * block(256, 256) + block(256, 512, strided=True) + block(512, 512) + 512 * 1000 + 1000
    assert network.size == count
    assert round(count / 1e6, 1) == 12.8
    weights = [name for name, shape in network.parameters.items() if len(shape) > 1]
    assert len([name for name in weights if "shortcut" not in name]) == 10
    residual = [row.after.shape for row in network.inference.rows if isinstance(row.layer, Residual)]
    assert residual == [(256, 28, 28)] * 2 + [(512, 14, 14)] * 2


@pytest.mark.parametrize(
    ("depth", "width", "millions"), [(16, 8, 11.0), (28, 10, 36.5), (40, 2, 2.2), (40, 4, 8.9)]
)
def test_wide_resnets_have_the_published_millions(depth: int, width: int, millions: float) -> None:
    """Those of Zagoruyko & Komodakis 2016, in millions."""
    network, blocks = nn.wide_resnet(depth, width), (depth - 4) // 6
    widths = [16, 16 * width, 32 * width, 64 * width]
    count = 9 * 3 * 16 + 2 * 16 + widths[-1] * 10 + 10
    for k in (1, 2, 3):
        count += block(widths[k - 1], widths[k], strided=k > 1) + (blocks - 1) * block(widths[k], widths[k])
    assert network.size == count
    assert abs(count / 1e6 - millions) < 0.06  # theirs have no norm on shortcuts
    shapes = [row.after.shape for row in network.inference.rows if isinstance(row.layer, Residual)]
    assert shapes == [(w, n, n) for w, n in zip(widths[1:], (32, 16, 8), strict=True) for _ in range(blocks)]


def test_the_shared_local_encoder() -> None:
    network = nn.shared_local_encoder()
    widths = [coefficients(4), 1024, 1024, 1024]
    count = sum(a * b + 2 * b for a, b in itertools.pairwise(widths))
    count += 14 * 14 * 1024 * 1524 + 2 * 1524 + 1524 * 1524 + 2 * 1524 + 1524 * 1000 + 1000
    assert network.size == count
    matrices = [shape for shape in network.parameters.values() if len(shape) == 2]
    assert [shape[0] for shape in matrices] == [1024, 1024, 1024, 1524, 1524, 1000]
    assert len(network.parameters) == 6 + 2 * 5 + 1
    pooled = nn.shared_local_encoder(pool=2)
    assert network.size - pooled.size == (14 * 14 - 7 * 7) * 1024 * 1524


def test_scattering_and_matrices() -> None:
    assert nn.scattering_linear().size == 243 * 64 * 10 + 10
    assert nn.scattering_mlp(hidden=(64, 32)).size == 243 * 64 * 64 + 2 * 64 + 64 * 32 + 2 * 32 + 32 * 10 + 10
    assert nn.scattering_mlp() == nn.scattering_linear()


@pytest.mark.parametrize(("orientations", "width"), [(8, 8), (4, 3)])
def test_a_network_on_rotations(orientations: int, width: int) -> None:
    network = nn.se2_cnn(orientations, width)
    lift, conv = width * GaussianRings(7).size, width * width * orientations * GaussianRings(5).size
    assert network.size == lift + 3 * conv + 4 * 2 * width + 10 * width + 10
    spaces = [str(row.after) for row in network.inference.rows]
    assert f"c:{width} × h:{orientations} × u1:28 × u2:28" in spaces[0]
    assert spaces[-2:] == [f"c:{width}", "c:10"]


# ------------------------------------------------------------------------------------ what they compute


def released(network: nn.Network, p: dict[str, Any], s: dict[str, Any], x: Any) -> Any:
    """The networks of the released code in Torch's own functions: filters sit at 0, s, 2s, … of each axis."""
    import torch
    from torch.nn import functional as F

    layers = {row.name: row.layer for row in network.inference.rows}

    def norm(x: Any, name: str) -> Any:
        affine = (p.get(f"{name}.weight"), p.get(f"{name}.bias"))
        return F.batch_norm(x, s[f"{name}.mean"], s[f"{name}.variance"], *affine, False, 0.0, 1e-5)

    def convolve(x: Any, name: str, stride: int) -> Any:
        w = p[f"{name}.weight"]
        return F.conv2d(x, w, p.get(f"{name}.bias"), stride, padding=w.shape[-1] // 2)

    def block(x: Any, name: str, stride: int) -> Any:
        inner = [f"{name}.body.{k}" for k in range(6) if f"{name}.body.{k}.weight" in p]
        y = norm(convolve(x, inner[0], stride), inner[1]).relu()
        y = norm(convolve(y, inner[2], 1), inner[3])
        if f"{name}.shortcut.0.weight" in p:
            x = norm(convolve(x, f"{name}.shortcut.0", stride), f"{name}.shortcut.1")
        return (x + y).relu()

    first = 0
    if isinstance(layers["0"], nn.Layer) and "Scattering2D" in repr(layers["0"]):
        x = layers["0"].operator(x)  # type: ignore[attr-defined]
        x = norm(x.reshape(len(x), -1, *x.shape[-2:]), "1")
        first = 2
    x = norm(convolve(x, str(first), 1), str(first + 1)).relu()
    for name in [name for name, layer in layers.items() if isinstance(layer, Residual)]:
        x = block(x, name, 2 if any("Pad" in repr(part) for part in layers[name].body) else 1)  # type: ignore[attr-defined]
    last = str(len(network.layers) - 1)
    return torch.nn.functional.linear(x.mean((2, 3)), p[f"{last}.weight"], p[f"{last}.bias"])


@needs("torch")
@pytest.mark.parametrize("name", ["wide_resnet", "scattering_wrn", "scattering_resnet10"])
@pytest.mark.parametrize("side", [8, 10])
def test_residual_networks_are_those_of_the_released_code(name: str, side: int) -> None:
    import torch

    network = nn.PUBLISHED[name](input_shape=(2, side, side), classes=3, **SMALL[name])
    (p, s), x = numbers(network), images(network)
    put = [{k: torch.from_numpy(a) for k, a in arrays.items()} for arrays in (p, s)]
    wanted = released(network, put[0], put[1], torch.from_numpy(x)).numpy()
    assert np.abs(wanted[0] - wanted[1]).max() > 1e-3
    assert_close(nn.apply(network, p, s, x)[0], wanted, tolerance=1e-10)


@needs("torch")
def test_blocks_that_miss_their_shortcut_by_a_sample_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault of padding as frameworks do by themselves: half the filters sit between the shortcut's."""
    import torch

    from groupscat.convolution.layer import ConvNdSpec
    from groupscat.nn.published import residual

    def by_itself(inputs: int, outputs: int, taps: int = 3, stride: int = 1, bias: bool = False) -> list[Any]:
        conv = ConvNdSpec(
            in_channels=inputs, out_channels=outputs, kernel_size=(taps, taps), stride=stride, bias=bias
        )
        return [conv, nn.BatchNorm()]

    right = small("wide_resnet")
    monkeypatch.setattr(residual, "_convolved", by_itself)
    wrong = small("wide_resnet")
    assert wrong.size == right.size
    (p, s), x = numbers(wrong), images(wrong)
    found, _ = nn.apply(wrong, p, s, x)
    names = [dict(zip(a, b, strict=True)) for a, b in ((right.parameters, p), (right.state, s))]
    p, s = ({new: kept[old] for new, old in table.items()} for table, kept in zip(names, (p, s), strict=True))
    put = [{k: torch.from_numpy(a) for k, a in arrays.items()} for arrays in (p, s)]
    wanted = released(right, put[0], put[1], torch.from_numpy(x)).numpy()
    assert_close(nn.apply(right, p, s, x)[0], wanted, tolerance=1e-10)
    with pytest.raises(AssertionError):
        assert_close(found, wanted, tolerance=1e-3)


def test_the_shared_local_encoder_is_shared_and_local() -> None:
    """Its sums written out: the same matrices at every point, none between points before the means."""
    network = small("shared_local_encoder")
    (p, s), x = numbers(network), images(network)
    S = network.layers[0].operator

    def norm(z: F64, name: str) -> F64:
        shape = (1, -1, *(1,) * (z.ndim - 2))
        weight, bias = p.get(f"{name}.weight", np.ones(1)), p.get(f"{name}.bias", np.zeros(1))
        mean, deviation = (
            s[f"{name}.mean"].reshape(shape),
            np.sqrt(s[f"{name}.variance"] + 1e-5).reshape(shape),
        )
        return (z - mean) / deviation * weight.reshape(shape) + bias.reshape(shape)

    z = norm(S(x).reshape(2, -1, 4, 4), "1")
    for k in (2, 5):
        z = np.maximum(norm(np.einsum("oc,bcuv->bouv", p[f"{k}.weight"], z), str(k + 1)), 0)
    z = z.reshape(2, 5, 2, 2, 2, 2).mean((3, 5)).reshape(2, -1)
    z = np.maximum(norm(z @ p["10.weight"].T, "11"), 0)
    wanted = z @ p["13.weight"].T + p["13.bias"]
    assert np.abs(wanted[0] - wanted[1]).max() > 1e-3
    assert_close(nn.apply(network, p, s, x)[0], wanted, tolerance=1e-10)


@pytest.mark.parametrize("orientations", [4, 8])
def test_turned_images_have_the_same_classes(orientations: int) -> None:
    network = nn.se2_cnn(orientations, width=2, input_shape=(2, 16, 16), classes=3)
    (p, s), x = numbers(network), images(network)
    y, _ = nn.apply(network, p, s, x)
    for k in (1, 2, 3):
        assert_close(nn.apply(network, p, s, np.rot90(x, k, (2, 3)).copy())[0], y, tolerance=1e-10)
    assert np.abs(nn.apply(network, p, s, x[:, :, ::-1].copy())[0] - y).max() > 1e-3


@needs("torch")
@pytest.mark.parametrize("name", ["wide_resnet", "scattering_wrn", "shared_local_encoder", "se2_cnn"])
def test_gradients(name: str) -> None:
    import torch

    import groupscat.torch

    network = small(name)
    net = groupscat.torch.Network(nn.Model(network, *numbers(network)), dtype=torch.float64).eval()
    names = list(network.parameters)
    x = torch.from_numpy(images(network, 1)).requires_grad_()

    def run(x: Any, *parameters: Any) -> Any:
        return torch.func.functional_call(net, dict(zip(names, parameters, strict=True)), (x,))

    given = [p.detach().clone().requires_grad_() for p in net.parameters()]
    assert torch.autograd.gradcheck(run, (x, *given), fast_mode=True)
