"""Convolutions along the fibers of a group: translations of any number of axes, and groups above them."""

from groupscat.convolution.adjoint import convnd_adjoint
from groupscat.convolution.config import from_config, register, to_config
from groupscat.convolution.convnd import convnd
from groupscat.convolution.group import group_conv, group_pool, lift
from groupscat.convolution.layer import output_space
from groupscat.convolution.norm import fiber_batch_norm, fiber_statistics

__all__ = [
    "convnd",
    "convnd_adjoint",
    "fiber_batch_norm",
    "fiber_statistics",
    "from_config",
    "group_conv",
    "group_pool",
    "lift",
    "output_space",
    "register",
    "to_config",
]
