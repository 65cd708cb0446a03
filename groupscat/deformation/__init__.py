"""Deformations of signals, and how much they change what an operator gives."""

from groupscat.deformation.fields import FAMILIES
from groupscat.deformation.measure import stability
from groupscat.deformation.packets import Packets
from groupscat.deformation.result import Stability

__all__ = ["FAMILIES", "Packets", "Stability", "stability"]
