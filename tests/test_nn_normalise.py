"""Layers that centre, scale and pad: values by their definitions in every framework, gradients, faults."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import groupscat as gs
from groupscat import nn
from groupscat.convolution.layer import ConvNdSpec
from groupscat.plan import nn_ops
from groupscat.plan.nn_ops import DivideByNeighbours
from groupscat.testing import assert_close
from tests.frameworks import missing, needs

if not missing("jax"):
    import jax

    jax.config.update("jax_enable_x64", True)

FRAMEWORKS = ["numpy", *(pytest.param(name, marks=needs(name)) for name in ("torch", "tensorflow", "jax"))]
F64 = NDArray[np.float64]


def signal(*shape: int) -> F64:
    return np.random.default_rng(5).normal(size=shape) + 0.3


# ------------------------------------------------------------------------------------------ fixed numbers

RAW = nn.Standardise(mean=(125.3, 0.5), deviation=(63.0, 0.25))


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_standardise(framework: str, dtype: str) -> None:
    network = nn.Network([RAW], (2, 3, 2))
    x, xp = signal(4, 2, 3, 2) * 50, gs.get_backend(framework)
    wanted = np.stack([(x[:, 0] - 125.3) / 63.0, (x[:, 1] - 0.5) / 0.25], 1)
    for training in (False, True):
        y, _ = nn.apply(network, {}, {}, xp.put(x.astype(dtype), dtype), training)
        assert_close(xp.to_numpy(y), wanted, tolerance=1e-10 if dtype == "float64" else 1e-6)


def test_standardise_learns_nothing_and_survives_json() -> None:
    network = nn.Network([RAW], (2, 4))
    assert network.parameters == network.state == {}
    again = nn.from_config(json.loads(json.dumps(nn.to_config(network))))
    assert again == network
    assert hash(again) == hash(network)


def test_standardise_keeps_the_digits_of_far_channels() -> None:
    """Means far above the deviations, and deviations whose squares single precision does not hold."""
    x = np.array([[[1e4 + 1.0]], [[1e4 + 3.0]]], np.float32)
    y, _ = nn.apply(nn.Network([nn.Standardise((1e4,), (1e-3,))], (1, 1)), {}, {}, x)
    assert_close(y.ravel(), np.array([1e3, 3e3]), tolerance=1e-6)
    y, _ = nn.apply(nn.Network([nn.Standardise((0,), (1e-25,))], (1, 1)), {}, {}, np.full_like(x, 2e-25))
    assert_close(y.ravel(), np.array([2.0, 2.0]), tolerance=1e-6)


# ------------------------------------------------------------------------------- divisive normalisation


def naive_divisive(
    x: F64, window: int, channels: int | None, constant: float, scale: float, exponent: float
) -> F64:
    """By the definition on (batch, c, u1, u2), sample by sample."""
    y = np.zeros_like(x)
    reach, among = window // 2, x.shape[1] if channels is None else channels // 2
    for place in np.ndindex(*x.shape):
        b, c, u, v = place
        total = 0.0
        for k in range(x.shape[1]):
            for s in range(x.shape[2]):
                for t in range(x.shape[3]):
                    if abs(k - c) <= among and abs(s - u) <= reach and abs(t - v) <= reach:
                        total += x[b, k, s, t] ** 2
        y[place] = x[place] / (constant + scale * total) ** exponent
    return y


DIVISIVE = [
    nn.DivisiveNorm(),
    nn.DivisiveNorm(channels=3, constant=2.0, scale=1e-4, exponent=0.75),
    nn.DivisiveNorm(window=3, channels=1, constant=0.5),
    nn.DivisiveNorm(window=5, channels=3, constant=1.0, scale=0.3, exponent=1.0),
    nn.DivisiveNorm(window=9, channels=21, constant=1.0),
]


def check_divisive(layer: nn.DivisiveNorm, framework: str = "numpy") -> None:
    network = nn.Network([layer], (4, 5, 2))
    x, xp = signal(2, 4, 5, 2), gs.get_backend(framework)
    wanted = naive_divisive(x, layer.window, layer.channels, layer.constant, layer.scale, layer.exponent)
    assert_close(xp.to_numpy(nn.apply(network, {}, {}, xp.put(x, "float64"))[0]), wanted, tolerance=1e-12)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("layer", DIVISIVE, ids=repr)
def test_divisive_normalisation(framework: str, layer: nn.DivisiveNorm) -> None:
    check_divisive(layer, framework)


def test_by_default_norms_over_channels_are_one() -> None:
    network = nn.Network([nn.DivisiveNorm()], (5, 3))
    x = signal(2, 5, 3)
    x[0, :, 1] = 0
    y, _ = nn.apply(network, {}, {}, x)
    wanted = np.ones((2, 3))
    wanted[0, 1] = 0
    assert_close(np.linalg.norm(y, axis=1), wanted, tolerance=1e-10)
    assert_close(y * np.linalg.norm(x, axis=1, keepdims=True), x, tolerance=1e-10)


@needs("torch")
def test_over_channels_it_is_that_of_torch() -> None:
    """Which divides the scale by the number of channels in the window."""
    import torch

    x = signal(2, 7, 3, 3)
    layer = nn.DivisiveNorm(channels=5, constant=2.0, scale=0.3 / 5, exponent=0.75)
    wanted = torch.nn.LocalResponseNorm(5, alpha=0.3, beta=0.75, k=2.0)(torch.from_numpy(x)).numpy()
    assert_close(nn.apply(nn.Network([layer], (7, 3, 3)), {}, {}, x)[0], wanted, tolerance=1e-12)


def test_attributes_and_elements_are_places_of_their_own() -> None:
    layers = [nn.NewAttribute(), nn.DivisiveNorm(window=3)]
    x = signal(2, 4, 5, 2)
    y, _ = nn.apply(nn.Network(layers, (4, 5, 2)), {}, {}, x)
    alone = naive_divisive(x, 3, 1, 1e-12, 1.0, 0.5)
    assert_close(y, np.moveaxis(alone, 1, -1)[:, None], tolerance=1e-10)


@needs("torch")
@pytest.mark.parametrize("layer", DIVISIVE[1:], ids=repr)
def test_gradients_of_divisive_normalisation(layer: nn.DivisiveNorm) -> None:
    import torch

    network = nn.Network([RAW, nn.Conv1x1(3), layer, nn.Pad(1)], (2, 3, 2))
    p = {k: torch.from_numpy(a) for k, a in nn.init(network, 0, "float64")[0].items()}
    x = torch.from_numpy(signal(2, 2, 3, 2)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: nn.apply(network, p, {}, x)[0], (x,))


@needs("torch")
def test_gradients_at_zero_are_finite() -> None:
    import torch

    for layer in (nn.DivisiveNorm(), nn.DivisiveNorm(window=3)):
        x = torch.zeros(1, 2, 3, 3, dtype=torch.float32, requires_grad=True)
        nn.apply(nn.Network([layer], (2, 3, 3)), {}, {}, x)[0].sum().backward()
        assert x.grad is not None
        assert torch.isfinite(x.grad).all()


def test_divisive_normalisation_and_padding_survive_json() -> None:
    network = nn.Network([*DIVISIVE, nn.Pad(2)], (4, 5, 2))
    again = nn.from_config(json.loads(json.dumps(nn.to_config(network))))
    assert again == network
    assert again.inference.plan == network.inference.plan


def test_an_empty_batch_stays_one() -> None:
    network = nn.Network([*DIVISIVE, nn.Pad(2)], (4, 5, 2))
    assert nn.apply(network, {}, {}, np.zeros((0, 4, 5, 2)))[0].shape == (0, 4, 9, 6)


# --------------------------------------------------------------------------------------------- padding


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_padding(framework: str) -> None:
    network = nn.Network([nn.NewAttribute(), nn.Pad(2)], (3, 4, 2))
    x, xp = signal(2, 3, 4, 2), gs.get_backend(framework)
    y, _ = nn.apply(network, {}, {}, xp.put(x, "float64"))
    wanted = np.zeros((2, 1, 8, 6, 3))
    wanted[:, 0, 2:6, 2:4] = np.moveaxis(x, 1, -1)
    np.testing.assert_array_equal(xp.to_numpy(y), wanted)
    assert str(network.output_space) == "c:1 × u1:8@-2 × u2:6@-2 × v1:3"


@pytest.mark.parametrize("size", [4, 5, 8, 9])
def test_a_strided_convolution_after_padding_sits_on_the_first_sample(size: int) -> None:
    """As a shortcut of the same stride does; padded by itself, it does not where sizes are even."""
    conv = ConvNdSpec(in_channels=1, out_channels=1, kernel_size=(3,), stride=2, padding="none", bias=False)
    short = ConvNdSpec(in_channels=1, out_channels=1, kernel_size=(1,), stride=2, bias=False)
    x, w = signal(2, 1, size), np.array([[[0.0, 1.0, 0.0]]])
    padded, shortcut = nn.Network([nn.Pad(1), conv], (1, size)), nn.Network([short], (1, size))
    y, _ = nn.apply(padded, {"1.weight": w}, {}, x)
    np.testing.assert_array_equal(y, x[:, :, ::2])
    np.testing.assert_array_equal(y, nn.apply(shortcut, {"0.weight": np.ones((1, 1, 1))}, {}, x)[0])
    assert padded.output_space == shortcut.output_space


# --------------------------------------------------------------------------------------- planted faults


def one_neighbour_less(original: Any, xp: Any, x: Any, axis: int, window: int | None) -> Any:
    return original(xp, x, axis, None if window is None else max(1, window - 2))


def wraps_around(original: Any, xp: Any, x: Any, axis: int, window: int | None) -> Any:
    if window is None:
        return original(xp, x, axis, window)
    return sum(np.roll(x, k, axis) for k in range(-(window // 2), window // 2 + 1))


def to_one_side(original: Any, xp: Any, x: Any, axis: int, window: int | None) -> Any:
    return np.roll(original(xp, x, axis, window), 1, axis)


def mean_in_place_of_sum(original: Any, xp: Any, x: Any, axis: int, window: int | None) -> Any:
    return original(xp, x, axis, window) / (window or x.shape[axis])


@pytest.mark.parametrize("fault", [one_neighbour_less, wraps_around, to_one_side, mean_in_place_of_sum])
def test_wrong_neighbours_are_noticed(fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    original = nn_ops._summed
    monkeypatch.setattr(nn_ops, "_summed", lambda *args: fault(original, *args))
    with pytest.raises(AssertionError):
        check_divisive(nn.DivisiveNorm(window=3, channels=3, constant=1.0))


@pytest.mark.parametrize(
    "fault",
    [
        lambda self, x, s: x * (self.constant + self.scale * s) ** self.exponent,
        lambda self, x, s: x / (self.constant + s) ** self.exponent,
        lambda self, x, s: x / (self.constant + (self.scale * s) ** self.exponent),
        lambda self, x, s: x / (self.scale * s) ** self.exponent,
    ],
)
def test_a_wrong_quotient_is_noticed(fault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(self: DivideByNeighbours, xp: Any, x: Any) -> Any:
        return fault(self, x, (x * x).sum(1, keepdims=True))

    layer = nn.DivisiveNorm(constant=1.0, scale=0.5, exponent=0.7)
    check_divisive(layer)
    monkeypatch.setattr(DivideByNeighbours, "__call__", wrong)
    with pytest.raises(AssertionError):
        check_divisive(layer)


# -------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Standardise((0, 0), (1,)), "as many numbers of both"),
        (lambda: nn.Standardise((0,), (0,)), r"deviation=\(0,\): expected positive"),
        (lambda: nn.Standardise((math.nan,), (1,)), r"mean=\(nan,\): expected finite"),
        (lambda: nn.Standardise((), ()), r"mean=\(\)"),
        (lambda: nn.Standardise("12", (1, 1)), "mean='12'"),  # type: ignore[arg-type]
        (lambda: nn.Standardise(0.5, 0.5), "mean=0.5"),  # type: ignore[arg-type]
        (lambda: nn.Network([RAW], (3, 4)), r"Layer 0, Standardise.*for 2 channels, got c:3"),
        (lambda: nn.DivisiveNorm(window=2), "window=2: expected an odd"),
        (lambda: nn.DivisiveNorm(channels=0), "channels=0"),
        (lambda: nn.DivisiveNorm(constant=0), "constant=0"),
        (lambda: nn.DivisiveNorm(exponent=-1), "exponent=-1"),
        (
            lambda: nn.Network([nn.DivisiveNorm(window=3)], (3,)),
            "Layer 0, .*window=3 needs base axes, got c:3",
        ),
        (lambda: nn.Pad(0), "margin=0"),
        (lambda: nn.Network([nn.Pad()], (3,)), "Layer 0, Pad.*needs base axes, got c:3"),
    ],
)
def test_values_that_cannot_be(make: Any, message: str) -> None:
    with pytest.raises((gs.ArgumentError, gs.ShapeError), match=message):
        make()
