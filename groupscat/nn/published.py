"""Published networks by name, with their exact tables of layers."""

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
from groupscat.nn.normalise import BatchNorm, Dropout
from groupscat.nn.pointwise import ELU, ReLU
from groupscat.scattering import Scattering2D

#: Convolutions of the hierarchical network, and those of them (from 1) that halve the image.
HIERARCHICAL, HALVING = 11, (4, 8)
#: Those of the plain network.
PLAIN, PLAIN_HALVING = 13, (6, 10)


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
    if not attributes or isinstance(attributes, str):
        raise ArgumentError(
            f"attributes={attributes!r}: expected taps along each attribute, such as (7, 11)."
        )
    layers: list[Any] = [*_convolved(input_shape[0], K, (3, 3)), NewAttribute()]
    names = ["v1"]
    for j in range(2, HIERARCHICAL + 1):
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


def plain_cnn(
    K: int = 32,
    input_shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    rho: Layer | None = None,
    keep: float = 0.6,
) -> Network:
    """13 convolutions of 3 × 3 taps and width K with batch norm and ρ, the mean over the image and a matrix.

    No bias, no affine batch norm; stride 2 at convolutions 6 and 10; dropout after every two.

    Parameters
    ----------
    K : channels of every layer. rho : ReLU() by default, for example ReLU(fraction=0.1) or SignedRoot().
    keep : share that the dropouts leave.

    Source: Oyallon 2017, "Building a regular decision boundary with deep networks".

    >>> plain_cnn(K=32).size
    111786
    """
    integer("K", K, 1)
    layers: list[Any] = []
    for j in range(1, PLAIN + 1):
        layers += [
            ConvNdSpec(
                in_channels=input_shape[0] if j == 1 else K, out_channels=K, kernel_size=(3, 3),
                stride=2 if j in PLAIN_HALVING else 1, bias=False,
            ),
            BatchNorm(affine=False),
            rho or ReLU(),
        ]  # fmt: skip
        if j % 2 == 0:
            layers.append(Dropout(keep))
    return Network([*layers, Mean(("u1", "u2")), Dense(classes)], input_shape)


def scattering_mlp(
    J: int = 2,
    hidden: Sequence[int] = (),
    input_shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    L: int = 8,
    max_order: int = 2,
) -> Network:
    """A scattering transform of images, batch norm, and matrices to ``hidden`` sizes with norm and ReLU.

    Without hidden layers: scattering + linear.

    Source: Oyallon, Zagoruyko, Huang, Komodakis, Lacoste-Julien, Blaschko, Belilovsky 2018, "Scattering
    networks for hybrid representation learning".

    >>> scattering_mlp().size, scattering_mlp(hidden=(64,)).size
    (155530, 996106)
    """
    S = Scattering2D(J=J, shape=input_shape[1:], L=L, max_order=max_order)
    layers: list[Any] = [S, BatchNorm(affine=False), Flatten()]
    for features in hidden:
        layers += [Dense(features, bias=False), BatchNorm(), ReLU()]
    return Network([*layers, Dense(classes)], input_shape)


def _convolved(
    inputs: int, outputs: int, taps: tuple[int, ...], stride: int | tuple[int, ...] = 1
) -> list[Any]:
    conv = ConvNdSpec(in_channels=inputs, out_channels=outputs, kernel_size=taps, stride=stride, bias=False)
    return [conv, BatchNorm(), ELU()]


def _classes(classes: int) -> list[Layer]:
    """The newest attribute, the only axis that is left, as channels of a matrix."""
    return [Flatten(), Dense(classes)]
