"""Filters moved by a group: the table of a basis at every tap, for every element of the point group."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from groupscat.errors import ArgumentError, ShapeError
from groupscat.groups import Group
from groupscat.wavelets.basis import Basis, Floats, tap_grid

#: Points this close to a sample, or to the middle between two, are there: quarter turns are exact.
SNAP = 1e-9
#: Largest frequency at which sampled filters are compared with the moved ones, radians/sample.
BAND = math.pi / 2
#: Number of frequencies at which they are compared.
WAVES = 256


def steering_table(group: Group, basis: Basis, taps: tuple[int, ...] | None = None) -> Floats:
    """S[h, tap, b] = ψ_b(A_h⁻¹ x_tap) / |det A_h|: the functions of a basis moved by h, at every tap.

    The filter Σ_b w_b ψ_b moved by h has the samples S[h] @ w. Exactly 0 and 1 for pixels where A_h maps the
    grid to itself.

    Parameters
    ----------
    group : R^d ⋊ H, or H itself; h runs through ``group.point_group.elements()``.
    basis : functions of d variables.
    taps : samples along each axis; ``steering_taps(group, basis)`` where None.

    Returns
    -------
    array, shape (|H|, Π taps, basis.size), float64, read-only (it is cached); taps and functions in the order
    of ``numpy.ravel``.

    Raises
    ------
    ShapeError : the group and the basis have different numbers of axes, or ``taps`` has.
    ArgumentError : the group turns axes with different numbers of taps into each other, or ``taps`` puts the
        samples of the filter between its taps.

    Source: Mallat 2016, eq. 27, for a filter given in a basis.

    >>> from groupscat.groups import SE2
    >>> from groupscat.wavelets import Pixels
    >>> S = steering_table(SE2(4), Pixels(3, 3))
    >>> S.shape
    (4, 9, 9)
    >>> w = np.arange(9)
    >>> np.array_equal((S[1] @ w).reshape(3, 3), np.rot90(w.reshape(3, 3)))
    True
    """
    return _table(group, basis, None if taps is None else tuple(taps))


def steering_taps(group: Group, basis: Basis) -> tuple[int, ...]:
    """Taps that hold the filters of a basis moved by a group: those of the basis, more where it dilates.

    A dilation by s along an axis takes the nearest sample outside of the filter, (k+1)/2 from its centre, to
    s(k+1)/2: there are taps up to that point, k + 2⌈(s−1)(k+1)/2⌉, as odd or even as k so that the centre
    stays. They hold hats entirely, and rings but for a few percent. Rotations keep the taps of the basis.

    Raises
    ------
    ShapeError : the group and the basis have different numbers of axes.
    ArgumentError : the group turns axes with different numbers of taps into each other.

    >>> from groupscat.groups import SE2, Similitude2
    >>> from groupscat.wavelets import Pixels
    >>> steering_taps(SE2(8), Pixels(3, 3)), steering_taps(Similitude2(4, 2), Pixels(3, 3))
    ((3, 3), (7, 7))
    """
    A = _matrices(group, basis)
    _check_axes(group, basis, basis.taps)
    # How far the unit ball is carried along each axis.
    s = np.maximum(1, np.linalg.norm(A, axis=-1).max(axis=0))
    return tuple(
        k + 2 * math.ceil((s_i - 1) * (k + 1) / 2 - SNAP) for k, s_i in zip(basis.taps, s, strict=True)
    )


def preserves_taps(group: Group, basis: Basis) -> bool:
    """Whether every element of the point group maps the taps of the basis to themselves.

    Steering then permutes the samples of the filters, and group convolution is equivariant exactly.

    Raises
    ------
    ShapeError : the group and the basis have different numbers of axes.

    >>> from groupscat.groups import SE2
    >>> from groupscat.wavelets import Pixels
    >>> [preserves_taps(G, Pixels(3, 5)) for G in (SE2(2), SE2(4), SE2(8))]
    [True, False, False]
    """
    _matrices(group, basis)
    position = _moved(group, basis.taps) + (np.array(basis.taps) - 1) / 2
    whole = position == np.rint(position)
    return bool(np.all(whole & (position >= 0) & (position < basis.taps)))


def approximation_error(group: Group, basis: Basis, taps: tuple[int, ...] | None = None) -> float:
    """How far sampled filters moved by the group are from the filter moved, 0 where steering is exact.

    A sampled filter answers a wave of frequency ω by F_h,b(ω) = Σ_tap S[h, tap, b] e^{−iω·x}. Moving the
    filter and the wave together should change nothing: F_h,b(ω) = F_e,b(A_hᵀω), e the identity. Measured is
    the relative difference, in the mean square over the functions b and over waves with |ω| and |A_hᵀω| up
    to π/2 radians/sample, at the worst h. It holds what is lost to sampling, to interpolation, and past the
    taps; one layer errs by about as much on signals of that band.

    Parameters
    ----------
    group, basis, taps : as for ``steering_table``; the same errors.

    >>> from groupscat.groups import SE2
    >>> from groupscat.wavelets import GaussianRings, Pixels
    >>> approximation_error(SE2(4), Pixels(5, 5)) < 1e-12
    True
    >>> round(approximation_error(SE2(8), Pixels(5, 5)), 2)
    0.39
    >>> round(approximation_error(SE2(8), GaussianRings(5)), 2)
    0.05
    """
    taps = steering_taps(group, basis) if taps is None else tuple(taps)
    S, x = steering_table(group, basis, taps), tap_grid(taps)
    unmoved = basis(x)
    worst = 0.0
    for A, moved in zip(_matrices(group, basis), S, strict=True):
        waves = BAND / max(1.0, float(np.linalg.norm(A, 2))) * _ball(basis.ndim)
        wanted = np.exp(-1j * waves @ A @ x.T) @ unmoved
        found = np.exp(-1j * waves @ x.T) @ moved
        worst = max(worst, float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted)))
    return worst


@lru_cache(maxsize=64)
def _table(group: Group, basis: Basis, taps: tuple[int, ...] | None) -> Floats:
    determinants = _snapped(np.abs(np.linalg.det(_matrices(group, basis))))
    if taps is None:
        taps = steering_taps(group, basis)
    _check_taps(basis, taps)
    _check_axes(group, basis, taps)
    table = basis(_moved(group, taps)) / determinants[:, None, None]
    table.setflags(write=False)
    return table


def _matrices(group: Group, basis: Basis) -> Floats:
    """A_h for every h of the point group, shape (|H|, d, d)."""
    if not (isinstance(group, Group) and isinstance(basis, Basis)):
        raise ArgumentError(
            f"group={group!r} and basis={basis!r}: expected a group of groupscat.groups, such as SE2(8), and "
            "a basis of groupscat.wavelets, such as GaussianRings(5)."
        )
    if group.ndim != basis.ndim:
        raise ShapeError(
            f"{group!r} acts on {group.ndim} axes and {basis!r} has {basis.ndim}. Multiply the smaller one "
            "by what moves, or filters, the missing axes: G * Translation(1), basis * Pixels(3)."
        )
    H = group.point_group
    return np.asarray(H.act(H.elements()), np.float64)


def _moved(group: Group, taps: tuple[int, ...]) -> Floats:
    """A_h⁻¹ x for every h and tap, shape (|H|, Π taps, d)."""
    H = group.point_group
    back = H.act(H.inv(H.elements()))
    return _snapped(tap_grid(taps) @ np.swapaxes(back, -1, -2))


def _snapped(values: Floats) -> Floats:
    """Values next to a multiple of ½ made equal to it."""
    halves = np.rint(2 * values) / 2
    return np.where(np.abs(values - halves) <= SNAP, halves, values)


def _check_taps(basis: Basis, taps: tuple[int, ...]) -> None:
    if len(taps) != basis.ndim:
        raise ShapeError(
            f"{basis!r} has {basis.ndim} axes, got taps={taps}. Give a number of taps for each axis."
        )
    if any(n < 1 or (n - k) % 2 for n, k in zip(taps, basis.taps, strict=True)):
        raise ArgumentError(
            f"{basis!r} has {basis.taps} taps, and a filter can be given an even number more or fewer (its "
            f"samples lie between the taps otherwise), got taps={taps}. Use steering_taps(group, basis)."
        )


def _check_axes(group: Group, basis: Basis, taps: tuple[int, ...]) -> None:
    mixed = np.any(np.abs(_matrices(group, basis)) > SNAP, axis=0)
    for i, j in np.argwhere(mixed):
        if taps[i] != taps[j]:
            raise ArgumentError(
                f"{group!r} turns axes {min(i, j)} and {max(i, j)} into each other, and {basis!r} is sampled "
                f"at {taps} taps: a turned filter does not fit. Use {max(taps[i], taps[j])} taps along both "
                "axes, or a group that leaves the axes where they are, such as SE2(2)."
            )


@lru_cache(maxsize=8)
def _ball(d: int) -> Floats:
    """Points spread evenly over the unit ball of R^d, shape (WAVES, d).

    The additive recurrence n·(g⁻¹, …, g⁻ᵈ) mod 1, g^{d+1} = g + 1, whose gaps are as even as in the plane of
    the golden angle; no random numbers, which differ between versions of a library.
    """
    g = 2.0
    for _ in range(64):
        g = (1 + g) ** (1 / (d + 1))
    steps = g ** -np.arange(1.0, d + 1)
    points, n = np.empty((0, d)), 0
    while len(points) < WAVES:
        cube = 2 * np.mod(np.arange(n + 1, n + 4 * WAVES + 1)[:, None] * steps, 1) - 1
        points = np.concatenate([points, cube[np.linalg.norm(cube, axis=1) <= 1]])
        n += 4 * WAVES
    return points[:WAVES]
