"""Convolutions along the fibers of a group: translations of any number of axes, and groups above them."""

from groupscat.convolution.adjoint import convnd_adjoint
from groupscat.convolution.convnd import convnd
from groupscat.convolution.group import group_conv, group_pool, lift

__all__ = ["convnd", "convnd_adjoint", "group_conv", "group_pool", "lift"]
