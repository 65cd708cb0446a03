"""Convolutions and scattering transforms as layers of a network: their plans become parts of its plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from groupscat.convolution.layer import PLAN_NAMES, ConvSpec, LayerSpec
from groupscat.errors import ArgumentError, ShapeError
from groupscat.nn.initial import Constant, Normal
from groupscat.nn.layer import Layer, Lowering, channels
from groupscat.plan.nn_ops import Shift
from groupscat.scattering.operator import Operator
from groupscat.space import Space


@dataclass(frozen=True, repr=False)
class Convolution(Layer):
    """A convolution or a pooling on a group, as ``groupscat.convolution`` specifies it."""

    spec: LayerSpec

    def __repr__(self) -> str:
        return repr(self.spec)

    def lower(self, to: Lowering, x: str) -> str:
        spec, space = self.spec, to.space(x)
        shape = (None, *space.shape)
        after = self._after(space, spec.output_shape(shape)[1])
        inputs = {"x": x}
        if isinstance(spec, ConvSpec):
            for name, deviation in spec.deviations.items():
                inputs[PLAN_NAMES[name]] = to.parameter(name, spec.parameters[name], Normal(deviation))
        y = to.splice(spec.plan(shape), inputs, after)
        if not (isinstance(spec, ConvSpec) and spec.bias):
            return y
        bias = to.parameter("bias", spec.parameters["bias"], Constant(0))
        return to.emit(Shift((y, bias), to.register("shifted")), after)

    def _after(self, space: Space, outputs: int | None) -> Space:
        """Where the output lives: attributes are axes of the convolution like the base."""
        spec, axes = self.spec, space.axes[1:]
        if isinstance(spec, ConvSpec):
            strides = spec.stride if isinstance(spec.stride, tuple) else (spec.stride,) * spec.ndim
            for axis, stride in zip(axes[len(axes) - spec.ndim :], strides, strict=True):
                if axis.size < stride:
                    raise ShapeError(
                        f"Axis {axis.name} has {axis.size} samples, fewer than its stride {stride}. Make it "
                        "longer by more channels in the layer that it comes from, or take a smaller stride."
                    )
        kinds = {axis.name: axis.kind for axis in axes}
        moved = spec.output_space(Space(tuple(replace(axis, kind="group") for axis in axes)))
        restored = (replace(axis, kind=kinds.get(axis.name, "group")) for axis in moved.axes)
        assert outputs is not None
        return Space((channels(outputs), *restored))


@dataclass(frozen=True, repr=False)
class FrontEnd(Layer):
    """A scattering transform of every channel: its paths, channel by channel, are the new channels."""

    operator: Operator

    def __post_init__(self) -> None:
        S = self.operator
        if S.out_type != "array" or S.complex_input or S.plan.register[S.plan.outputs[0][0]].is_complex:
            raise ArgumentError(f'{S!r}: a layer needs real input and output, and out_type="array".')

    def __repr__(self) -> str:
        return repr(self.operator)

    def lower(self, to: Lowering, x: str) -> str:
        first, *base = to.space(x).axes
        if tuple(axis.size for axis in base) != self.operator.shape:
            raise ShapeError(
                f"It transforms channels of shape {self.operator.shape}, got {to.space(x)}. Build it for "
                f"shape={tuple(axis.size for axis in base)}."
            )
        plan = self.operator.plan
        paths, *grid = plan.register[plan.outputs[0][0]].space.axes
        copies = () if first.size == 1 else (first,)
        if copies:
            x = to.reshape(x, "single", Space((first, channels(1), *base)), joined=True)
        y = to.splice(plan, {plan.inputs[0]: x}, Space((*copies, paths, *grid)), copies)
        return to.reshape(y, "paths", Space((channels(first.size * paths.size), *grid)))


def as_layer(layer: Any) -> Layer:
    """A layer from what may stand for one: a specification of a convolution, a scattering transform.

    Raises
    ------
    ArgumentError : it is neither.
    """
    if isinstance(layer, Layer):
        return layer
    if isinstance(layer, LayerSpec):
        return Convolution(layer)
    if isinstance(layer, Operator):
        return FrontEnd(layer)
    raise ArgumentError(
        f"{layer!r} is no layer: expected one of groupscat.nn, a specification of a convolution (ConvNdSpec, "
        "LiftSpec, GroupConvSpec, GroupPoolSpec) or a scattering transform such as groupscat.Scattering2D."
    )


def as_layers(layers: Any) -> tuple[Layer, ...]:
    if isinstance(layers, str) or not isinstance(layers, Sequence):
        raise ArgumentError(f"{layers!r}: expected a list of layers.")
    return tuple(map(as_layer, layers))
