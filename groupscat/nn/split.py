"""A network cut in two between layers: what comes before a layer, and the rest."""

from __future__ import annotations

from collections.abc import Mapping

from groupscat.backend import Array
from groupscat.checks import integer
from groupscat.errors import ArgumentError
from groupscat.nn.network import Network


def split(network: Network, at: int) -> tuple[Network, Network]:
    """The layers before ``at`` and those from it on, as networks: their composition is the network.

    The second one lives where the first one ends, perhaps on attributes, at steps that need not be 1. Layers
    of the first keep their names; those of the second count from 0 again, and :func:`split_arrays` and
    :func:`join_arrays` carry parameters, state and masks over.

    Parameters
    ----------
    at : 0 … the number of layers; at the ends one of the two has no layers and is the identity.

    Raises
    ------
    ArgumentError : the network has no such place. The inside of a residual block is none.

    >>> import numpy as np
    >>> from groupscat import nn
    >>> network = nn.hcnn(K=4, input_shape=(1, 8, 8), attributes=(3, 3))
    >>> head, tail = split(network, 8)
    >>> print(tail.input_space)
    c:1 × u1:8 × u2:8 × v1:2/2@1 × v2:4
    >>> (parameters, state), x = nn.init(network), np.ones((2, 1, 8, 8), np.float32)
    >>> first, rest = split_arrays(parameters, 8), split_arrays(state, 8)
    >>> middle, _ = nn.apply(head, first[0], rest[0], x)
    >>> y, _ = nn.apply(tail, first[1], rest[1], middle)
    >>> np.allclose(y, nn.apply(network, parameters, state, x)[0])
    True
    """
    if not isinstance(network, Network):
        raise ArgumentError(f"{network!r}: expected a groupscat.nn.Network, such as the spec of a model.")
    at = integer("at", at, 0)
    if at > len(network.layers):
        raise ArgumentError(f"at={at}: expected a place in 0 … {len(network.layers)}, of {network!r}.")
    head = Network(network.layers[:at], network.input_shape, network.input_axes)
    middle = head.output_space
    return head, Network(network.layers[at:], middle.shape, middle.axes)


def split_arrays(arrays: Mapping[str, Array], at: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """Parameters, state or masks of a network by the names of its two parts, split ``at`` a layer.

    >>> split_arrays({"0.weight": 1, "3.body.1.bias": 2}, 2)
    ({'0.weight': 1}, {'1.body.1.bias': 2})
    """
    head, tail = {}, {}
    for name, a in arrays.items():
        layer, rest = _parted(name)
        if layer < at:
            head[name] = a
        else:
            tail[f"{layer - at}.{rest}"] = a
    return head, tail


def join_arrays(head: Mapping[str, Array], tail: Mapping[str, Array], at: int) -> dict[str, Array]:
    """What :func:`split_arrays` has parted, under the names of the whole network.

    >>> join_arrays({"0.weight": 1}, {"1.body.1.bias": 2}, 2)
    {'0.weight': 1, '3.body.1.bias': 2}
    """
    moved = {}
    for name, a in tail.items():
        layer, rest = _parted(name)
        moved[f"{layer + at}.{rest}"] = a
    return {**head, **moved}


def _parted(name: str) -> tuple[int, str]:
    """The layer that a name begins with, and what follows."""
    layer, _, rest = name.partition(".")
    if not (layer.isdecimal() and rest):
        raise ArgumentError(f'{name!r} is no name of an array of a network: expected one such as "0.weight".')
    return int(layer), rest
