"""CNNs on the group of translations and rotations of the plane."""

from __future__ import annotations

from typing import Any

from groupscat.checks import integer
from groupscat.convolution.group_layer import GroupConvSpec, GroupPoolSpec, LiftSpec
from groupscat.groups import SE2
from groupscat.nn.axes import Mean
from groupscat.nn.linear import Dense
from groupscat.nn.network import Network
from groupscat.nn.normalise import BatchNorm
from groupscat.nn.pointwise import ReLU
from groupscat.nn.published.arguments import image
from groupscat.wavelets import GaussianRings


def se2_cnn(
    orientations: int = 8,
    width: int = 8,
    input_shape: tuple[int, int, int] = (1, 28, 28),
    classes: int = 10,
) -> Network:
    """A CNN on SE(2): a lift, three group convolutions, and a pooling over the group.

    The lift has 7 × 7, the others 5 × 5 taps along the plane, of Gaussian rings times angular harmonics; each
    is without bias, with batch norm and ReLU. Windows of 2 × 2 are pooled after the lift and after the second
    group convolution, all elements of the group after the third; then the mean over the plane and a matrix.

    Parameters
    ----------
    orientations : N, rotations by multiples of 2π/N; exact for quarter turns, else to the grid's accuracy.
    width : channels. input_shape : (channels, N_1, N_2), sides divisible by 4.
    classes : numbers that come out.

    Raises
    ------
    ArgumentError : a value that no network can have. ShapeError : sides that the windows do not divide.

    Source: Weiler & Cesa 2019, "General E(2)-equivariant steerable CNNs", for the construction and for
    rotated MNIST; the sizes are those of this project's benchmark on it.

    >>> se2_cnn().size, se2_cnn(orientations=4, width=4).size
    (14106, 1874)
    """
    integer("width", width, 1)
    group = SE2(integer("orientations", orientations, 1))
    plane = image(input_shape)

    def convolved(taps: int) -> list[Any]:
        conv = GroupConvSpec(
            group=group, in_channels=width, out_channels=width, basis=GaussianRings(taps), approximate=True,
            bias=False,
        )  # fmt: skip
        return [conv, BatchNorm(), ReLU()]

    lift = LiftSpec(
        group=group,
        in_channels=plane[0],
        out_channels=width,
        basis=GaussianRings(7),
        approximate=True,
        bias=False,
    )
    layers = [lift, BatchNorm(), ReLU(), GroupPoolSpec(group, window=2)]
    layers += [*convolved(5), *convolved(5), GroupPoolSpec(group, window=2)]
    layers += [*convolved(5), GroupPoolSpec(group), Mean(("u1", "u2")), Dense(classes)]
    return Network(layers, input_shape)
