"""A CNN of convolutions alone."""

from __future__ import annotations

from typing import Any

from groupscat.checks import integer
from groupscat.convolution.layer import ConvNdSpec
from groupscat.nn.axes import Mean
from groupscat.nn.layer import Layer
from groupscat.nn.linear import Dense
from groupscat.nn.network import Network
from groupscat.nn.normalise import BatchNorm, Dropout
from groupscat.nn.pointwise import ReLU
from groupscat.nn.published.arguments import image

#: Convolutions of the network, and those of them (from 1) that halve the image.
CONVOLUTIONS, HALVING = 13, (6, 10)


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
    input_shape = image(input_shape)
    layers: list[Any] = []
    for j in range(1, CONVOLUTIONS + 1):
        layers += [
            ConvNdSpec(
                in_channels=input_shape[0] if j == 1 else K, out_channels=K, kernel_size=(3, 3),
                stride=2 if j in HALVING else 1, bias=False,
            ),
            BatchNorm(affine=False),
            rho or ReLU(),
        ]  # fmt: skip
        if j % 2 == 0:
            layers.append(Dropout(keep))
    return Network([*layers, Mean(("u1", "u2")), Dense(classes)], input_shape)
