"""What moves: groups, their products, and how they act on points, coefficients and sampled signals.

>>> SE2(8) == Translation(2) @ Cyclic(8)
True
"""

from groupscat.groups.element import Element
from groupscat.groups.group import Group
from groupscat.groups.index_set import IndexSet, orbits
from groupscat.groups.metric import diffeomorphism_norm
from groupscat.groups.named import E2, SE2, Hierarchy, SE3Octahedral, Similitude2, TimeFrequency
from groupscat.groups.octahedral import Octahedral
from groupscat.groups.product import Product, Semidirect
from groupscat.groups.rotation import Cyclic, Dihedral
from groupscat.groups.scaling import Scaling
from groupscat.groups.signal import Grid, grid_permutation, preserves_grid
from groupscat.groups.translation import Translation, Trivial

__all__ = [
    "E2",
    "SE2",
    "Cyclic",
    "Dihedral",
    "Element",
    "Grid",
    "Group",
    "Hierarchy",
    "IndexSet",
    "Octahedral",
    "Product",
    "SE3Octahedral",
    "Scaling",
    "Semidirect",
    "Similitude2",
    "TimeFrequency",
    "Translation",
    "Trivial",
    "diffeomorphism_norm",
    "grid_permutation",
    "orbits",
    "preserves_grid",
]
