"""Convolutions: the composite that frameworks override, and what is made of it, against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from groupscat.backend import Array
from groupscat.convolution import convnd, group_conv, group_pool, lift
from groupscat.groups import E2, SE2, Hierarchy, SE3Octahedral, Similitude2
from groupscat.plan.conv_axis import BOUNDARIES
from groupscat.plan.strategy import STRATEGIES
from groupscat.testing import strategies
from groupscat.testing.base import COMPLEX, PRECISIONS, noise
from groupscat.testing.composites import CompositeContract
from groupscat.testing.tolerances import TOLERANCE, assert_close
from groupscat.wavelets import GaussianRings, Pixels


@dataclass(frozen=True)
class Convolution:
    """A function, linear in every array but for a maximum, and the shapes of its arrays; some are complex."""

    call: Callable[..., Array]
    shapes: tuple[tuple[int, ...], ...]
    is_complex: tuple[int, ...] = ()

    def arrays(self) -> list[NDArray[Any]]:
        return [noise(shape, k, is_complex=k in self.is_complex) for k, shape in enumerate(self.shapes)]


def _separable(function: Callable[..., Array], *rest: Any, **options: Any) -> Callable[..., Array]:
    return lambda x, mix, w: function(x, (mix, w), *rest, **options)


RINGS = GaussianRings(3)
SCALES = Similitude2(2, 2)
PLACES = Hierarchy(SE2(4), 1)

#: Every function and every branch of its lowering, small. The first array is the signal.
CONVOLUTIONS: dict[str, Convolution] = {
    "convnd, 1-D": Convolution(lambda x, w: convnd(x, w, 2, 3, "circular"), ((2, 3, 7), (4, 3, 3))),
    "convnd, 2-D, groups": Convolution(
        lambda x, w: convnd(x, w, (1, 2), padding=("zero", "edge"), groups=2), ((2, 4, 5, 6), (6, 2, 4, 3))
    ),
    "convnd, 3-D": Convolution(
        lambda x, w: convnd(x, w, padding=("none", "zero", "reflect")), ((2, 2, 4, 3, 5), (3, 2, 2, 3, 2))
    ),
    "convnd, 4-D, depthwise": Convolution(
        lambda x, w: convnd(x, w, groups=3, dilation=(1, 2, 1, 1)), ((1, 3, 4, 5, 3, 2), (3, 1, 3, 2, 1, 3))
    ),
    "convnd, 5-D": Convolution(
        lambda x, w: convnd(x, w, stride=(1, 1, 2, 1, 1)), ((1, 2, 3, 2, 3, 2, 3), (2, 2, 3, 1, 2, 2, 3))
    ),
    "convnd, complex": Convolution(convnd, ((2, 2, 4, 5), (3, 2, 3, 2)), (0, 1)),
    "convnd, complex signal": Convolution(
        lambda x, w: convnd(x, w, groups=2), ((2, 4, 4, 5), (2, 2, 3, 2)), (0,)
    ),
    "convnd, complex filters": Convolution(
        lambda x, w: convnd(x, w, groups=2), ((2, 4, 4, 5), (2, 2, 3, 2)), (1,)
    ),
    "lift": Convolution(lambda x, w: lift(x, w, SE2(4), stride=2), ((2, 3, 5, 5), (2, 3, 3, 3))),
    "lift, separable": Convolution(
        _separable(lift, E2(4), groups=2), ((2, 4, 4, 4), (2, 2), (2, 3, 3))
    ),
    "lift, space": Convolution(lambda x, w: lift(x, w, SE3Octahedral()), ((1, 2, 3, 3, 3), (1, 2, 3, 3, 3))),
    "group_conv": Convolution(
        lambda x, w: group_conv(x, w, SE2(4), padding="circular"), ((2, 2, 4, 5, 5), (3, 2, 4, 3, 3))
    ),
    "group_conv, rings, groups": Convolution(
        lambda x, w: group_conv(x, w, SE2(8), basis=RINGS, groups=2, stride=2, approximate=True),
        ((1, 2, 8, 5, 5), (4, 1, 8, RINGS.size)),
    ),
    "group_conv, reflections, even taps": Convolution(
        lambda x, w: group_conv(x, w, E2(4), padding="none"), ((2, 1, 8, 4, 4), (2, 1, 8, 2, 2))
    ),
    "group_conv, scales": Convolution(
        lambda x, w: group_conv(x, w, SCALES, approximate=True), ((1, 2, 4, 6, 5), (1, 2, 4, 3, 3))
    ),
    "group_conv, separable": Convolution(
        _separable(group_conv, SE2(4), dilation=2), ((2, 2, 4, 5, 5), (3, 2, 4), (3, 3, 3))
    ),
    "group_conv, separable, scales": Convolution(
        _separable(group_conv, SCALES, approximate=True), ((1, 2, 4, 5, 5), (2, 2, 4), (2, 3, 3))
    ),
    "group_conv, attributes": Convolution(
        lambda x, w: group_conv(x, w, PLACES, basis=Pixels(3, 3, 2)), ((1, 1, 4, 3, 3, 4), (2, 1, 4, 3, 3, 2))
    ),
    "group_conv, complex": Convolution(
        lambda x, w: group_conv(x, w, SE2(4)), ((1, 2, 4, 3, 3), (2, 2, 4, 3, 3)), (0, 1)
    ),
    "group_pool": Convolution(lambda x: group_pool(x, SE2(4)), ((2, 3, 4, 6, 4),)),
    "group_pool, windows": Convolution(lambda x: group_pool(x, SE2(4), window=(3, 2)), ((2, 3, 4, 6, 4),)),
    "group_pool, mean": Convolution(lambda x: group_pool(x, SE2(4), reduce="mean"), ((2, 3, 4, 6, 4),)),
    "group_pool, complex means of windows": Convolution(
        lambda x: group_pool(x, SE2(4), reduce="mean", window=2), ((2, 3, 4, 6, 4),), (0,)
    ),
}  # fmt: skip

#: Every branch of lowering has a gradient of its own; the others are made of the same operations.
DIFFERENTIATED = (
    "convnd, 1-D", "convnd, 2-D, groups", "convnd, 3-D", "convnd, 4-D, depthwise", "convnd, complex",
    "lift, separable", "group_conv", "group_conv, scales", "group_conv, separable", "group_pool, mean",
)  # fmt: skip


class ConvolutionContract(CompositeContract):
    """The composite ``conv`` and the functions on top of it."""

    # ------------------------------------------------------------------------------- the composite

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize(
        ("sizes", "taps", "stride", "dilation", "margin", "groups"),
        [
            ((7,), (3,), (1,), (1,), ((0, 0),), 1),
            ((7,), (3,), (2,), (2,), ((2, 1),), 2),
            ((6, 5), (3, 2), (1, 1), (1, 1), ((1, 1), (0, 0)), 1),
            ((6, 5), (2, 3), (1, 2), (1, 1), ((0, 1), (2, 0)), 4),
            ((6, 5), (3, 3), (1, 1), (2, 1), ((2, 2), (1, 1)), 1),
            ((4, 5, 3), (2, 3, 1), (2, 1, 1), (1, 1, 1), ((1, 0), (1, 1), (0, 0)), 1),
            ((4, 5, 3), (2, 3, 2), (1, 1, 2), (1, 2, 1), ((1, 1), (0, 3), (0, 0)), 2),
            ((3, 4, 2, 3), (2, 3, 1, 2), (1, 2, 1, 1), (2, 1, 1, 1), ((1, 0), (1, 1), (0, 0), (0, 1)), 2),
            ((1, 1), (1, 1), (1, 1), (1, 1), ((0, 0), (0, 0)), 1),
        ],
    )
    def test_conv(
        self,
        sizes: tuple[int, ...],
        taps: tuple[int, ...],
        stride: tuple[int, ...],
        dilation: tuple[int, ...],
        margin: tuple[tuple[int, int], ...],
        groups: int,
        precision: str,
    ) -> None:
        x, w = noise((2, 4, *sizes)), noise((8, 4 // groups, *taps), 1)
        given, kernel = (self.put(v.astype(precision)) for v in (x, w))
        self.both("conv", lambda b: b.conv(given, kernel, stride, dilation, margin, groups), precision)
        x = np.pad(x, ((0, 0), (0, 0), *margin))
        spans = [(k - 1) * d + 1 for k, d in zip(taps, dilation, strict=True)]
        seen: Any = np.lib.stride_tricks.sliding_window_view(x, spans, tuple(range(2, x.ndim)))
        seen = seen[(..., *(slice(None, None, d) for d in dilation))]
        seen = seen[(slice(None), slice(None), *(slice(None, None, s) for s in stride))]
        d = len(sizes)
        parts = [
            np.tensordot(part, filters, ([1, *range(-d, 0)], [1, *range(-d, 0)]))
            for part, filters in zip(np.split(seen, groups, 1), np.split(w, groups), strict=True)
        ]
        wanted = np.moveaxis(np.concatenate(parts, -1), -1, 1)
        found = self.xp.conv(given, kernel, stride, dilation, margin, groups)
        assert self.xp.dtype(found) == precision
        self.same(found, wanted, precision)

    def test_conv_of_many_taps_in_little_memory(self) -> None:
        """The generic body takes a few taps at a time; how many must not matter."""
        x, w = self.put(noise((2, 2, 4, 3))), self.put(noise((3, 2, 3, 3), 1))
        arguments = (x, w, (1, 1), (1, 1), ((1, 1), (1, 1)), 1)
        wanted = self.xp.to_numpy(self.xp.generic.conv(*arguments))
        for floats in (1, 60, 200):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("groupscat.backend.base.COLUMN_FLOATS", floats)
                self.same(self.xp.generic.conv(*arguments), wanted)

    # ------------------------------------------------------------------------------- the functions

    def agree(self, case: Convolution, arrays: list[NDArray[Any]], precision: str) -> None:
        """A convolution on this backend in ``precision`` against NumPy in float64."""
        given = [self.put(a.astype(COMPLEX[precision] if np.iscomplexobj(a) else precision)) for a in arrays]
        found, wanted = case.call(*given), case.call(*arrays)
        assert self.xp.owns(found)
        assert self.xp.dtype(found) == (COMPLEX[precision] if np.iscomplexobj(wanted) else precision)
        assert self.xp.device(found) == self.xp.device(given[0])
        assert_close(self.xp.to_numpy(found), wanted, arrays[0], TOLERANCE[precision])

    @pytest.mark.parametrize("precision", PRECISIONS)
    @pytest.mark.parametrize("name", CONVOLUTIONS)
    def test_convolution_equals_numpy_in_float64(self, name: str, precision: str) -> None:
        case = CONVOLUTIONS[name]
        self.agree(case, case.arrays(), precision)

    @pytest.mark.parametrize("padding", BOUNDARIES)
    @pytest.mark.parametrize("strategy", STRATEGIES)
    def test_strategies_of_convnd(self, strategy: str, padding: str) -> None:
        """Four axes, with a stride and a dilation, and channels in groups."""

        def call(x: Array, w: Array) -> Array:
            return convnd(x, w, (1, 2, 1, 1), (1, 1, 2, 1), padding, 2, strategy=strategy)

        case = Convolution(call, ((2, 4, 3, 4, 5, 3), (2, 2, 2, 3, 2, 3)))
        self.agree(case, case.arrays(), "float64")

    @pytest.mark.parametrize("strategy", STRATEGIES)
    def test_strategies_of_group_conv(self, strategy: str) -> None:
        case = Convolution(
            lambda x, w: group_conv(x, w, SE2(4), stride=2, strategy=strategy),
            ((2, 2, 4, 5, 5), (1, 2, 4, 3, 3)),
        )
        self.agree(case, case.arrays(), "float64")

    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_drawn_convolutions_equal_numpy_in_float64(self, precision: str) -> None:
        """Any number of axes, paddings, strides, dilations, groups, real and complex, and every strategy."""

        def check(drawn: strategies.Convolved) -> None:
            case = Convolution(lambda x, w: convnd(x, w, **drawn.options), ())
            self.agree(case, [drawn.x, drawn.w], precision)

        self.for_all(check, drawn=strategies.convolutions())

    @pytest.mark.parametrize(
        "name", ["convnd, 2-D, groups", "convnd, complex", "group_conv", "group_pool, mean"]
    )
    def test_no_signal_and_one(self, name: str) -> None:
        case = CONVOLUTIONS[name]
        x, *rest = case.arrays()
        for batch in (0, 1):
            self.agree(case, [x[:batch], *rest], "float64")

    def test_arrays_are_left_as_they_were(self) -> None:
        for name in ("convnd, 2-D, groups", "convnd, 4-D, depthwise", "group_conv", "group_pool"):
            arrays = CONVOLUTIONS[name].arrays()
            given = [self.put(a) for a in arrays]
            CONVOLUTIONS[name].call(*given)
            for array, kept in zip(given, arrays, strict=True):
                np.testing.assert_array_equal(self.xp.to_numpy(array), kept, err_msg=name)

    # ----------------------------------------------------------------------------------- gradients

    @pytest.mark.parametrize(
        ("name", "by"),
        [(name, by) for name in DIFFERENTIATED for by in range(len(CONVOLUTIONS[name].shapes))],
    )
    def test_gradient_of_a_convolution_is_its_adjoint(self, name: str, by: int) -> None:
        self._adjoint(CONVOLUTIONS[name], by, reference(name, by))

    @pytest.mark.parametrize("by", [0, 1])
    @pytest.mark.parametrize("strategy", STRATEGIES)
    def test_gradient_of_every_strategy(self, strategy: str, by: int) -> None:
        def call(x: Array, w: Array, strategy: str | None = strategy) -> Array:
            return convnd(x, w, (1, 2, 1), (1, 1, 2), ("reflect", "zero", "circular"), strategy=strategy)

        case = Convolution(call, ((1, 2, 3, 4, 3), (2, 2, 2, 3, 2)))
        self._adjoint(case, by, adjoint(case, by))

    def _adjoint(self, case: Convolution, by: int, wanted: NDArray[Any]) -> None:
        arrays = case.arrays()
        given: list[Any] = [None if k == by else self.put(a) for k, a in enumerate(arrays)]
        weight = noise(case.call(*arrays).shape, 9)
        put = self.put(weight)

        def loss(z: Array) -> Array:
            y = case.call(*given[:by], z, *given[by + 1 :])
            y = self.xp.real(y) if self.xp.is_complex(y) else y
            return self.xp.sum(y * put, tuple(range(weight.ndim)))

        assert_close(self.gradient(loss, arrays[by]), wanted)

    def test_gradient_of_a_maximum_reaches_it_alone(self) -> None:
        x = noise((1, 2, 4, 4, 4))
        largest = x.max(2, keepdims=True)
        blocks = x.reshape(1, 2, 4, 2, 2, 2, 2)
        of_windows = (blocks == blocks.max((4, 6), keepdims=True)).reshape(x.shape)
        for window, kept in ((None, x == largest), (2, of_windows)):

            def loss(z: Array, window: int | None = window) -> Array:
                y = group_pool(z, SE2(4), window=window)
                return self.xp.sum(y, tuple(range(len(self.xp.shape(y)))))

            np.testing.assert_array_equal(self.gradient(loss, x), kept)


@cache
def reference(name: str, by: int) -> NDArray[Any]:
    """The gradient of a named convolution, evaluated by NumPy."""
    return adjoint(CONVOLUTIONS[name], by)


def adjoint(case: Convolution, by: int) -> NDArray[Any]:
    """The gradient of Re Σ y·weight by one array: y being linear in it, its values at unit impulses."""
    arrays = case.arrays()
    weight = noise(case.call(*arrays).shape, 9)
    gradient = np.zeros_like(arrays[by])
    for part in (1.0, 1j) if np.iscomplexobj(gradient) else (1.0,):
        for place in np.ndindex(*gradient.shape):
            impulse = np.zeros_like(gradient)
            impulse[place] = part
            y = case.call(*arrays[:by], impulse, *arrays[by + 1 :])
            gradient[place] += part * (y.real * weight).sum()
    return gradient
