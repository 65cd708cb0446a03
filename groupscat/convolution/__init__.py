"""Convolutions along the fibers of a group: translations of any number of axes, and groups above them."""

from groupscat.convolution.convnd import convnd
from groupscat.convolution.group import group_conv, group_pool, lift

__all__ = ["convnd", "group_conv", "group_pool", "lift"]
