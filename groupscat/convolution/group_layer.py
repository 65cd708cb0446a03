"""Layers on groups, as data: lifting, convolving and pooling."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from groupscat.checks import choice, integer
from groupscat.convolution.arguments import per_axis
from groupscat.convolution.group import check_basis, check_group, filter_shape, windows_of
from groupscat.convolution.layer import ConvSpec, LayerSpec, known
from groupscat.convolution.sampling import check_places, check_taps
from groupscat.errors import ArgumentError, ShapeError
from groupscat.groups import Group
from groupscat.plan.group_conv import GroupConvShape, group_conv_plan, pool_plan
from groupscat.plan.plan import Plan
from groupscat.space import ELEMENTS, Axis, Space
from groupscat.wavelets.basis import Basis, Pixels
from groupscat.wavelets.steering import steering_taps


@dataclass(frozen=True, kw_only=True, repr=False)
class GroupConvSpec(ConvSpec):
    """A convolution on a group, of signals on the group.

    Exactly one of ``kernel_size`` (pixels; one number for all axes, or one each) and ``basis`` is given.

    Raises, warns
    -------------
    ArgumentError : a value that no layer can have; both or none of kernel_size and basis.
    ShapeError : the basis has other axes than the group.
    ApproximationWarning : the group does not map the taps to themselves, without ``approximate``.

    >>> from groupscat.groups import SE2
    >>> spec = GroupConvSpec(group=SE2(4), in_channels=2, out_channels=8, kernel_size=3)
    >>> spec
    GroupConvSpec(in_channels=2, out_channels=8, group=Translation(d=2) @ Cyclic(n=4), basis=Pixels(3, 3))
    >>> spec.parameters["weight"], spec.output_shape((5, 2, 4, 9, 9))
    ((8, 2, 4, 3, 3), (5, 8, 4, 9, 9))
    """

    lift: ClassVar[bool] = False
    group: Group
    kernel_size: int | Sequence[int] | None = None
    basis: Basis | None = None
    separable: bool = False
    approximate: bool = False

    def __post_init__(self) -> None:
        check_group(self.group)
        if (self.kernel_size is None) == (self.basis is None):
            raise ArgumentError(
                f"kernel_size={self.kernel_size!r} and basis={self.basis!r}: expected exactly one of them, "
                "kernel_size=5 for pixels, or for example basis=GaussianRings(5), which has its own size."
            )
        if self.kernel_size is not None:
            taps = per_axis("kernel_size", self.kernel_size, self.group.ndim)
            self._set("basis", Pixels(*(integer("kernel_size", k, 1) for k in taps)))
            self._set("kernel_size", None)
        check_basis(self.basis)
        super().__post_init__()
        if not self.approximate:
            check_taps(self.group, self.functions, stacklevel=5)

    @property
    def functions(self) -> Basis:
        """What filters are sums of: the basis, which construction has made sure of."""
        assert self.basis is not None
        return self.basis

    @property
    def ndim(self) -> int:
        return self.group.ndim

    @property
    def order(self) -> int:
        return int(self.group.point_group.order)

    @property
    def taps(self) -> tuple[int, ...]:
        return steering_taps(self.group, self.functions)

    @property
    def before(self) -> tuple[int, ...]:
        return () if self.lift else (self.order,)

    @property
    def after(self) -> tuple[int, ...]:
        return (self.order,)

    @property
    def parameters(self) -> dict[str, tuple[int, ...]]:
        mixing = (self.out_channels, self.depth, *self.before)
        shapes: dict[str, tuple[int, ...]] = (
            {"mix": mixing, "weight": (self.out_channels, *self.functions.shape)}
            if self.separable
            else {"weight": (*mixing, *self.functions.shape)}
        )
        return shapes | ({"bias": (self.out_channels,)} if self.bias else {})

    @property
    def deviations(self) -> dict[str, float]:
        """The fan-in is depth · |H| · functions of the basis, which have unit norm on the taps.

        Of a separable filter depth · |H| belong to the mix, which no ReLU follows, and the functions to the
        weight.
        """
        seen, functions = self.depth * math.prod(self.before), self.functions.size
        if self.separable:
            return {"mix": math.sqrt(1 / seen), "weight": math.sqrt(2 / functions)}
        return {"weight": math.sqrt(2 / (seen * functions))}

    def shape(self, sizes: Sequence[int]) -> GroupConvShape:
        return filter_shape(
            self.group, self.functions, self.in_channels, self.out_channels, sizes, stride=self.stride,
            dilation=self.dilation, padding=self.padding, groups=self.groups, lift=self.lift,
            separable=self.separable,
        )  # fmt: skip

    def build_plan(self, sizes: tuple[int, ...]) -> Plan:
        shape = self.shape(sizes)
        if not self.approximate:
            check_places(self.group, shape.axes)
        return group_conv_plan(shape, self.strategy)

    def output_space(self, space: Space) -> Space:
        _check_elements(self, space, bool(self.before))
        return super().output_space(space)


class LiftSpec(GroupConvSpec):
    """The same of signals on the base.

    >>> from groupscat.groups import SE2
    >>> LiftSpec(group=SE2(4), in_channels=1, out_channels=8, kernel_size=3).output_shape((5, 1, 9, 9))
    (5, 8, 4, 9, 9)
    """

    lift = True


@dataclass(frozen=True, repr=False)
class GroupPoolSpec(LayerSpec):
    """Pooling over H, or over windows of the base axes, as :func:`groupscat.group_pool` does it.

    >>> from groupscat.groups import SE2
    >>> GroupPoolSpec(SE2(4), window=2).output_shape((None, 8, 4, 10, 10))
    (None, 8, 4, 5, 5)
    """

    group: Group
    reduce: Literal["max", "mean"] = "max"
    window: int | Sequence[int] | None = None

    def __post_init__(self) -> None:
        check_group(self.group)
        choice("reduce", self.reduce, ("max", "mean"))
        if self.window is not None:
            sides = tuple(integer("window", k, 1) for k in per_axis("window", self.window, self.ndim))
            object.__setattr__(self, "window", sides[0] if len(set(sides)) == 1 else sides)

    @property
    def ndim(self) -> int:
        return self.group.ndim

    @property
    def order(self) -> int:
        return int(self.group.point_group.order)

    def plan(self, shape: tuple[int | None, ...]) -> Plan:
        channels, sizes = self._cut(shape)
        return pool_plan(channels, (self.order,), sizes, windows_of(self.window, sizes), self.reduce)

    def output_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        channels, sizes = self._cut(shape)
        if self.window is None:
            return (shape[0], channels, *sizes)
        sides = zip(sizes, windows_of(self.window, sizes), strict=True)
        return (shape[0], channels, self.order, *(n // k for n, k in sides))

    def output_space(self, space: Space) -> Space:
        _check_elements(self, space, True)
        base = self.base_of(space)
        if self.window is None:
            return Space(tuple(base))
        windows = windows_of(self.window, [a.size for a in base])
        axes = [
            Axis(a.name, a.size // k, a.step * k, start=a.start + a.step * (k - 1) / 2, periodic=a.periodic)
            for a, k in zip(base, windows, strict=True)
        ]
        return Space((Axis(ELEMENTS, self.order), *axes))

    def _cut(self, shape: Sequence[int | None]) -> tuple[int, tuple[int, ...]]:
        """Channels and lengths of the base axes of an input."""
        if len(shape) != self.ndim + 3 or shape[2] != self.order:
            raise ShapeError(
                f"x has shape {tuple(shape)}; a signal on {self.group!r} has {self.ndim + 3} axes, (batch, "
                f"channels, {self.order}, …). A signal on the base is lifted first: Lift."
            )
        channels, *sizes = known((shape[1], *shape[3:]))
        return channels, tuple(sizes)


def _check_elements(spec: LayerSpec, space: Space, wanted: bool) -> None:
    sizes = [axis.size for axis in space.elements.values()]
    if sizes != ([spec.order] if wanted else []):
        expected = f"an axis h of {spec.order} elements" if wanted else "base axes alone"
        raise ShapeError(f"The space {space} has elements {sizes}; expected {expected}, for {spec!r}.")
