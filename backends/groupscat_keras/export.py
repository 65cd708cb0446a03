"""Trained layers as ordinary Keras convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

from groupscat.backend import backend_of
from groupscat.convolution.export import PlainConv, plain_convolutions
from groupscat.convolution.layer import ConvSpec
from groupscat.errors import ArgumentError
from groupscat.plan.conv_axis import ConvAxis

CONV = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}
ZEROS = {1: keras.layers.ZeroPadding1D, 2: keras.layers.ZeroPadding2D, 3: keras.layers.ZeroPadding3D}


def exported(layer: Any, spec: ConvSpec, shape: Sequence[int]) -> keras.Sequential:
    """The layers that do what a built layer of this description does; channels are last inside."""
    if not layer.built:
        raise ArgumentError(
            f"{layer.name} has no weights yet: call it on x before export(), or build() it for a shape."
        )
    d = spec.ndim
    dtype = layer.precision
    given = layer.tensors()
    plain = plain_convolutions(spec, given, shape, backend_of(given["weight"]))
    channels = math.prod((spec.in_channels, *spec.before))
    results = [axis.outputs for axis in plain[-1].axes]
    first = [keras.layers.Reshape((channels, *shape), dtype=dtype)] if spec.before else []
    out = (spec.out_channels, *spec.after, *results)
    last = [keras.layers.Reshape(out, dtype=dtype)] if spec.after else []
    convolutions = [_layers(p, spec.bias and p is plain[-1], dtype) for p in plain]
    model = keras.Sequential(
        [
            keras.Input((spec.in_channels, *spec.before, *shape), dtype=dtype),
            *first,
            keras.layers.Permute((*range(2, d + 2), 1), dtype=dtype),
            *(made for layers in convolutions for made in layers),
            keras.layers.Permute((d + 1, *range(1, d + 1)), dtype=dtype),
            *last,
        ]
    )
    for layers, p in zip(convolutions, plain, strict=True):
        weights = [keras.ops.transpose(p.weight, (*range(2, d + 2), 1, 0))]
        if layers[-1].use_bias:
            weights.append(keras.ops.repeat(given["bias"], math.prod(spec.after)))
        layers[-1].set_weights([keras.ops.convert_to_numpy(w) for w in weights])
    return model


def _layers(plain: PlainConv, bias: bool, dtype: str) -> list[Any]:
    """Padding, which Keras' convolutions have of few kinds, and the convolution."""
    axes = plain.axes
    if any(a.stride > 1 for a in axes) and any(a.dilation > 1 for a in axes):
        raise ArgumentError(
            f"stride={[a.stride for a in axes]} and dilation={[a.dilation for a in axes]}: Keras has no "
            "convolution with both. Keep the layer, or export it from groupscat.torch."
        )
    outputs, _, *taps = plain.weight.shape
    conv = CONV[len(axes)](
        outputs,
        taps,
        strides=[a.stride for a in axes],
        dilation_rate=[a.dilation for a in axes],
        groups=plain.groups,
        use_bias=bias,
        data_format="channels_last",
        dtype=dtype,
    )
    return [*_pads(axes, dtype), conv]


def _pads(axes: Sequence[ConvAxis], dtype: str) -> list[Any]:
    zeros = [a.margin if a.padding == "zero" else (0, 0) for a in axes]
    found: list[Any] = []
    if any(any(pair) for pair in zeros):
        margins = zeros[0] if len(axes) == 1 else zeros
        found.append(ZEROS[len(axes)](margins, data_format="channels_last", dtype=dtype))
    wraps = [None if a.padding == "zero" or not any(a.margin) else a.gathered().tolist() for a in axes]
    if any(wraps):
        found.append(Extend(wraps, dtype=dtype))
    return found


@keras.saving.register_keras_serializable(package="groupscat")
class Extend(keras.layers.Layer):
    """Circular, reflecting and repeating padding, which Keras does not have: samples at given positions.

    Parameters
    ----------
    positions : for every base axis of x (batch, N_1, …, N_d, channels) where each sample comes from; None
        leaves it as it is.

    >>> Extend([[2, 0, 1, 2, 0]])(keras.Input((3, 8))).shape
    (None, 5, 8)
    """

    def __init__(self, positions: Sequence[Sequence[int] | None], **of_layer: Any) -> None:
        super().__init__(**of_layer)
        self.positions = tuple(None if p is None else tuple(p) for p in positions)

    def call(self, x: Any) -> Any:
        for axis, places in enumerate(self.positions, start=1):
            if places is not None:
                x = keras.ops.take(x, keras.ops.convert_to_tensor(places, "int32"), axis=axis)
        return x

    def get_config(self) -> dict[str, Any]:
        positions = [None if p is None else list(p) for p in self.positions]
        return {**super().get_config(), "positions": positions}
