"""Names of features, from the table of paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from groupscat.plan.angular_paths import AngularPath
from groupscat.plan.joint_paths import JointPath
from groupscat.plan.paths import Path, Paths

#: Columns of filters along angles and scales.
ALONG = ("alpha", "k", "spin", "at", "k_scale", "spin_scale")


def feature_names(paths: Paths, channels: Sequence[int], grid: Sequence[int]) -> list[str]:
    """One name per feature of an array (*channels, paths, *grid), in the order of its elements.

    Parts are joined by ``_``, indices of one part by ``-``: the channel (where there are any), the order,
    scale j and orientation theta (in one dimension index n) of each wavelet, degree l and power q of solid
    harmonics, alpha, k, spin … of a filter along angles or scales, and the position on the grid.

    >>> import groupscat as gs
    >>> S = gs.Scattering2D(J=2, shape=(8, 8), L=4)
    >>> names = feature_names(S.paths, (), (2, 2))
    >>> names[0], names[4], names[-1]
    ('order0_at0-0', 'order1_j0_theta0_at0-0', 'order2_j0-1_theta3-3_at1-1')
    """
    leading = [f"c{_joined(c)}" for c in _positions(channels)]
    places = [f"at{_joined(u)}" for u in _positions(grid)]
    parts = product(leading or [""], map(path_name, paths), places or [""])
    return ["_".join(part for part in name if part) for name in parts]


def path_name(path: Path) -> str:
    """The name of one path, for example ``order2_j0-1_theta3-5``."""
    if isinstance(path, JointPath):
        return _joint_name(path)
    oriented = any(t is not None for t in path.theta)
    parts = [f"order{path.order}"]
    if path.order:
        parts.append(f"j{_joined(path.j)}")
        if oriented:
            parts.append(f"theta{_joined(path.theta)}")
        elif path.power is None and not isinstance(path, AngularPath):
            parts.append(f"n{_joined(path.n)}")
    if isinstance(path, AngularPath):
        row = path.row()
        parts += [f"{name}{row[name]}" for name in ALONG if name in row]
    if any(path.phases):
        parts.append(f"phase{_joined(path.phases)}")
    if path.l is not None:
        parts.append(f"l{path.l}")
    if path.power is not None:
        parts.append(f"q{path.power:g}")
    return "_".join(parts)


def _joint_name(path: JointPath) -> str:
    """For example ``order2_n8-3_nfr2_spin+1``; without the first index where the position tells the row."""
    parts = [f"order{path.order}"]
    if path.n:
        parts.append(f"n{_joined(path.n)}")
    if path.n_fr is not None:
        parts.append(f"nfr{path.n_fr}")
    if path.order == 2 and path.spin:
        parts.append(f"spin{path.spin:+d}")
    return "_".join(parts)


def _positions(sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    return product(*map(range, sizes)) if sizes else iter(())


def _joined(indices: Sequence[Any]) -> str:
    return "-".join(map(str, indices))
