"""What the published networks have in common: what they take, and the scattering transform before them."""

from __future__ import annotations

from collections.abc import Sequence

from groupscat.checks import integer
from groupscat.errors import ArgumentError
from groupscat.nn.layer import Layer
from groupscat.nn.normalise import BatchNorm
from groupscat.scattering import Scattering2D


def image(input_shape: Sequence[int]) -> tuple[int, int, int]:
    """``input_shape`` of images.

    Raises
    ------
    ArgumentError : it is none.
    """
    if isinstance(input_shape, str) or not isinstance(input_shape, Sequence) or len(input_shape) != 3:
        raise ArgumentError(
            f"input_shape={input_shape!r}: expected (channels, N_1, N_2), such as (3, 32, 32); grey images "
            "have one channel, (1, 28, 28)."
        )
    channels, *sizes = (integer("input_shape", n, 1) for n in input_shape)
    return channels, sizes[0], sizes[1]


def scattered(
    input_shape: tuple[int, int, int], J: int, L: int, max_order: int, momentum: float = 0.1
) -> tuple[list[Layer | Scattering2D], int]:
    """A scattering transform of every channel and a batch norm without parameters; their channels."""
    S = Scattering2D(J=J, shape=input_shape[1:], L=L, max_order=max_order)
    return [S, BatchNorm(affine=False, momentum=momentum)], input_shape[0] * len(S.paths)
