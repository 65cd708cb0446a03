"""Multiscale hierarchical CNNs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from groupscat.checks import integer
from groupscat.convolution.layer import ConvNdSpec
from groupscat.errors import ArgumentError
from groupscat.nn.axes import Flatten, Mean, NewAttribute
from groupscat.nn.layer import Layer
from groupscat.nn.linear import Dense
from groupscat.nn.network import Network
from groupscat.nn.normalise import BatchNorm
from groupscat.nn.pointwise import ELU
from groupscat.nn.published.arguments import image

#: Convolutions of the network, and those of them (from 1) that halve the image.
CONVOLUTIONS, HALVING = 11, (4, 8)


def hcnn(
    K: int = 16,
    separable: bool = False,
    input_shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    attributes: Sequence[int] = (7, 11),
) -> Network:
    """The multiscale hierarchical CNN: filters also move along the channels of the layers before.

    x_j(u, v_{j−1}, v_j) lives on the image and on the channels of the last layers, its attributes v. A layer
    convolves along all of them, by K filters of 3 × 3 × 7 × 11 taps with stride 2 along the attributes; the
    number of the filter is the new attribute v_{j+1}, and the oldest one is averaged out. 11 convolutions
    without bias, with batch norm and ELU; then the mean over all but the newest attribute, and a matrix.

    Parameters
    ----------
    K : length of every new attribute axis.
    separable : as released: 2K filters along u, batch norm and ELU, then K along v. 360,522 parameters for
        K = 16, against 102,330.
    input_shape : (channels, N_1, N_2). classes : numbers that come out.
    attributes : taps along the attribute axes, the newest one last; their number is that of the axes.

    Raises
    ------
    ArgumentError : a value that no network can have. ShapeError : K is too small for so many attributes.

    Source: Jacobsen, Oyallon, Mallat, Smeulders 2017, "Multiscale hierarchical convolutional networks".

    >>> hcnn().size, hcnn(separable=True).size
    (102330, 360522)
    """
    integer("K", K, 1)
    integer("classes", classes, 1)
    input_shape = image(input_shape)
    if not attributes or isinstance(attributes, str):
        raise ArgumentError(
            f"attributes={attributes!r}: expected taps along each attribute, such as (7, 11)."
        )
    layers: list[Any] = [*_convolved(input_shape[0], K, (3, 3)), NewAttribute()]
    names = ["v1"]
    for j in range(2, CONVOLUTIONS + 1):
        taps = tuple(attributes)[-len(names) :]
        along_u = (2, 2) if j in HALVING else (1, 1)
        along_v = (2,) * len(taps)
        if separable and len(taps) > 1:
            ones = (1,) * len(taps)
            layers += _convolved(1, 2 * K, (3, 3, *ones), (*along_u, *ones))
            layers += _convolved(2 * K, K, (1, 1, *taps), (1, 1, *along_v))
        else:
            layers += _convolved(1, K, (3, 3, *taps), (*along_u, *along_v))
        layers.append(NewAttribute())
        names.append(f"v{j}")
        if len(names) > len(attributes):
            layers.append(Mean(names.pop(0)))
    return Network([*layers, Mean(("u1", "u2", *names[:-1])), *_classes(classes)], input_shape)


def _convolved(
    inputs: int, outputs: int, taps: tuple[int, ...], stride: int | tuple[int, ...] = 1
) -> list[Any]:
    conv = ConvNdSpec(in_channels=inputs, out_channels=outputs, kernel_size=taps, stride=stride, bias=False)
    return [conv, BatchNorm(), ELU()]


def _classes(classes: int) -> list[Layer]:
    """The newest attribute, the only axis that is left, as channels of a matrix."""
    return [Flatten(), Dense(classes)]
