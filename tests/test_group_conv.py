"""Group convolution: against the sum over the group, in every framework, and that it moves with its input."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import groupscat as gs
from groupscat.backend import get_backend
from groupscat.convolution import group_conv, group_pool, lift
from groupscat.execute import ConstantCache
from groupscat.groups import (
    E2,
    SE2,
    Cyclic,
    Group,
    Hierarchy,
    SE3Octahedral,
    Similitude2,
    TimeFrequency,
    Translation,
)
from groupscat.plan.conv_axis import BOUNDARIES
from groupscat.plan.group_conv import Quotient, Steering
from groupscat.plan.strategy import STRATEGIES
from groupscat.testing import assert_close, noise
from groupscat.wavelets import Basis, GaussianRings, Pixels
from tests import oracle_conv
from tests.frameworks import missing, needs
from tests.test_groups import Mirrors

Array = np.ndarray[Any, Any]
#: The module that keeps the constants; its name in its package is the function's.
CONVND = sys.modules["groupscat.convolution.convnd"]
FRAMEWORKS = [pytest.param(name, marks=needs(name)) for name in ("torch", "tensorflow", "jax")]

#: Every named group and one of one's own, with bases of pixels and of rings, and sizes that fit.
CASES: dict[str, tuple[Group, Basis, tuple[int, ...]]] = {
    "SE2(1)": (SE2(1), Pixels(2, 3), (3, 4)),
    "SE2(2)": (SE2(2), Pixels(3, 2), (4, 3)),
    "SE2(4)": (SE2(4), Pixels(3, 3), (4, 5)),
    "SE2(4), even taps": (SE2(4), Pixels(2, 2), (3, 4)),
    "SE2(3), rings": (SE2(3), GaussianRings(3), (4, 3)),
    "SE2(8), pixels": (SE2(8), Pixels(3, 3), (3, 4)),
    "E2(2)": (E2(2), Pixels(2, 3), (3, 4)),
    "E2(4)": (E2(4), Pixels(3, 3), (3, 4)),
    "E2(3), rings": (E2(3), GaussianRings(3), (3, 3)),
    "SE3Octahedral": (SE3Octahedral(), Pixels(2, 2, 2), (2, 3, 2)),
    "SE3Octahedral, rings": (SE3Octahedral(), GaussianRings(3, ndim=3), (2, 2, 2)),
    "TimeFrequency": (TimeFrequency(), Pixels(3, 4), (5, 4)),
    "TimeFrequency, rings": (TimeFrequency(), GaussianRings(3, ndim=1) * Pixels(2), (5, 4)),
    "Similitude2": (Similitude2(2, 2), Pixels(2, 2), (4, 3)),
    "Similitude2, √2, rings": (Similitude2(4, 2, factor=2**0.5), GaussianRings(3), (4, 4)),
    "Hierarchy(2, 2)": (Hierarchy(2, 2), Pixels(2, 3) * Pixels(3) * Pixels(2), (3, 2, 4, 2)),
    "Hierarchy(SE2(4), 1)": (Hierarchy(SE2(4), 1), GaussianRings(3) * Pixels(2), (3, 3, 3)),
    "Mirrors": (Translation(2) @ Mirrors(2), Pixels(3, 2), (3, 4)),
    "Mirrors alone": (Mirrors(3), Pixels(2, 1, 2), (3, 2, 2)),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """A group convolution of noise, or a lift."""

    name: str
    lifting: bool = False
    separable: bool = False
    channels: int = 2
    depth: int = 2
    outputs: int = 2
    options: Any = ()
    complex_x: bool = False
    complex_w: bool = False
    seed: int = 0

    def arrays(self) -> tuple[Array, Any, Array]:
        """The signal, the filters as they are passed, and the full ones."""
        G, basis, sizes = CASES[self.name]
        over = () if self.lifting else (int(G.point_group.order),)
        x = noise((2, self.channels, *over, *sizes), self.seed, self.complex_x)
        mixing = (self.outputs, self.depth, *over)
        if not self.separable:
            w = noise((*mixing, *basis.shape), self.seed + 1, self.complex_w)
            return x, w, w
        mix, w = (
            noise(mixing, self.seed + 2),
            noise((self.outputs, *basis.shape), self.seed + 1, self.complex_w),
        )
        # The full filter of a separable one: mix(h) w(x).
        spread = w.reshape(self.outputs, *[1] * (len(mixing) - 1), *basis.shape)
        return x, (mix, w), mix.reshape(*mixing, *[1] * len(basis.shape)) * spread

    def check(self, strategies: tuple[str | None, ...] = (None,), name: str = "numpy") -> None:
        """It is the sum over the group."""
        G, basis, _ = CASES[self.name]
        x, w, full = self.arrays()
        options = dict(self.options)
        xp = get_backend(name)

        def put(a: Array) -> Any:
            return xp.put(a, a.dtype.name)

        reference = oracle_conv.lift if self.lifting else oracle_conv.group_conv
        wanted = reference(x, full, G, basis, **options)
        given = tuple(map(put, w)) if self.separable else put(w)
        call = lift if self.lifting else group_conv
        for strategy in strategies:
            y = call(put(x), given, G, basis=basis, approximate=True, strategy=strategy, **options)
            assert xp.owns(y)
            assert_close(xp.to_numpy(y), wanted, x)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Any group, with channels in groups, strides, dilations and paddings."""
    name = draw(st.sampled_from(sorted(CASES)))
    _, _, sizes = CASES[name]
    groups, depth, each = (draw(st.integers(1, 2)) for _ in range(3))
    axes = range(len(sizes))
    options = {
        "groups": groups,
        "stride": tuple(draw(st.integers(1, 2)) for _ in axes),
        "dilation": tuple(draw(st.integers(1, 2)) for _ in axes),
        "padding": tuple(draw(st.sampled_from(BOUNDARIES[:-1])) for _ in axes),
    }
    lifting, separable, complex_x, complex_w = (draw(st.booleans()) for _ in range(4))
    return Case(
        name, lifting, separable, groups * depth, depth, groups * each, tuple(options.items()),
        complex_x, complex_w, draw(st.integers(0, 99)),
    )  # fmt: skip


@given(case=cases(), strategy=st.sampled_from([None, *STRATEGIES]))
def test_drawn_convolutions_are_the_sum_over_the_group(case: Case, strategy: str | None) -> None:
    case.check((strategy,))


@pytest.mark.parametrize("lifting", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_every_group(name: str, lifting: bool) -> None:
    Case(name, lifting).check()
    Case(name, lifting, separable=True, options=(("stride", 2),)).check()


@pytest.mark.parametrize("lifting", [True, False])
@pytest.mark.parametrize("separable", [True, False])
def test_depthwise_and_no_padding(separable: bool, lifting: bool) -> None:
    for name in ("SE2(4)", "SE2(4), even taps", "E2(2)"):
        options = (("groups", 2), ("padding", "none"))
        Case(name, lifting, separable, depth=1, outputs=4, options=options).check((None, *STRATEGIES))


@pytest.mark.parametrize("lifting", [True, False])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_frameworks_compute_the_sum(framework: str, lifting: bool) -> None:
    for name in ("E2(4)", "SE2(8), pixels", "Similitude2", "Hierarchy(SE2(4), 1)"):
        Case(name, lifting, separable=name == "E2(4)", complex_x=name == "Similitude2").check(name=framework)


@pytest.fixture(autouse=True)
def _wide_jax() -> None:
    if not missing("jax"):
        import jax

        jax.config.update("jax_enable_x64", True)


def test_a_linear_group_stands_for_its_affine_one() -> None:
    x, w, _ = Case("E2(4)").arrays()
    G = CASES["E2(4)"][0]
    np.testing.assert_array_equal(group_conv(x, w, G), group_conv(x, w, G.point_group))


def test_translations_alone_are_convnd() -> None:
    x, w = noise((2, 3, 4, 5)), noise((2, 3, 3, 2), 1)
    y = lift(x, w, Translation(2))
    assert_close(y[:, :, 0], gs.convnd(x, w), x)
    assert_close(group_conv(y, w[:, :2, None], Translation(2))[:, :, 0], gs.convnd(y[:, :, 0], w[:, :2]), y)


def test_outputs_of_even_filters_lie_between_the_samples() -> None:
    """Of an impulse at the origin: every filter about (½, ½), which rotations leave in place."""
    w = noise((1, 1, 2, 2), 1)
    x = np.zeros((1, 1, 5, 5))
    x[0, 0, 2, 2] = 1
    y = lift(x, w, SE2(4), approximate=True)[0, 0]
    for h in range(4):
        seen = y[h, 1:3, 1:3]
        np.testing.assert_array_equal(seen, np.rot90(w[0, 0], h)[::-1, ::-1])
        assert np.count_nonzero(y[h]) == 4


def test_truncated_scales_see_zero_outside_of_their_window() -> None:
    """Of two scales the coarse one reads the fine one at h⁻¹h' = −1: not there."""
    G = Similitude2(1, 2)
    x = noise((1, 1, 2, 3, 3))
    w = np.ones((1, 1, 2, 1, 1))
    y = group_conv(x, w, G, approximate=True)
    fine = x[:, :, :1].copy()
    only = np.concatenate([fine, np.zeros_like(fine)], 2)
    np.testing.assert_array_equal(group_conv(only, w, G, approximate=True)[:, :, 1], 0)
    assert_close(y[:, :, 0], x.sum(2))
    # A coarse filter is the fine one at half its samples, divided by its area.
    hat = np.outer([0.5, 1, 0.5], [0.5, 1, 0.5]) / 4
    assert_close(y[0, 0, 1], oracle_conv.convnd(x[:, :, 1], hat[None, None])[0, 0])


# ------------------------------------------------------------------------------- what must be noticed


def _transposed(original: Any, self: Quotient) -> Any:
    """h'⁻¹h for h⁻¹h'."""
    n = self.group.point_group.order
    table = self.group.point_group.quotient_table().T.astype(int)
    return np.where(table < 0, -1, table * n + np.arange(n)[:, None] if self.steered else table).reshape(-1)


def _forward(original: Any, self: Steering) -> Any:
    """A_h for A_h⁻¹."""
    H, table = self.group.point_group, original(self)
    inverse = H.index(H.inv(H.elements()))
    moved = table.reshape(len(table), int(H.order), -1)[:, inverse]
    return moved.reshape(len(table), -1)


def _without_volume(original: Any, self: Steering) -> Any:
    H, table = self.group.point_group, original(self)
    volumes = np.abs(np.linalg.det(H.act(H.elements())))
    return (table.reshape(len(table), len(volumes), -1) * volumes[:, None]).reshape(len(table), -1)


def _by_first(original: Any, self: Quotient) -> Any:
    """The filter at h' for the one at h⁻¹h'."""
    n = int(self.group.point_group.order)
    k, h = np.arange(n)[None], np.arange(n)[:, None]
    return (k * n + h if self.steered else k + 0 * h).reshape(-1)


def _moved_by_other(original: Any, self: Quotient) -> Any:
    """Filters moved by h' for h."""
    n = int(self.group.point_group.order)
    table = self.group.point_group.quotient_table().astype(int)
    return np.where(table < 0, -1, table * n + np.arange(n) if self.steered else table).reshape(-1)


def _wrapped(original: Any, self: Quotient) -> Any:
    """What lies outside of a truncated group read at its border."""
    return np.maximum(original(self), 0)


FAULTS: dict[str, tuple[type, Any, str]] = {
    "quotient table transposed": (Quotient, _transposed, "SE2(4)"),
    "filters not gathered": (Quotient, _by_first, "E2(4)"),
    "filters moved by h' for h": (Quotient, _moved_by_other, "SE2(4)"),
    "filters moved by A_h for its inverse": (Steering, _forward, "SE2(4)"),
    "volume of a dilation left out": (Steering, _without_volume, "Similitude2"),
    "no zeros outside of the window": (Quotient, _wrapped, "Similitude2"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_sum_notices(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, change, name = FAULTS[fault]
    original = owner.build
    monkeypatch.setattr(CONVND, "CONSTANTS", ConstantCache(1 << 20))
    Case(name).check()
    monkeypatch.setattr(CONVND, "CONSTANTS", ConstantCache(1 << 20))
    monkeypatch.setattr(owner, "build", lambda self: change(original, self))
    with pytest.raises(AssertionError, match="relative error"):
        Case(name).check()


# -------------------------------------------------------------------------------------------- pooling


def test_pooling_over_the_group_and_over_windows() -> None:
    x = noise((2, 3, 4, 6, 4))
    np.testing.assert_array_equal(group_pool(x, SE2(4)), x.max(2))
    assert_close(group_pool(x, SE2(4), reduce="mean"), x.mean(2))
    blocks = np.stack([x[..., i::3, j::2] for i in range(3) for j in range(2)])
    np.testing.assert_array_equal(group_pool(x, SE2(4), window=(3, 2)), blocks.max(0))
    assert_close(group_pool(x, SE2(4), window=(3, 2), reduce="mean"), blocks.mean(0))
    z = noise((2, 3, 4, 6, 4), is_complex=True)
    assert_close(group_pool(z, SE2(4), reduce="mean"), z.mean(2))
    y = noise((1, 2, 24, 2, 4, 2))
    np.testing.assert_array_equal(group_pool(y, SE3Octahedral(), window=(1, 4, 1)), y.max(4, keepdims=True))
    assert group_pool(x.astype(np.float16), SE2(4)).dtype == np.float16
    assert group_pool(x[:0], SE2(4), window=2).shape == (0, 3, 4, 3, 2)


# ------------------------------------------------------------------------------------------- derivatives


@needs("torch")
@pytest.mark.parametrize("separable", [False, True])
def test_first_and_second_derivatives(separable: bool) -> None:
    import torch

    def tensor(*shape: int) -> Any:
        return torch.tensor(noise(shape, len(shape)), requires_grad=True)

    def call(x: Any, w: Any, mix: Any = None) -> Any:
        return group_conv(x, w if mix is None else (mix, w), SE2(2))

    arrays = [tensor(1, 1, 2, 3, 3), tensor(1, *[] if separable else [1, 2], 3, 3)]
    arrays += [tensor(1, 1, 2)] * separable
    assert torch.autograd.gradcheck(call, arrays)
    assert torch.autograd.gradgradcheck(call, arrays, fast_mode=True)


@needs("torch")
def test_vmap_over_signals_and_filters() -> None:
    import torch

    x, w = torch.from_numpy(noise((3, 2, 1, 4, 3, 3))), torch.from_numpy(noise((3, 2, 1, 4, 3, 3), 1))
    wanted = torch.stack([group_conv(a, b, SE2(4)) for a, b in zip(x, w, strict=True)])
    assert_close(torch.func.vmap(lambda a, b: group_conv(a, b, SE2(4)))(x, w), wanted, x)


def three_layers(x: Any, w: Any, v: Any) -> Any:
    y = lift(x, w, SE2(4))
    return group_pool(group_conv(group_pool(y, SE2(4), window=2), v, SE2(4)), SE2(4))


@needs("jax")
def test_jit_and_vmap_in_jax() -> None:
    import jax
    import jax.numpy as jnp

    x, w, v = noise((3, 2, 2, 4, 4)), noise((2, 2, 3, 3), 1), noise((1, 2, 4, 3, 3), 2)
    found = jax.jit(jax.vmap(three_layers, (0, None, None)))(*map(jnp.asarray, (x, w, v)))
    assert_close(found, np.stack([three_layers(part, w, v) for part in x]), x)


@needs("tensorflow")
def test_one_graph_for_every_batch_length() -> None:
    import tensorflow as tf

    w, v = noise((2, 2, 3, 3), 1), noise((1, 2, 4, 3, 3), 2)

    @tf.function(input_signature=[tf.TensorSpec((None, 2, 4, 4), tf.float64)])
    def graph(x: Any) -> Any:
        return three_layers(x, tf.constant(w), tf.constant(v))

    for batch in (3, 1, 0):
        x = noise((batch, 2, 4, 4))
        assert_close(graph(x).numpy(), three_layers(x, w, v), 1.0)


# --------------------------------------------------------------------------------------------- bad input

X, Y, W = np.zeros((1, 2, 5, 5)), np.zeros((1, 2, 4, 5, 5)), np.zeros((3, 2, 4, 3, 3))
REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "not lifted": (
        lambda: group_conv(X, W, SE2(4)), gs.ShapeError,
        r"shape \(batch, channels, 4, N_1, N_2\), got \(1, 2, 5, 5\).*groupscat\.lift",
    ),
    "lifted twice": (
        lambda: lift(Y, W[:, :, 0], SE2(4)), gs.ShapeError,
        r"\(batch, channels, N_1, N_2\), got \(1, 2, 4, 5, 5\).*groupscat\.group_conv",
    ),
    "another group": (lambda: group_conv(Y, W, SE2(8)), gs.ShapeError, r"channels, 8, N_1, N_2\)"),
    "filters on another group": (
        lambda: group_conv(Y, W[:, :, :3], SE2(4)), gs.ShapeError,
        r"channels / groups, 4, 3, 3\), got \(3, 2, 3, 3, 3\)",
    ),
    "filters in another basis": (
        lambda: group_conv(Y, W, SE2(4), basis=GaussianRings(3)), gs.ShapeError,
        r"Filters on .* in GaussianRings\(k=3.*channels / groups, 4, 4\), got \(3, 2, 4, 3, 3\)",
    ),
    "no taps": (lambda: group_conv(Y, W[..., 0], SE2(4)), gs.ShapeError, r"acts on 2 axes.*basis="),
    "channels": (lambda: group_conv(Y, W[:, :1], SE2(4)), gs.ShapeError, r"see 1 channels, but x has 2"),
    "groups": (lambda: group_conv(Y, W[:, :1], SE2(4), groups=2), gs.ArgumentError, r"groups=2 must divide"),
    "separable": (
        lambda: group_conv(Y, (W[:, :, 0, 0, 0], W[0, :, 0]), SE2(4)), gs.ShapeError,
        r"Separable filters.*\(channels out, channels / groups, 4\) and \(channels out, 3, 3\)",
    ),
    "three filters": (lambda: lift(X, (W, W, W), SE2(4)), gs.ArgumentError, r"tuple of 3.*pair \(mix, w\)"),
    "basis": (lambda: lift(X, W[:, :, 0], SE2(4), basis=5), gs.ArgumentError, r"basis=5: expected one of"),
    "strategy": (
        lambda: lift(X, W[:, :, 0], SE2(4), strategy=["fft"]), gs.ArgumentError, r"strategy=\['fft'\]",
    ),
    "taps that a turn does not map": (
        lambda: lift(X, np.zeros((3, 2, 3, 5)), SE2(4)), gs.ArgumentError, r"turns axes 0 and 1.*Use 5 taps",
    ),
    "no group": (lambda: lift(X, W[:, :, 0], "SE2"), gs.ArgumentError, r"group='SE2': expected"),
    "translations along some axes": (
        lambda: lift(np.zeros((1, 2, 5, 5, 5)), np.zeros((3, 2, 3, 3, 3)), Cyclic(4) * Translation(1)),
        gs.ArgumentError, r"not of the form R\^d ⋊ H.*Write Translation\(3\) @ H, or pass H alone",
    ),
    "precision": (lambda: lift(X, W[:, :, 0].astype("float32"), SE2(4)), gs.DtypeError, r"w is float32"),
    "maximum of complex numbers": (
        lambda: group_pool(Y + 0j, SE2(4)), gs.DtypeError, r"Complex.* no maximum.*reduce=\"mean\"",
    ),
    "reduce": (
        lambda: group_pool(Y, SE2(4), reduce="sum"), gs.ArgumentError, r"'sum': expected one of 'max'",
    ),
    "windows that do not cover": (
        lambda: group_pool(Y, SE2(4), window=2), gs.ShapeError, r"\(2, 2\).*\(5, 5\).*divide the sizes",
    ),
    "nothing to pool": (lambda: group_pool(Y[..., :0], SE2(4)), gs.ShapeError, r"5, 0\); only the batch may"),
    "no channels to pool": (lambda: group_pool(Y[:, :0], SE2(4)), gs.ShapeError, r"\(1, 0, 4, 5, 5\); only"),
    "window 0": (lambda: group_pool(Y, SE2(4), window=0), gs.ArgumentError, r"window=0: expected"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_value_expectation_and_way_out(name: str) -> None:
    call, kind, message = REFUSED[name]
    with pytest.raises(kind, match=message):
        call()
