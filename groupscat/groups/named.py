"""The groups of the literature, by name."""

from __future__ import annotations

from functools import reduce
from operator import mul

from groupscat.checks import integer
from groupscat.groups.group import Group
from groupscat.groups.octahedral import Octahedral
from groupscat.groups.rotation import Cyclic, Dihedral
from groupscat.groups.scaling import Scaling
from groupscat.groups.translation import Translation


def SE2(n: int) -> Group:
    """Rigid motions of the plane with n angles, R² ⋊ C_n; rows (t1, t2, h).

    >>> SE2(8)
    Translation(d=2) @ Cyclic(n=8)
    """
    return Translation(2) @ Cyclic(n)


def E2(n: int) -> Group:
    """Rigid motions and reflections of the plane with n angles, R² ⋊ D_n; rows (t1, t2, h)."""
    return Translation(2) @ Dihedral(n)


def SE3Octahedral() -> Group:
    """Translations of space and the 24 rotations of the cube, R³ ⋊ O; rows (t1, t2, t3, h)."""
    return Translation(3) @ Octahedral()


def TimeFrequency() -> Group:
    """Translations in time and in log-frequency, R × R; rows (t, λ), in samples."""
    return Translation(1) * Translation(1)


def Similitude2(n: int, scales: int, factor: float = 2.0) -> Group:
    """Rigid motions of the plane with n angles, and ``scales`` dilations by powers of ``factor``.

    R² ⋊ C_n ⋊ Z, truncated in scale; rows (t1, t2, h, j) for u ↦ factor^j R_h u + t. Left Haar measure
    dt / factor^{2j}: not unimodular.

    >>> float(Similitude2(8, 3).weight([0, 0, 0, 1]))
    0.25
    """
    return SE2(n) @ Scaling(factor, scales)


def Hierarchy(base: Group | int, layers: int) -> Group:
    """G_j = G_{j−1} ⋊ H_j, j = layers: H_j = R translates a new attribute axis, which G_{j−1} leaves alone.

    Parameters
    ----------
    base : G_0, or d for Translation(d).
    layers : j, the number of attribute axes; 0 gives G_0.

    Source: Mallat 2016, eq. 26; Jacobsen, Oyallon, Mallat, Smeulders 2017.

    >>> Hierarchy(2, 2)
    Translation(d=2) * Translation(d=1) * Translation(d=1)
    >>> Hierarchy(SE2(4), 1).ndim                # u1, u2, v1
    3
    """
    layers = integer("Hierarchy(base, layers): layers", layers, 0)
    G = base if isinstance(base, Group) else Translation(integer("Hierarchy(base, layers): base", base, 1))
    return reduce(mul, [Translation(1)] * layers, G)
