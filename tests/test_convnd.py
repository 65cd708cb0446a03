"""n-d convolution: against direct sums, in every framework, by every strategy; what it refuses and how."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import groupscat as gs
from groupscat.backend import get_backend
from groupscat.execute import ConstantCache, constant, run
from groupscat.plan.conv_axis import BOUNDARIES, Boundary, ConvAxis
from groupscat.plan.conv_ops import Analyse, BandedConv, ComplexBlocks, Conv, Gather, Rearrange, Subsample
from groupscat.plan.conv_tables import TapPositions, ToeplitzTaps
from groupscat.plan.convnd import ConvShape, Lowering, convolution_plan, space_of
from groupscat.plan.fourier import ShortFourier
from groupscat.plan.paths import Paths
from groupscat.plan.plan import PlanBuilder
from groupscat.plan.strategy import BANDS, STRATEGIES, Split, band_axis, choose
from groupscat.testing import assert_close, noise
from groupscat.testing.strategies import Convolved, convolutions
from tests import oracle_conv
from tests.frameworks import missing, needs

#: The module, whose name in its package is the function's.
MODULE = sys.modules["groupscat.convolution.convnd"]
FRAMEWORKS = [pytest.param(name, marks=needs(name)) for name in ("torch", "tensorflow", "jax")]


@pytest.fixture(autouse=True)
def _wide_jax() -> None:
    if not missing("jax"):
        import jax

        jax.config.update("jax_enable_x64", True)


def check(case: Convolved) -> None:
    options = {name: value for name, value in case.options.items() if name != "strategy"}
    wanted = oracle_conv.convnd(case.x, case.w, **options)
    scale = np.abs(case.x).max(initial=0.0)
    for strategy in (None, *STRATEGIES):
        y = gs.convnd(case.x, case.w, **options, strategy=strategy)
        assert y.dtype == wanted.dtype
        assert_close(y, wanted, scale)


@given(case=convolutions())
def test_every_strategy_is_the_definition(case: Convolved) -> None:
    check(case)


@pytest.mark.parametrize("padding", BOUNDARIES)
def test_every_padding_of_every_kind_of_axis(padding: str) -> None:
    """One sample, fewer samples than taps, strides that leave out samples, even taps; all at once."""
    sizes, taps, strides, dilations = (1, 5, 6, 4), (1, 4, 3, 2), (2, 1, 2, 3), (1, 1, 2, 3)
    x, w = noise((2, 2, *sizes)), noise((2, 1, *taps), 1)
    check(Convolved(x, w, {"stride": strides, "dilation": dilations, "padding": padding, "groups": 2}))


@pytest.mark.parametrize("padding", ["zero", "circular", "reflect", "edge"])
def test_attribute_axes_shorter_than_the_filter(padding: str) -> None:
    """Attribute axes shrink in a hierarchical network: they wrap or reflect as often as it takes."""
    x, w = noise((1, 1, 3, 3, 2, 1, 3)), noise((2, 1, 3, 1, 5, 3, 7), 1)
    check(Convolved(x, w, {"padding": ("zero", "zero", padding, padding, padding)}))


@pytest.mark.parametrize("is_complex", list(itertools.product([False, True], repeat=2)))
def test_complex_signals_and_filters(is_complex: tuple[bool, bool]) -> None:
    x, w = noise((2, 4, 4, 3, 2), 0, is_complex[0]), noise((6, 2, 3, 2, 2), 1, is_complex[1])
    check(Convolved(x, w, {"stride": (1, 2, 1), "groups": 2}))


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_frameworks_compute_the_definition(name: str) -> None:
    xp = get_backend(name)
    for seed, padding in enumerate(BOUNDARIES):
        x, w = noise((2, 4, 3, 4, 3, 2), seed), noise((2, 2, 2, 3, 2, 2), 10)
        options = {"stride": (1, 2, 1, 1), "padding": padding, "groups": 2}
        y = gs.convnd(xp.put(x, "float64"), xp.put(w, "float64"), **options)
        assert xp.owns(y)
        assert_close(xp.to_numpy(y), oracle_conv.convnd(x, w, **options), x)


# ------------------------------------------------------------------------------------- sizes, positions


@given(
    n=st.integers(1, 12), k=st.integers(1, 6), s=st.integers(1, 5), d=st.integers(1, 4),
    padding=st.sampled_from(BOUNDARIES),
)  # fmt: skip
def test_number_of_outputs_and_where_they_read(n: int, k: int, s: int, d: int, padding: Any) -> None:
    axis = ConvAxis(n, k, s, d, padding)
    if padding == "none":
        if axis.span > n:
            with pytest.raises(gs.ShapeError, match=rf"{n} samples, fewer than the {axis.span}"):
                gs.convnd(np.zeros((1, 1, n)), np.zeros((1, 1, k)), s, d, padding)
            return
        assert (axis.outputs, axis.margin) == ((n - (k - 1) * d - 1) // s + 1, (0, 0))
    else:
        assert axis.outputs == -(-n // s)
        total = max((axis.outputs - 1) * s + (k - 1) * d + 1 - n, 0)
        assert axis.margin == (total // 2, -(-total // 2))  # an odd sample comes after
    line = oracle_conv.Line(n, k, s, d, padding)
    reads = [[-1 if t is None else t for t in line.reads(u)] for u in range(line.outputs)]
    assert axis.positions().tolist() == reads
    middle = [s * u + (k - 1) * d / 2 - line.before for u in range(line.outputs)]
    assert [axis.first + s * u for u in range(axis.outputs)] == middle


@needs("torch")
@pytest.mark.parametrize(("n", "k", "d"), [(7, 3, 1), (7, 4, 2), (5, 2, 2), (6, 5, 2), (3, 5, 1)])
def test_zeros_are_where_torch_has_them(n: int, k: int, d: int) -> None:
    import torch

    x, w = torch.from_numpy(noise((2, 3, n))), torch.from_numpy(noise((4, 3, k), 1))
    wanted = torch.nn.functional.conv1d(x, w, padding="same", dilation=d)
    assert_close(gs.convnd(x, w, dilation=d), wanted, x)


@needs("tensorflow")
@pytest.mark.parametrize(("n", "k", "s"), [(7, 3, 2), (8, 3, 2), (8, 4, 3), (5, 2, 2), (9, 1, 4)])
def test_zeros_are_where_tensorflow_has_them(n: int, k: int, s: int) -> None:
    import tensorflow as tf

    x, w = noise((2, n, 3)), noise((k, 3, 4), 1)
    wanted = tf.nn.convolution(x, w, strides=s, padding="SAME").numpy()
    y = gs.convnd(tf.transpose(x, (0, 2, 1)), tf.transpose(w, (2, 1, 0)), s)
    assert_close(y.numpy().transpose(0, 2, 1), wanted, x)


@pytest.mark.parametrize("strategy", [None, *STRATEGIES])
@pytest.mark.parametrize("taps", [(1, 3, 1), (3, 2, 1, 1), (1, 1, 2, 3), (2, 1, 3, 1, 1), (1, 1, 1, 1)])
def test_axes_of_one_tap(taps: tuple[int, ...], strategy: str | None) -> None:
    x, w = noise((2, 4, 5, 4, 6, 3, 2)[: 2 + len(taps)]), noise((6, 2, *taps), 1)
    for stride, padding in itertools.product((1, 2), BOUNDARIES):
        wanted = oracle_conv.convnd(x, w, stride, padding=padding, groups=2)
        assert_close(gs.convnd(x, w, stride, padding=padding, groups=2, strategy=strategy), wanted, x)
    z = x + 1j * x[::-1]
    wanted = oracle_conv.convnd(z, w, 2, groups=2)
    assert_close(gs.convnd(z, w, 2, groups=2, strategy=strategy), wanted, z)


def test_no_signal() -> None:
    x = np.zeros((0, 2, 5, 4, 3, 3), np.float32)
    assert gs.convnd(x, np.zeros((3, 2, 3, 1, 1, 2), np.float32)).shape == (0, 3, 5, 4, 3, 3)
    assert gs.convnd(x, np.zeros((3, 2, 3, 1, 1, 2), np.complex64), 2).dtype == np.complex64


# ---------------------------------------------------------------------------- what must be noticed


def changed(
    owner: type, name: str, change: Callable[[Any, Any], Any]
) -> Callable[[pytest.MonkeyPatch], None]:
    """Replace owner.name, a method or a property, by change(its value, self)."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        original = vars(owner)[name]
        if isinstance(original, property):
            patch.setattr(owner, name, property(lambda self: change(original.fget(self), self)))
        else:
            patch.setattr(owner, name, lambda self: change(original(self), self))

    return plant


def conjugate(matrix: Any) -> Any:
    """Rows are (frequency, re/im)."""
    return matrix * np.tile([[1.0], [-1.0]], (len(matrix) // 2, 1))


def without_minus(self: ComplexBlocks, xp: Any, w: Any) -> Any:
    re, im = (w[..., k : k + 1, :, None, :, :] for k in (0, 1))
    return np.concatenate([np.concatenate([re, im], -3), np.concatenate([im, re], -3)], -5)


def too_late(self: Subsample, xp: Any, x: Any) -> Any:
    rolled = np.roll(x, [s - 1 for s in self.strides], range(-len(self.strides), 0))
    return rolled[(..., *(slice(None, None, s) for s in self.strides))]


def first_samples(self: Subsample, xp: Any, x: Any) -> Any:
    sizes = x.shape[-len(self.strides) :]
    return x[(..., *(slice(None, -(-n // s)) for n, s in zip(sizes, self.strides, strict=True)))]


def without_order(self: Rearrange, xp: Any, x: Any) -> Any:
    """The right shape, the numbers as they lie."""
    return x.reshape(self.before).reshape([self.before[k] for k in self.order]).reshape(self.after)


def only(role: str, change: Callable[[Any], Any]) -> Callable[[Any, ShortFourier], Any]:
    return lambda matrix, recipe: change(matrix) if recipe.role == role else matrix


FAULTS: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "odd sample before": ("native", changed(ConvAxis, "margin", lambda m, axis: m[::-1])),
    "padding reversed": ("native", changed(ConvAxis, "gathered", lambda g, axis: g[::-1])),
    "period too short": ("fft", changed(ConvAxis, "period", lambda n, axis: max(1, n - 1))),
    "taps conjugated": ("fft", changed(ShortFourier, "build", only("kernel", conjugate))),
    "spectrum conjugated": ("fft", changed(ShortFourier, "build", only("signal", conjugate))),
    "half of the frequencies not counted twice": (
        "fft", changed(ShortFourier, "build", lambda m, r: m / 2 if r.role == "output" and r.real else m)
    ),
    "Toeplitz matrix reversed": ("toeplitz", changed(ToeplitzTaps, "build", lambda t, r: t[::-1])),
    "first tap for none": ("toeplitz", changed(ToeplitzTaps, "build", lambda t, r: np.maximum(t, 0))),
    "taps in reverse": ("taps", changed(TapPositions, "build", lambda t, r: t[::-1])),
    "first sample for zero": ("taps", changed(TapPositions, "build", lambda t, r: np.maximum(t, 0))),
    "samples before those that are read": (
        "native", lambda patch: patch.setattr(Subsample, "__call__", too_late)
    ),
    "the first samples, not every second": (
        "native", lambda patch: patch.setattr(Subsample, "__call__", first_samples)
    ),
    "axes of one tap in reverse": (
        "native", lambda patch: patch.setattr(Rearrange, "__call__", without_order)
    ),
    "complex numbers multiplied without a minus": (
        "native", lambda patch: patch.setattr(ComplexBlocks, "__call__", without_minus)
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_the_definition_notices(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    strategy, plant = FAULTS[fault]
    x, w = noise((2, 2, 6, 5, 4), is_complex=True), noise((2, 2, 4, 3, 2), 1, is_complex=True)
    strided: dict[str, Any] = {"stride": (1, 2, 2), "padding": "circular"}
    cases = [(w, {"padding": "zero"}), (w, strided), (w[..., :1], strided)]
    wanted = np.concatenate([oracle_conv.convnd(x, w, **case).ravel() for w, case in cases])

    def found() -> Any:
        convolution_plan.cache_clear()
        choose.cache_clear()
        monkeypatch.setattr(MODULE, "CONSTANTS", ConstantCache(1 << 20))
        return np.concatenate([gs.convnd(x, w, **case, strategy=strategy).ravel() for w, case in cases])

    assert_close(found(), wanted, x)
    try:
        plant(monkeypatch)
        with pytest.raises(AssertionError, match="relative error"):
            assert_close(found(), wanted, x)
    finally:
        monkeypatch.undo()
        convolution_plan.cache_clear()
        choose.cache_clear()


# ------------------------------------------------------------------------------------- strategies, memory


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_forced_strategy_is_taken(strategy: str) -> None:
    axes = tuple(ConvAxis(n, k, padding="zero") for n, k in ((8, 3), (9, 3), (4, 3), (5, 3)))
    plan = convolution_plan(ConvShape(4, 6, axes, 2), strategy)
    kinds = {type(op) for op in plan.ops}
    tables = {type(recipe) for _, recipe in plan.constants}
    assert (Analyse in kinds) == (strategy == "fft")
    assert (ToeplitzTaps in tables) == (strategy == "toeplitz")
    assert (TapPositions in tables) == (strategy == "taps")
    (conv,) = (op for op in plan.ops if isinstance(op, Conv))
    assert len(conv.stride) == (4 if strategy == "native" else 2)
    if strategy == "native":
        assert Gather not in kinds
    assert choose(axes, 4, 6, 2, strategy).strategy == strategy


def test_axes_of_one_tap_need_no_strategy() -> None:
    """The rest is chosen as if they were not there, and so is a matrix where there is no other axis."""
    zero = [ConvAxis(n, k, s, padding="zero") for n, k, s in ((8, 3, 1), (6, 1, 2), (9, 3, 1), (4, 1, 1))]
    moving = tuple(axis for axis in zero if axis.taps > 1)
    for strategy in (None, *STRATEGIES):
        plan = convolution_plan(ConvShape(4, 6, tuple(zero), 2), strategy)
        inner = convolution_plan(ConvShape(4, 6, moving, 2), strategy)
        assert [type(op) for op in plan.ops] == [
            Subsample,
            Rearrange,
            Rearrange,
            *map(type, inner.ops),
            Rearrange,
        ]
    plan = convolution_plan(ConvShape(4, 6, tuple(ConvAxis(n, 1) for n in (5, 6, 7))))
    (conv,) = (op for op in plan.ops if isinstance(op, Conv))
    assert plan.register[conv.srcs[0]].space.shape == (4, 5 * 6 * 7)


@pytest.mark.parametrize("strategy", [None, *STRATEGIES])
@pytest.mark.parametrize("taps", [(3, 3, 3, 3), (3, 1, 3, 1), (1, 1, 1, 1)])
def test_registers_say_how_large_arrays_are(taps: tuple[int, ...], strategy: str | None) -> None:
    """By them batches are split."""
    axes = tuple(ConvAxis(n, k, 2, padding="zero") for n, k in zip((6, 5, 4, 3), taps, strict=True))
    plan, xp = convolution_plan(ConvShape(2, 3, axes), strategy), get_backend("numpy")
    arrays = {name: constant(xp, recipe, "float64", None) for name, recipe in plan.constants}
    arrays |= {"x": noise((5, 2, 6, 5, 4, 3)), "w": noise((3, 2, *taps), 1)}
    for op in plan.ops:
        arrays[op.dst] = op(xp, *(arrays[name] for name in op.srcs))
        register = plan.register[op.dst]
        assert arrays[op.dst].size == register.space.size * (5 if register.batched else 1), op


@pytest.mark.parametrize("count", BANDS)
@pytest.mark.parametrize("folded", [(2, 3), (3,), (0, 2), (0, 1)])
@pytest.mark.parametrize("padding", BOUNDARIES)
def test_toeplitz_matrices_in_bands(padding: Boundary, folded: tuple[int, ...], count: int) -> None:
    """The same as the definition, however many bands; they leave out samples that nothing reads."""
    for stride, dilation in ((1, 1), (2, 1), (1, 2)):
        sizes = zip((6, 8, 9, 12), (3, 3, 4, 5), strict=True)
        axes = tuple(ConvAxis(n, k, stride, dilation, padding) for n, k in sizes)
        shape = ConvShape(2, 3, axes)
        if axes[band_axis(axes, folded)].outputs < count:
            continue
        split = Split("toeplitz", tuple(k for k in range(4) if k not in folded), folded, count)
        b = PlanBuilder()
        x, w = b.input("x", space_of(2, *shape.sizes)), b.parameter("w", space_of(*shape.kernel))
        plan = b.build([(Lowering(b, shape, split).run(x, w), ())], Paths(()))
        xp = get_backend("numpy")
        arrays = {name: constant(xp, recipe, "float64", None) for name, recipe in plan.constants}
        arrays |= {"x": noise((2, 2, *shape.sizes)), "w": noise(shape.kernel, 1)}
        (found,) = run(plan, arrays, xp)
        options: dict[str, Any] = {"stride": stride, "dilation": dilation, "padding": padding}
        wanted = gs.convnd(arrays["x"], arrays["w"], strategy="native", **options)
        assert_close(found, wanted, arrays["x"])
        for op in plan.ops:
            if isinstance(op, BandedConv):
                assert len(op.bands) == count
                whole = plan.register[op.srcs[0]].space.shape[0]
                assert all(0 <= first < last <= whole for first, last in op.bands)


def test_bands_pay_in_hierarchical_layers_and_not_in_small_ones() -> None:
    def cut(side: int, attributes: tuple[tuple[int, int], ...]) -> Split:
        axes = [ConvAxis(side, 3), ConvAxis(side, 3), *(ConvAxis(n, k, 2) for n, k in attributes)]
        return choose(tuple(axes), 1, 16, 1, "toeplitz")

    assert cut(32, ((8, 7), (16, 11))).bands == 4
    assert cut(4, ((2, 3), (3, 3))).bands == 1
    assert choose(tuple(ConvAxis(16, 5, 2) for _ in range(4)), 4, 16, 2, "toeplitz").bands == 1  # groups


CHOICES = """
import itertools, json
from groupscat.plan.conv_axis import ConvAxis
from groupscat.plan.strategy import choose

sizes = [(32, 32), (32, 32, 8), (16, 16, 8, 8), (8, 8, 4, 4, 6), (64,)]
print(json.dumps([
    repr(choose(tuple(ConvAxis(n, k, s, padding=p) for n in shape), c, 2 * c, g))
    for shape, k, s, p, (c, g) in itertools.product(
        sizes, (3, 7), (1, 2), ("zero", "circular"), ((4, 1), (32, 1), (32, 32))
    )
]))
"""


def test_choice_is_a_function_of_shapes_alone() -> None:
    """The same in another process with other hashes, and whatever was chosen before."""
    found = []
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", CHOICES], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    assert found[0] == found[1]
    assert len(set(found[0])) > 3
    choose.cache_clear()
    axes = tuple(ConvAxis(n, 3) for n in (16, 16, 8, 8))
    first = choose(axes, 4, 8, 1)
    choose(axes[:2], 4, 8, 1, "fft")
    choose.cache_clear()
    assert choose(axes, 4, 8, 1) == first


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_plan_is_the_same_in_every_framework_and_precision(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = []
    original = MODULE.compute
    monkeypatch.setattr(MODULE, "compute", lambda plan, *rest: (plans.append(plan), original(plan, *rest))[1])
    x, w = noise((3, 2, 6, 5, 4)), noise((2, 2, 3, 3, 2), 1)
    for backend, dtype in (("numpy", "float64"), ("numpy", "float32"), (name, "float64"), (name, "float32")):
        xp = get_backend(backend)
        for batch in (1, 3):
            gs.convnd(xp.put(x[:batch], dtype), xp.put(w, dtype))
    assert len(plans) == 8
    assert all(plan == plans[0] for plan in plans)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_large_batches_are_split(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, w = noise((7, 2, 4, 3, 3), is_complex=True), noise((2, 2, 3, 2, 2), 1)
    wanted = gs.convnd(x, w, strategy=strategy)
    batches = []
    xp = type(get_backend("numpy"))
    original = xp.conv
    monkeypatch.setattr(
        xp, "conv", lambda self, x, *rest: (batches.append(len(x)), original(self, x, *rest))[1]
    )
    for memory, runs in ((1, 7), (1 << 28, 1)):
        batches.clear()
        monkeypatch.setattr(MODULE, "MEMORY", memory)
        assert_close(gs.convnd(x, w, strategy=strategy), wanted, x)
        assert len(batches) == runs


# -------------------------------------------------------------------------------------------- bad input

x, w = np.zeros((2, 4, 6, 5)), np.zeros((6, 4, 3, 3))
REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "no channel axis": (
        lambda: gs.convnd(x[0, 0], w[0, 0]), gs.ShapeError,
        r"x has shape \(6, 5\).*\(batch, channels, \*axes\).*x\[None, None\]",
    ),
    "axes": (
        lambda: gs.convnd(x, w[..., 0]), gs.ShapeError,
        r"x has shape \(2, 4, 6, 5\) and w \(6, 4, 3\): expected as many axes",
    ),
    "channels": (
        lambda: gs.convnd(x, w[:, :3]), gs.ShapeError,
        r"filters see 3 channels, but x has 4: expected 4.*channels in / groups",
    ),
    "channels of groups": (
        lambda: gs.convnd(x, w, groups=2), gs.ShapeError, r"see 4 channels.*4 in 2 groups: expected 2",
    ),
    "groups": (
        lambda: gs.convnd(x, w[:, :1], groups=4), gs.ArgumentError,
        r"groups=4 must divide the 4 channels of x and the 6 of the output",
    ),
    "no groups": (lambda: gs.convnd(x, w, groups=0), gs.ArgumentError, r"groups=0: expected an integer ≥ 1"),
    "no channels": (
        lambda: gs.convnd(x[:, :0], w[:, :0]), gs.ShapeError, r"0 channels.*expected at least one of each",
    ),
    "no outputs": (lambda: gs.convnd(x, w[:0]), gs.ShapeError, r"filters make 0; expected at least one"),
    "no samples": (lambda: gs.convnd(x[..., :0], w), gs.ShapeError, r"Axis 1 has 0 samples and 3 taps"),
    "no taps": (lambda: gs.convnd(x, w[:, :, :0]), gs.ShapeError, r"Axis 0 has 6 samples and 0 taps"),
    "padding": (
        lambda: gs.convnd(x, w, padding="same"), gs.ArgumentError,
        r"padding='same': expected one of 'reflect', 'zero', 'circular', 'edge', 'none'",
    ),
    "paddings": (
        lambda: gs.convnd(x, w, padding=("zero",)), gs.ArgumentError, r"\('zero',\) has 1 values for 2 axes",
    ),
    "strategy": (
        lambda: gs.convnd(x, w, strategy="winograd"), gs.ArgumentError,
        r"strategy='winograd': expected one of 'native', 'fft', 'toeplitz', 'taps', or None to choose",
    ),
    "strategies": (
        lambda: gs.convnd(x, w, strategy=["fft"]), gs.ArgumentError, r"strategy=\['fft'\]: expected one of",
    ),
    "paddings of arrays": (
        lambda: gs.convnd(x, w, padding=[np.ones(2), "zero"]), gs.ArgumentError, r"padding=array.*expected",
    ),
    "stride 0": (lambda: gs.convnd(x, w, 0), gs.ArgumentError, r"stride=0: expected an integer ≥ 1"),
    "stride ½": (lambda: gs.convnd(x, w, 0.5), gs.ArgumentError, r"stride=0\.5: expected an integer ≥ 1"),
    "strides": (
        lambda: gs.convnd(x, w, (1, 2, 1)), gs.ArgumentError,
        r"stride=\(1, 2, 1\) has 3 values for 2 axes; pass one for all, or one each",
    ),
    "dilation": (lambda: gs.convnd(x, w, dilation=-1), gs.ArgumentError, r"dilation=-1: expected an"),
    "long filter without padding": (
        lambda: gs.convnd(x, w, dilation=(1, 3), padding="none"), gs.ShapeError,
        r"Axis 1 has 5 samples, fewer than the 7 that 3 taps span.*padding=\"zero\"",
    ),
    "precision": (
        lambda: gs.convnd(x, w.astype("float32")), gs.DtypeError,
        r"x is float64 and w is float32: expected the same precision",
    ),
    "complex precision": (
        lambda: gs.convnd(x.astype("float32"), w.astype("complex128")), gs.DtypeError,
        r"x is float32 and w is complex128",
    ),
    "integers": (
        lambda: gs.convnd(x.astype("int64"), w.astype("int64")), gs.DtypeError,
        r"x has dtype int64; expected one of float32.*Convert x first",
    ),
    "integer filters": (
        lambda: gs.convnd(x.astype("float32"), w.astype("int32")), gs.DtypeError, r"w is int32",
    ),
    "lists": (lambda: gs.convnd(x.tolist(), w), gs.DtypeError, r"got builtins\.list"),
    "filters in lists": (
        lambda: gs.convnd(x, w.tolist()), gs.DtypeError,
        r"x is an array of numpy, w is builtins\.list.*groupscat\.convert\(w, 'numpy'\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_value_expectation_and_way_out(name: str) -> None:
    call, kind, message = REFUSED[name]
    with pytest.raises(kind, match=message):
        call()


@needs("torch")
def test_one_value_each_in_a_list_or_an_array() -> None:
    wanted = gs.convnd(x, w, (1, 2), padding=("zero", "reflect"))
    for stride in ([1, 2], np.array([1, 2]), [np.int8(1), 2]):
        np.testing.assert_array_equal(gs.convnd(x, w, stride, padding=np.array(["zero", "reflect"])), wanted)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_where_nan_goes(strategy: str) -> None:
    """As docs/convolution.md says: to the outputs that read it, and along folded axes by fft and toeplitz."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(1, 1, 6, 6, 6, 6)), rng.normal(size=(1, 1, 3, 3, 3, 3))
    x[0, 0, 1, 1, 1, 1] = np.nan
    found = np.isnan(gs.convnd(x, w, strategy=strategy)).sum()
    assert found == (9 * 36 if strategy in ("fft", "toeplitz") else 81)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_rounding_beside_large_samples(strategy: str) -> None:
    """As docs/convolution.md says: by fft relative to the largest sample along folded axes."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(1, 1, 6, 6, 8, 8)), rng.normal(size=(1, 1, 3, 3, 3, 3))
    x[..., 0, 0] *= 1e8
    far = (..., slice(4, 8), slice(4, 8))
    wanted = gs.convnd(x, w, strategy="native")[far]
    found = gs.convnd(x.astype("float32"), w.astype("float32"), strategy=strategy)[far]
    error = np.abs(found - wanted).max() / np.abs(wanted).max()
    assert error < 1e-5 or (strategy == "fft" and 1e-3 < error < 1e8 * 1e-5)


def test_other_frameworks_and_devices_are_refused() -> None:
    import torch

    t = torch.from_numpy
    with pytest.raises(gs.DtypeError, match=r"x is an array of torch, w is numpy\.ndarray.*'torch'"):
        gs.convnd(t(x), w)
    with pytest.raises(gs.DtypeError, match=r"x is an array of numpy, w is torch\.Tensor.*'numpy'"):
        gs.convnd(x, t(w))
    with pytest.raises(gs.DeviceError, match="x is on cpu and w on meta; move one of them"):
        gs.convnd(t(x), t(w).to("meta"))


# ------------------------------------------------------------------------------------- half precision


def test_half_precision_is_computed_in_float32_and_returned() -> None:
    x, w = noise((2, 3, 5, 4)).astype("float16"), noise((2, 3, 3, 2), 1).astype("float16")
    y = gs.convnd(x, w)
    assert y.dtype == np.float16
    np.testing.assert_array_equal(y, gs.convnd(x.astype("float32"), w.astype("float32")).astype("float16"))
    with pytest.raises(gs.DtypeError, match="x is float16 and w is float32"):
        gs.convnd(x, w.astype("float32"))


@pytest.mark.parametrize("name", FRAMEWORKS)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_of_frameworks(name: str, dtype: str) -> None:
    xp = get_backend(name)
    x, w = (xp.cast(xp.put(a, "float32"), dtype) for a in (noise((2, 3, 5, 4)), noise((2, 3, 3, 2), 1)))
    y = gs.convnd(x, w)
    wanted = gs.convnd(xp.cast(x, "float32"), xp.cast(w, "float32"))
    assert xp.dtype(y) == dtype
    found = xp.to_numpy(xp.cast(y, "float32"))
    np.testing.assert_array_equal(found, xp.to_numpy(xp.cast(xp.cast(wanted, dtype), "float32")))


# --------------------------------------------------------------------- gradients, tracing, transformations

SMALL: dict[str, Any] = {
    "stride": (1, 2, 1),
    "dilation": (1, 1, 2),
    "padding": ("reflect", "zero", "circular"),
}


@needs("torch")
@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_first_and_second_derivatives_in_torch(strategy: str, is_complex: bool) -> None:
    import torch

    x = torch.tensor(noise((1, 2, 2, 3, 2), 0, is_complex), requires_grad=True)
    w = torch.tensor(noise((2, 1, 2, 2, 2), 1, is_complex), requires_grad=True)

    def call(x: Any, w: Any) -> Any:
        return gs.convnd(x, w, **SMALL, groups=2, strategy=strategy)

    assert torch.autograd.gradcheck(call, (x, w), fast_mode=is_complex)
    assert torch.autograd.gradgradcheck(call, (x, w), fast_mode=True)


@needs("torch")
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")  # in Torch's jvp
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_torch_transformations(strategy: str) -> None:
    import torch

    x, w = torch.from_numpy(noise((3, 2, 2, 3, 4, 3))), torch.from_numpy(noise((3, 4, 2, 2, 2, 2), 1))

    def call(x: Any, w: Any) -> Any:
        return gs.convnd(x, w, **SMALL, strategy=strategy)

    wanted = torch.stack([call(a, b) for a, b in zip(x, w, strict=True)])
    assert_close(torch.func.vmap(call)(x, w), wanted, x)
    assert_close(torch.func.vmap(call, (0, None))(x, w[0]), torch.stack([call(a, w[0]) for a in x]), x)
    _, slope = torch.func.jvp(lambda z: call(z, w[0]), (x[0],), (x[1],))
    assert_close(slope, call(x[1], w[0]), x)


@needs("jax")
@pytest.mark.parametrize("strategy", [None, *STRATEGIES])
def test_jax_transformations(strategy: str | None) -> None:
    import jax
    import jax.numpy as jnp

    x, w = jnp.asarray(noise((3, 2, 2, 3, 4, 3))), jnp.asarray(noise((3, 4, 2, 2, 2, 2), 1))

    def call(x: Any, w: Any) -> Any:
        return gs.convnd(x, w, **SMALL, strategy=strategy)

    wanted = np.stack([gs.convnd(np.array(a), np.array(b), **SMALL) for a, b in zip(x, w, strict=True)])
    assert_close(jax.jit(jax.vmap(call))(x, w), wanted, x)
    assert_close(jax.jit(call)(x[0], w[0]), wanted[0], x)


@needs("tensorflow")
@pytest.mark.parametrize("strategy", [None, *STRATEGIES])
def test_one_graph_for_every_batch_length(strategy: str | None) -> None:
    """An unknown length is never looked at; gradients too, and first of all inside of the graph."""
    import tensorflow as tf

    w = noise((3, 2, 2, 2, 2), 1)
    spec = tf.TensorSpec((None, 2, 3, 4, 3), tf.float64)

    @tf.function(input_signature=[spec, tf.TensorSpec(w.shape, tf.float64)])
    def graph(x: Any, w: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(w)
            y = gs.convnd(x, w, **SMALL, strategy=strategy)
            loss = tf.reduce_sum(y * y)
        return y, tape.gradient(loss, w)

    for batch in (3, 1, 0):
        x = noise((batch, 2, 3, 4, 3))
        y, slope = graph(x, w)
        wanted = gs.convnd(x, w, **SMALL)
        assert_close(y.numpy(), wanted, 1.0)
        # Of a quadratic function the slope along w itself is twice the value.
        assert_close((slope.numpy() * w).sum(), 2 * (wanted**2).sum())


@needs("tensorflow")
def test_unknown_sizes_name_the_way_out() -> None:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((None, 2, None, 4), tf.float64)])
    def graph(x: Any) -> Any:
        return gs.convnd(x, tf.zeros((3, 2, 3, 3), tf.float64))

    with pytest.raises(gs.ShapeError, match=r"unknown lengths.*tf\.ensure_shape"):
        graph(noise((1, 2, 4, 4)))


@needs("tensorflow")
def test_products_are_not_rounded_where_gpus_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """TF32 is TensorFlow's default on NVIDIA GPUs: there convolutions are products in float64."""
    import tensorflow as tf

    import groupscat_tensorflow.backend as module

    xp = get_backend("tensorflow")
    x, w = noise((2, 2, 4, 4)).astype("float32"), noise((3, 2, 3, 3), 1).astype("float32")
    arguments = (tf.constant(x), tf.constant(w), (1, 1), (1, 1), ((1, 1), (1, 1)), 1)
    seen = []
    original = tf.linalg.matmul
    monkeypatch.setattr(tf.linalg, "matmul", lambda a, b: (seen.append(a.dtype), original(a, b))[1])
    monkeypatch.setattr(tf.nn, "convolution", lambda *_, **__: pytest.fail("rounded"))
    monkeypatch.setattr(module, "_on_cpu", lambda x: False)
    y = xp.conv(*arguments)
    assert (y.dtype, set(seen)) == (tf.float32, {tf.float64})
    assert_close(y.numpy(), oracle_conv.convnd(x, w), x, "float32")
