"""Residual networks, on images and on their scattering transforms.

Blocks and widths are those of the code that the authors have released, whose blocks have batch norm and ReLU
after the convolutions. There filters start with a variance by the numbers that go out of them; here, by those
that come in.
"""

from __future__ import annotations

from typing import Any

from groupscat.checks import integer
from groupscat.convolution.layer import ConvNdSpec
from groupscat.errors import ArgumentError
from groupscat.nn.axes import Mean, Pad
from groupscat.nn.linear import Dense
from groupscat.nn.network import Network
from groupscat.nn.normalise import BatchNorm
from groupscat.nn.pointwise import ReLU
from groupscat.nn.published.arguments import image, scattered
from groupscat.nn.residual import Residual


def wide_resnet(
    depth: int = 16,
    width: int = 8,
    input_shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
) -> Network:
    """A wide residual network: a convolution, and three groups of blocks, two of which halve the image.

    3 × 3 convolutions without bias: one to 16 channels, then (depth − 4)/6 blocks each to 16, 32 and 64 ·
    width channels; the mean over the image and a matrix.

    Parameters
    ----------
    depth : 10, 16, 22, 28, … width : k, the channels in units of those of the narrow network.
    input_shape : (channels, N_1, N_2). classes : numbers that come out.

    Raises
    ------
    ArgumentError : a value that no such network has.

    Source: Zagoruyko & Komodakis 2016, "Wide residual networks", table 1, with 11.0 M parameters for
    WRN-16-8; with blocks as in the code of Oyallon, Belilovsky, Zagoruyko 2017, as :func:`scattering_wrn` has
    them.

    >>> wide_resnet().size
    10963162
    """
    blocks, width = _blocks(depth, groups=3), integer("width", width, 1)
    layers, channels = [*_convolved(image(input_shape)[0], 16), ReLU()], 16
    for outputs, stride in ((16, 1), (32, 2), (64, 2)):
        layers += _group(channels, outputs * width, blocks, stride)
        channels = outputs * width
    return Network([*layers, Mean(("u1", "u2")), Dense(classes)], input_shape)


def scattering_wrn(
    depth: int = 12,
    width: int = 8,
    J: int = 2,
    input_shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    L: int = 8,
    max_order: int = 2,
) -> Network:
    """A scattering transform in place of the first group of a wide residual network.

    Batch norm without parameters of the 243 coefficients (of 3 colours, J = 2, L = 8), a 3 × 3 convolution to
    16 · width channels, (depth − 4)/4 blocks each to 32 and 64 · width channels, none of which makes the
    image smaller; the mean over the image and a matrix.

    Parameters
    ----------
    depth : 8, 12, 16, … width : k, as of :func:`wide_resnet`.
    J, L, max_order : of the scattering transform. input_shape, classes : as of :func:`wide_resnet`.

    Raises
    ------
    ArgumentError : a value that no such network has.

    Source: Oyallon, Belilovsky, Zagoruyko 2017, "Scaling the scattering transform: deep hybrid networks", and
    its released code: Scat + WRN 12-8, CIFAR-10 93 %.

    >>> scattering_wrn().size
    10778762
    """
    blocks, width = _blocks(depth, groups=2), integer("width", width, 1)
    front, channels = scattered(image(input_shape), J, L, max_order)
    layers = [*front, *_convolved(channels, 16 * width), ReLU()]
    layers += _group(16 * width, 32 * width, blocks) + _group(32 * width, 64 * width, blocks)
    return Network([*layers, Mean(("u1", "u2")), Dense(classes)], input_shape)


def scattering_resnet10(
    J: int = 3,
    width: int = 256,
    input_shape: tuple[int, int, int] = (3, 224, 224),
    classes: int = 1000,
    L: int = 8,
    max_order: int = 2,
) -> Network:
    """A scattering transform and a residual network of 10 layers, for ImageNet.

    Batch norm without parameters of the 651 coefficients (of 3 colours, J = 3, L = 8, on 28 × 28 points), a 3
    × 3 convolution with bias to 256 channels, two blocks to 256 and two to 512 channels, which halve the
    image; the mean over it and a matrix: 12,768,744 parameters, 12.8 M as published.

    Parameters
    ----------
    J, L, max_order : of the scattering transform. width : channels after the first convolution.
    input_shape, classes : as of :func:`wide_resnet`.

    Source: Oyallon, Belilovsky, Zagoruyko 2017, "Scaling the scattering transform: deep hybrid networks", and
    its released code: Scat + ResNet-10, ImageNet 69 % (top 5: 90 %).

    >>> scattering_resnet10(J=2, width=16, input_shape=(1, 32, 32), classes=10).size
    54474
    """
    integer("width", width, 1)
    front, channels = scattered(image(input_shape), J, L, max_order, momentum=0.9)
    layers = [*front, *_convolved(channels, width, bias=True), ReLU()]
    layers += _group(width, width, 2) + _group(width, 2 * width, 2, stride=2)
    return Network([*layers, Mean(("u1", "u2")), Dense(classes)], input_shape)


def _blocks(depth: int, groups: int) -> int:
    """Blocks of two convolutions in each of some groups."""
    blocks, rest = divmod(integer("depth", depth, 1) - 4, 2 * groups)
    if rest or blocks < 1:
        first = 4 + 2 * groups
        raise ArgumentError(f"depth={depth}: expected {first}, {first + 2 * groups}, {first + 4 * groups}, …")
    return blocks


def _group(inputs: int, outputs: int, blocks: int, stride: int = 1) -> list[Any]:
    """Blocks one after the other; the first one changes channels and size."""
    layers = _block(inputs, outputs, stride)
    for _ in range(1, blocks):
        layers += _block(outputs, outputs)
    return layers


def _block(inputs: int, outputs: int, stride: int = 1) -> list[Any]:
    body = [*_convolved(inputs, outputs, stride=stride), ReLU(), *_convolved(outputs, outputs)]
    same = stride == 1 and inputs == outputs
    return [Residual(body, () if same else _convolved(inputs, outputs, taps=1, stride=stride)), ReLU()]


def _convolved(inputs: int, outputs: int, taps: int = 3, stride: int = 1, bias: bool = False) -> list[Any]:
    """A convolution whose filters sit on every stride-th sample from the first one on, and batch norm."""
    around = taps // 2 if stride > 1 else 0
    conv = ConvNdSpec(
        in_channels=inputs, out_channels=outputs, kernel_size=(taps, taps), stride=stride, bias=bias,
        padding="none" if around else "zero",
    )  # fmt: skip
    return [*([Pad(around)] if around else []), conv, BatchNorm()]
