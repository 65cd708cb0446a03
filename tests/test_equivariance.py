"""Measuring equivariance: layers that have it, planted faults that have not, in every framework."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import correlate

import groupscat as gs
from groupscat.action import act
from groupscat.equivariance import Equivariance, PlaneWaves, equivariance_error
from groupscat.groups import E2, SE2, Cyclic, Element, SE3Octahedral, Similitude2, TimeFrequency, Translation
from groupscat.space import Axis, Space, signal_space
from tests.frameworks import missing, needs

Array = np.ndarray[Any, Any]
W = np.random.default_rng(1).normal(size=(5, 5))
W4 = np.random.default_rng(2).normal(size=(4, 3, 3))


# ------------------------------------------------- layers equivariant under quarter turns, and faults


def lift(x: Array, fault: str = "", mode: str = "constant") -> Array:
    """y(u, h) = Σ_v x(v) w(h⁻¹(v − u)), (..., N, N) → (..., 4, N, N)."""
    sign = -1 if fault == "clockwise" else 1
    y = np.empty((*x.shape[:-2], 4, *x.shape[-2:]))
    for place in np.ndindex(x.shape[:-2]):
        for h in range(4):
            y[(*place, h)] = correlate(x[place], np.rot90(W, sign * h), mode=mode)
    return np.take(y, [1, 0, 2, 3], -3) if fault == "order" else y


def convolve(x: Array, fault: str = "") -> Array:
    """y(u, h) = Σ x(v, h') w(h⁻¹(v − u), h⁻¹h'), (..., 4, N, N) → (..., 4, N, N)."""
    sign = -1 if fault == "clockwise" else 1
    quotient = {"": lambda h, k: k - h, "sign": lambda h, k: h + k, "forgotten": lambda h, k: k}
    table = quotient.get(fault, quotient[""])
    y = np.zeros(x.shape)
    for place in np.ndindex(x.shape[:-3]):
        for h in range(4):
            for k in range(4):
                w = np.rot90(W4[table(h, k) % 4], sign * h)
                y[(*place, h)] += correlate(x[(*place, k)], w, mode="constant")
    return y


def network(x: Array) -> Array:
    return convolve(np.maximum(lift(x), 0))[..., ::2, ::2]


LIFTED = signal_space((9, 9), SE2(4))


def test_group_convolutions_are_equivariant() -> None:
    assert float(equivariance_error(lift, SE2(4), (2, 9, 9))) < 1e-13
    assert float(equivariance_error(lift, SE2(4), (2, 8, 8))) < 1e-13
    assert float(equivariance_error(convolve, SE2(4), (2, 4, 9, 9), space=LIFTED)) < 1e-13
    assert float(equivariance_error(network, SE2(4), (2, 9, 9))) < 1e-13
    assert float(equivariance_error(lambda x: network(x).max(-3), SE2(4), (2, 9, 9))) < 1e-13
    assert float(equivariance_error(lambda x: network(x).max((-3, -2, -1)), SE2(4), (2, 9, 9))) < 1e-13


def test_outputs_have_a_middle_of_their_own() -> None:
    """Without a border, or pooled 2 × 2 on even sides, where no sample is in the middle."""
    assert float(equivariance_error(lambda x: lift(x)[..., 2:-2, 2:-2], SE2(4), (2, 9, 9))) < 1e-13

    def pool(x: Array) -> Array:
        return sum(lift(x)[..., i::2, j::2] for i in (0, 1) for j in (0, 1))

    assert float(equivariance_error(pool, SE2(4), (2, 8, 8))) < 1e-13
    assert float(equivariance_error(lambda x: lift(x)[..., ::2, ::2], SE2(4), (2, 8, 8))) > 0.1


@pytest.mark.parametrize(
    ("layer", "space"),
    [
        (lambda x: lift(x, "clockwise"), None),
        (lambda x: lift(x, "order"), None),
        (lambda x: lift(x)[..., ::-1, :, :], None),
        (lambda x: lift(x).mean(-1).mean(-1), None),  # read as invariant, but the group still permutes it
        (lambda x: lift(x)[..., :8:2, :8:2], None),  # another origin than that of the input
        (lambda x: network(x)[..., 0, 0], None),
        (lambda x: convolve(x, "sign"), LIFTED),
        (lambda x: convolve(x, "forgotten"), LIFTED),
        (lambda x: convolve(x, "clockwise"), LIFTED),
    ],
)
def test_planted_faults_are_measured(layer: Callable[[Array], Array], space: Space | None) -> None:
    shape = (2, 9, 9) if space is None else (2, *space.shape)
    found = equivariance_error(layer, SE2(4), shape, space=space)
    assert float(found) > 0.1
    assert found.maximum == max(found.errors) >= found.mean > 0.05


def test_a_wrong_action_would_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The measurement itself, with an action that forgets k⁻¹, turns clockwise, or takes another origin."""
    from groupscat import equivariance

    def clockwise(g: Element, x: Any, space: Any, **more: Any) -> Any:
        return act(~g, x, space, **more)

    def forgotten(g: Element, x: Any, space: Space, **more: Any) -> Any:
        fiber = tuple(Axis("k", a.size, kind="fiber") if a.name == "h" else a for a in space.axes)
        return act(g, x, Space(fiber), **more)

    def elsewhere(g: Element, x: Any, space: Space, **more: Any) -> Any:
        wraps = signal_space(tuple(a.size for a in space.base.values()), periodic=True)
        return act(g, x, Space((*space.elements.values(), *wraps.axes)), origin="sample")

    def check(layer: Callable[[Array], Array]) -> bool:
        return float(equivariance_error(layer, SE2(4), (2, 8, 8))) < 1e-13

    assert check(lift)
    for wrong in (forgotten, elsewhere):
        monkeypatch.setattr(equivariance, "act", wrong)
        assert not check(lift)
    # Turning the other way is another action of the same group: only the definition tells (test_action.py).
    monkeypatch.setattr(equivariance, "act", clockwise)
    assert check(lift)


# ------------------------------------------------------------------------------------------ spaces


@dataclass
class Pool:
    """Circular lifting and subsampling, which says where its samples are."""

    start: int = 0
    said: int = 0

    def __call__(self, x: Array) -> Array:
        return lift(x, mode="wrap")[..., self.start :: 2, self.start :: 2]

    def output_space(self, space: Space) -> Space:
        sides = tuple(a.size // 2 for a in space.base.values())
        return signal_space(sides, SE2(4), step=2, start=self.said, periodic=True)


TORUS = signal_space((8, 8), periodic=True)


def test_layers_say_where_their_samples_are() -> None:
    assert float(equivariance_error(Pool(), SE2(4), (2, 8, 8), space=TORUS, translations=True)) < 1e-13
    middle = equivariance_error(Pool(1, 1), SE2(4), (2, 8, 8), space=TORUS, origin=(3, 3))
    assert float(middle) < 1e-13
    assert float(equivariance_error(Pool(1, 0), SE2(4), (2, 8, 8), space=TORUS)) > 0.1
    # The sample 4 of the input is half-way between two samples of that grid, which will do as well.
    assert float(equivariance_error(Pool(1, 1), SE2(4), (2, 8, 8), space=TORUS)) < 1e-13
    with pytest.raises(gs.ArgumentError, match="between samples, about the origin"):
        equivariance_error(Pool(), SE2(4), (2, 8, 8), space=TORUS, origin="middle")


def test_translations() -> None:
    def layer(x: Array) -> Array:
        return Pool()(x)

    found = equivariance_error(layer, SE2(4), (2, 8, 8), space=TORUS, translations=True)
    assert found.elements[-2:] == ((2, 0, 0), (0, 2, 0))
    assert len(found.errors) == 5
    assert float(found) < 1e-13
    out = Pool().output_space(TORUS)
    alone = equivariance_error(layer, Translation(2), (2, 8, 8), space=TORUS, out_space=out)
    assert alone.elements == ((2, 0), (0, 2))
    assert float(alone) < 1e-13

    def subsample(x: Array) -> Array:
        return x[..., ::2, ::2]

    shifts = Translation(2)([[1, 0], [2, 2]])
    even = equivariance_error(subsample, Translation(2), (8, 8), space=TORUS, elements=shifts[1])
    assert (even.elements, even.errors) == (((2, 2),), (0,))
    with pytest.raises(gs.ArgumentError, match="multiples of"):
        equivariance_error(subsample, Translation(2), (8, 8), space=TORUS, elements=shifts)


@pytest.mark.parametrize("group", [E2(4), SE3Octahedral(), TimeFrequency()], ids=repr)
def test_other_groups(group: Any) -> None:
    d = group.ndim
    symmetric = np.ones((3,) * d)
    space = signal_space((6,) * d, periodic=True)
    smooth = lambda x: correlate(x, symmetric, mode="wrap")  # noqa: E731
    steep = lambda x: smooth(x) + np.arange(6.0)  # noqa: E731
    assert float(equivariance_error(smooth, group, (6,) * d, space=space)) < 1e-13
    assert float(equivariance_error(steep, group, (6,) * d, space=space)) > 0.1


def test_scattering_is_equivariant_by_strides() -> None:
    S = gs.Scattering2D(J=2, shape=(16, 16), L=4, padding="circular")
    torus = signal_space((16, 16), periodic=True)
    found = equivariance_error(S, Translation(2), (2, 16, 16), space=torus)
    assert found.elements == ((4, 0), (0, 4))
    assert float(found) < 1e-13
    lowpass = equivariance_error(lambda x: S(x)[..., :1, :, :], SE2(4), (2, 16, 16), space=torus)
    assert float(lowpass) < 1e-13
    assert float(equivariance_error(S, SE2(4), (2, 16, 16), space=torus)) > 0.1  # angles are paths


def test_spaces_may_be_given() -> None:
    """Elements last, base axes first: no shape tells."""
    inside = Space((Axis("u1", 9), Axis("u2", 9), Axis("batch", 2, kind="fiber")))
    outside = Space((Axis("u1", 9), Axis("u2", 9), Axis("batch", 2, kind="fiber"), Axis("h", 4)))

    def layer(x: Array) -> Array:
        return np.moveaxis(lift(np.moveaxis(x, -1, 0)), (0, 1), (2, 3))

    found = equivariance_error(layer, SE2(4), inside.shape, space=inside, out_space=outside, margin=1)
    assert float(found) < 1e-13
    with pytest.raises(gs.ShapeError, match="Pass out_space="):
        equivariance_error(layer, SE2(4), inside.shape, space=inside)
    nowhere = Space((Axis("path", 9, kind="fiber"),))
    assert float(equivariance_error(np.sum, SE2(4), (9, 9), out_space=nowhere)) < 1e-12


# --------------------------------------------------------------------------------- plane waves, 45°


def oriented(x: Array, sign: int = 1) -> Array:
    """Smooth derivatives along eight angles, (..., N, N) → (..., 8, N, N)."""
    v = np.stack(np.meshgrid(np.arange(-7, 8), np.arange(-7, 8), indexing="ij"), -1)
    bump = np.exp(-(v**2).sum(-1) / 5)
    angles = sign * 2 * np.pi * np.arange(8) / 8
    filters = [(v @ [np.cos(a), np.sin(a)]) * bump for a in angles]
    return np.stack([[correlate(image, w, mode="constant") for w in filters] for image in x])


def test_eighths_of_a_turn_on_the_group() -> None:
    waves = PlaneWaves((2, 48, 48))
    floor = equivariance_error(lambda x: x, SE2(8), waves, margin=8)
    found = equivariance_error(oriented, SE2(8), waves, margin=12)
    assert float(floor) < 2e-3
    assert float(found) < 2e-3
    assert found.elements[0] == (0, 0, 1)
    wrong = equivariance_error(lambda x: oriented(x, -1), SE2(8), waves, margin=12)
    assert float(wrong) > 0.5
    # Better splines measure more finely; zero padding spoils the border.
    assert float(equivariance_error(lambda x: x, SE2(8), waves, margin=8, order=1)) > 0.05
    assert float(equivariance_error(oriented, SE2(8), waves, margin=0)) > 0.05


def test_plane_waves_are_moved_exactly() -> None:
    waves = PlaneWaves((2, 3, 16, 16), seed=4)
    x = waves()
    assert x.dtype == np.float64
    assert not np.allclose(x[0, 0], x[0, 1])
    for row in ([0, 0, 2], [0, 0, 4], [0, 0, 6]):
        np.testing.assert_allclose(waves(SE2(8)(row)), act(SE2(8)(row), x), atol=1e-12)
    shifted = waves(Translation(2)([3, 0]))
    np.testing.assert_allclose(shifted[..., 3:, :], x[..., :-3, :], atol=1e-12)
    # (2, 1) comes from the turned point (1.5, -0.5)√2 of a finer grid.
    g = SE2(8)([0, 0, 1])
    turned = waves(g, signal_space((16, 16)), origin=(0, 0))
    at = (~g) @ [2.0, 1.0]
    point = waves(Translation(2)(-at))[..., 0, 0]
    np.testing.assert_allclose(turned[..., 2, 1], point, atol=1e-12)
    assert np.ptp(PlaneWaves((16, 16), kmax=1e-6)()) < 1e-3
    with pytest.raises(gs.ShapeError, match="same trailing shape"):
        waves(g, signal_space((8, 8)))


def test_plane_waves_on_the_group() -> None:
    space = signal_space((8, 8), SE2(4))
    waves = PlaneWaves((2, 4, 8, 8))
    g = SE2(4)([0, 0, 3])
    np.testing.assert_allclose(waves(g, space), act(g, waves(), space), atol=1e-12)
    assert float(equivariance_error(convolve, SE2(4), waves, space=space)) < 1e-12


def test_plane_waves_are_band_limited() -> None:
    n = 128
    x = PlaneWaves((n, n), kmax=np.pi / 4)() * np.outer(np.hanning(n), np.hanning(n))
    power = np.abs(np.fft.fft2(x)) ** 2
    k = 2 * np.pi * np.fft.fftfreq(n)
    beyond = np.hypot(k[:, None], k) > np.pi / 4 + 0.25
    assert power[beyond].sum() < 1e-6 * power.sum()
    assert power[~beyond].sum() > 0


# --------------------------------------------------------------------------------------- frameworks


@needs("torch")
def test_modules_of_torch() -> None:
    import torch

    layer = torch.nn.Conv2d(3, 4, 3, padding=1)
    assert float(equivariance_error(layer, SE2(4), (2, 3, 8, 8), like=layer.weight)) > 0.1
    with torch.no_grad():
        layer.weight.copy_(sum(layer.weight.rot90(k, (2, 3)) for k in range(4)))
    assert float(equivariance_error(layer, SE2(4), (2, 3, 8, 8), like=layer.weight)) < 1e-6
    x = torch.randn(2, 3, 8, 8)
    assert float(equivariance_error(layer, SE2(4), x)) < 1e-6
    assert float(equivariance_error(layer.bfloat16(), SE2(4), x.bfloat16())) < 0.05
    filters = torch.stack([torch.tensor(W).rot90(k) for k in range(4)])[:, None]

    def lifted(x: Any) -> Any:
        return torch.nn.functional.conv2d(x, filters, padding=2)

    x = torch.randn(2, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    assert float(equivariance_error(lambda x: lifted(x)[:, None], SE2(4), x)) < 1e-13
    assert float(equivariance_error(lambda x: lifted(x).flip(1)[:, None], SE2(4), x)) > 0.1


@needs("tensorflow")
def test_functions_of_tensorflow() -> None:
    import tensorflow as tf

    last = Space((Axis("u1", 8), Axis("u2", 8), Axis("channel", 1, kind="fiber")))
    kernel = sum(np.rot90(W, k) for k in range(4))[:, :, None, None]
    layer = tf.function(lambda x: tf.nn.conv2d(x, kernel, 1, "SAME"))
    x = tf.random.normal((2, 8, 8, 1), dtype=tf.float64)
    assert float(equivariance_error(layer, SE2(4), x, space=last, out_space=last)) < 1e-12
    skew = tf.function(lambda x: tf.nn.conv2d(x, W[:, :, None, None], 1, "SAME"))
    assert float(equivariance_error(skew, SE2(4), x, space=last, out_space=last)) > 0.1


@needs("jax")
def test_functions_of_jax() -> None:
    import jax
    import jax.numpy as jnp

    layer = jax.jit(lambda x: jnp.abs(jnp.fft.fft2(jnp.abs(x))))
    torus = signal_space((8, 8), periodic=True)
    like = jnp.zeros((), dtype="float32")
    assert float(equivariance_error(layer, SE2(4), (2, 8, 8), space=torus, like=like)) < 1e-5
    late = jax.jit(lambda x: jnp.roll(layer(x), 1, -1))
    assert float(equivariance_error(late, SE2(4), (2, 8, 8), space=torus, like=like)) > 0.1


@needs("keras")
def test_layers_of_keras() -> None:
    if missing("tensorflow"):
        pytest.skip('pip install "groupscat[tensorflow]"')
    import keras

    if keras.backend.backend() not in gs.backend_names():
        pytest.skip(f"Keras runs on {keras.backend.backend()}")
    last = Space((Axis("u1", 8), Axis("u2", 8), Axis("channel", 3, kind="fiber")))
    like = keras.ops.zeros(())
    pooling = keras.layers.AveragePooling2D(3, strides=1, padding="same")
    found = equivariance_error(pooling, SE2(4), (2, 8, 8, 3), space=last, out_space=last, like=like)
    assert float(found) < 1e-6


# ------------------------------------------------------------------------------------------- results


def test_results_print_as_a_table() -> None:
    found = Equivariance(SE2(4), ((0, 0, 1), (0.5, 0, 2)), (1e-16, 0.25))
    assert (found.maximum, found.mean, float(found)) == (0.25, 0.125 + 5e-17, 0.25)
    assert str(found).splitlines() == [
        "equivariance error under Translation(d=2) @ Cyclic(n=4)",
        "0, 0, 1    1.00e-16",
        "0.5, 0, 2  2.50e-01",
        "maximum    2.50e-01",
        "mean       1.25e-01",
    ]
    assert hash(found) == hash(Equivariance(SE2(4), found.elements, found.errors))


def test_degenerate_layers() -> None:
    assert float(equivariance_error(np.zeros_like, SE2(4), (8, 8))) == 0
    nan = equivariance_error(lambda x: x * np.nan, SE2(4), (8, 8))
    assert np.isnan(float(nan))
    state = iter([0.0, 1.0, 1.0, 1.0])
    assert float(equivariance_error(lambda x: 0 * x + next(state), SE2(4), (8, 8))) == np.inf
    linear = Cyclic(4)(np.arange(1, 4))
    assert float(equivariance_error(lift, SE2(4), (8, 8), elements=linear)) < 1e-13


def test_errors_name_the_way_out() -> None:
    cases: list[tuple[Callable[[], Any], type[Exception], str]] = [
        (lambda: equivariance_error(lift, SE2(8), (8, 8)), gs.ArgumentError, r"u1:8 × u2:8.*x=PlaneWaves"),
        (lambda: equivariance_error(lift, SE2(4), (8, 6)), gs.ArgumentError, "u1:8 × u2:6"),
        (lambda: equivariance_error(lift, Similitude2(4, 2), (8, 8)), gs.ArgumentError, "PlaneWaves"),
        (lambda: equivariance_error(np.sum, SE2(4), (8, 8), margin=1), gs.ArgumentError, "no base axes"),
        (lambda: equivariance_error(np.abs, SE2(4), (8, 8), margin=4), gs.ArgumentError, "radius -0.5"),
        (lambda: equivariance_error(None, SE2(4), (8, 8)), gs.ArgumentError, "layer=None"),  # type: ignore[arg-type]
        (lambda: equivariance_error(lift, 4, (8, 8)), gs.ArgumentError, "group=4"),  # type: ignore[arg-type]
        (
            lambda: equivariance_error(lift, SE2(4), (8, 8), elements=[1]),
            gs.ArgumentError,
            r"elements=\[1\].*2 axes",
        ),  # type: ignore[arg-type]
        (
            lambda: equivariance_error(lift, SE2(4), (8, 8), elements=SE3Octahedral()([0, 0, 0, 1])),
            gs.ArgumentError,
            "on 2 axes",
        ),
        (lambda: equivariance_error(lift, SE2(4), (8, 8), space=(8, 8)), gs.ArgumentError, r"space=\(8, 8\)"),  # type: ignore[arg-type]
        (lambda: equivariance_error(lambda x: x[..., :0], SE2(4), (8, 8)), gs.ShapeError, r"\(8, 0\)"),
        (lambda: PlaneWaves((8, 8), kmax=-1), gs.ArgumentError, "kmax=-1"),
        (lambda: PlaneWaves((8, 8), count=0), gs.ArgumentError, "count=0"),
        (lambda: equivariance_error(lambda x: [x], SE2(4), (8, 8)), gs.DtypeError, "builtins.list"),
        (
            lambda: equivariance_error(lambda x: x[:-1], SE2(4), (8, 8)),
            gs.ArgumentError,
            "different lengths",
        ),
    ]
    for call, kind, message in cases:
        with pytest.raises(kind, match=f"(?s){message}"):
            call()
