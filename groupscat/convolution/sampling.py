"""When a convolution commutes with a group: what it does to the filters, and to the places of its outputs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from groupscat.errors import ApproximationWarning, ArgumentError
from groupscat.groups import Group
from groupscat.plan.conv_axis import ConvAxis
from groupscat.wavelets.basis import Basis
from groupscat.wavelets.steering import preserves_taps

#: Entries of a matrix below this are none.
TOLERANCE = 1e-9


def check_equivariance(group: Group, basis: Basis, axes: Sequence[ConvAxis], approximate: bool) -> None:
    """Whether a convolution along ``axes`` with filters moved by the group commutes with it.

    ``approximate=True`` consents to its doing so only about.

    Raises
    ------
    ArgumentError : the outputs lie where the group does not map them to each other.

    Warns
    -----
    ApproximationWarning : the group does not map the taps of the filters to themselves.
    """
    if not approximate:
        check_places(group, axes)
        check_taps(group, basis, stacklevel=5)


def check_places(group: Group, axes: Sequence[ConvAxis]) -> None:
    """Refuse outputs that lie where the group does not map them to each other, by an ArgumentError."""
    obstacle = misplaced(group, axes)
    if obstacle is not None:
        raise ArgumentError(
            f"This convolution does not commute with {group!r}: {obstacle}. Choose sizes with (n−1) % stride "
            "== 0 and odd filters, or even sizes with group_pool(window=2) instead of a stride, or circular "
            "axes that the stride divides; or consent with approximate=True."
        )


def check_taps(group: Group, basis: Basis, stacklevel: int) -> None:
    """Warn where the group does not map the taps of the filters to themselves."""
    if not preserves_taps(group, basis):
        warnings.warn(
            f"{group!r} does not map the grid of {basis!r} to itself: moved filters are approximated "
            "(groupscat.wavelets.approximation_error(group, basis) tells how well, "
            "groupscat.equivariance_error measures a layer). GaussianRings keep the error small. Consent "
            "with approximate=True.",
            ApproximationWarning,
            stacklevel=stacklevel,
        )


def misplaced(group: Group, axes: Sequence[ConvAxis]) -> str | None:
    """Why the group does not map the places of the outputs to each other; None where it does.

    It has to map them about the middle of the input, or about any sample where the axis is periodic.
    """
    H = group.point_group
    A = np.abs(H.act(H.elements()))
    moved = np.any(np.abs(A - np.eye(group.ndim)) > TOLERANCE, axis=(0, 2))
    turned = np.any(H.act(H.elements()) < -TOLERANCE, axis=(0, 2))
    for k, axis in enumerate(axes):
        if not (moved[k] or turned[k]):
            continue
        for i in np.flatnonzero(np.any(A[:, k] > TOLERANCE, axis=0)).tolist():
            ours = axis.stride, axis.dilation, axis.padding
            if (axes[i].stride, axes[i].dilation, axes[i].padding) != ours:
                return (
                    f"it turns axes {min(i, k)} and {max(i, k)} into each other, whose strides, dilations or "
                    "paddings differ"
                )
        if axis.padding == "circular":
            if axis.size % axis.stride:
                return f"stride {axis.stride} does not divide the {axis.size} samples of circular axis {k}"
            continue
        last = axis.first + axis.stride * (axis.outputs - 1)
        if axis.first + last != axis.size - 1:
            return (
                f"with {axis.taps} taps and stride {axis.stride}, outputs along the {axis.size} samples of "
                f"axis {k} lie at {axis.first:g} … {last:g}, which are not symmetric about the middle"
            )
    return None
