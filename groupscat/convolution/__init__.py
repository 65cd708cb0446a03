"""Convolutions along the fibers of a group: translations of any number of axes, and groups above them."""

from groupscat.convolution.convnd import convnd

__all__ = ["convnd"]
