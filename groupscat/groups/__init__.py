"""What moves: groups acting linearly on the base axes of a signal."""

from groupscat.groups.rotation import Cyclic

__all__ = ["Cyclic"]
