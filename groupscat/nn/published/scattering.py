"""Matrices on scattering coefficients: filters along the image are wavelets, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from groupscat.checks import integer
from groupscat.nn.axes import Flatten, Pool
from groupscat.nn.linear import Conv1x1, Dense
from groupscat.nn.network import Network
from groupscat.nn.normalise import BatchNorm
from groupscat.nn.pointwise import ReLU
from groupscat.nn.published.arguments import image, scattered


def scattering_linear(
    J: int = 2,
    input_shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    L: int = 8,
    max_order: int = 2,
) -> Network:
    """A scattering transform of images, batch norm without parameters, and a matrix.

    Parameters
    ----------
    J, L, max_order : of the scattering transform. input_shape : (channels, N_1, N_2).
    classes : numbers that come out.

    Raises
    ------
    ArgumentError, ShapeError : as :class:`groupscat.Scattering2D`.

    Source: Oyallon, Zagoruyko, Huang, Komodakis, Lacoste-Julien, Blaschko, Belilovsky 2018, "Scattering
    networks for hybrid representation learning".

    >>> scattering_linear().size
    155530
    """
    return scattering_mlp(J, (), input_shape, classes, L, max_order)


def scattering_mlp(
    J: int = 2,
    hidden: Sequence[int] = (),
    input_shape: tuple[int, int, int] = (3, 32, 32),
    classes: int = 10,
    L: int = 8,
    max_order: int = 2,
) -> Network:
    """A scattering transform of images, and matrices to hidden sizes with batch norm and ReLU.

    Parameters
    ----------
    hidden : numbers after each of them; none: :func:`scattering_linear`, with the other parameters.

    Source: Oyallon, Zagoruyko, Huang, Komodakis, Lacoste-Julien, Blaschko, Belilovsky 2018, "Scattering
    networks for hybrid representation learning".

    >>> scattering_mlp(hidden=(64,)).size
    996106
    """
    front, _ = scattered(image(input_shape), J, L, max_order)
    return Network([*front, Flatten(), *_perceptron(hidden, classes)], input_shape)


def shared_local_encoder(
    J: int = 4,
    encoder: Sequence[int] = (1024, 1024, 1024),
    hidden: Sequence[int] = (1524, 1524),
    pool: int = 1,
    input_shape: tuple[int, int, int] = (3, 224, 224),
    classes: int = 1000,
    L: int = 8,
    max_order: int = 2,
) -> Network:
    """Scattering, 1 × 1 convolutions shared by all points of the image, and fully connected layers.

    Six matrices: W1 … W3, the encoder, at every point of the scattered image, of 14 × 14 points for 224 ×
    224; W4 … W6 on all of them together, the last one to the classes. Each but the last with batch norm and
    ReLU, which the published tables of widths do not tell.

    Parameters
    ----------
    encoder, hidden : numbers after W1 … W3, and after W4 and W5.
    pool : side of the windows whose means go from the encoder to W4, which has 306 of the 313 million
        parameters without any.
    J, input_shape, classes, L, max_order : as of :func:`scattering_linear`.

    Source: Oyallon, Belilovsky, Zagoruyko 2017, "Scaling the scattering transform: deep hybrid networks",
    ImageNet 57 % (top 5: 80 %).

    >>> shared_local_encoder(J=3, encoder=(8, 8), hidden=(9,), input_shape=(1, 32, 32), classes=10).size
    3102
    """
    front, _ = scattered(image(input_shape), J, L, max_order)
    local: list[Any] = []
    for channels in encoder:
        local += [Conv1x1(integer("encoder", channels, 1), bias=False), BatchNorm(), ReLU()]
    means = [Pool(pool, "mean")] if integer("pool", pool, 1) > 1 else []
    return Network([*front, *local, *means, Flatten(), *_perceptron(hidden, classes)], input_shape)


def _perceptron(hidden: Sequence[int], classes: int) -> list[Any]:
    layers: list[Any] = []
    for features in hidden:
        layers += [Dense(integer("hidden", features, 1), bias=False), BatchNorm(), ReLU()]
    return [*layers, Dense(integer("classes", classes, 1))]
