"""How far a transformation is from doing nothing: groups of similarities, and deformations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from groupscat.errors import ArgumentError, ShapeError

Array = NDArray[Any]


def affine_norm(A: Array, t: Array, dilates: bool) -> Array:
    """Distance of the maps u ↦ A u + t from the identity, A (..., d, d) = s Q, Q orthogonal, t (..., d).

    √(δ² + α²) with α the largest angle between a direction and its image, and δ = |t|, or, in a group with
    dilations, the hyperbolic distance 2 arsinh √((|t|² + (s−1)²) / 4s) from (0, 1) to (t, s) in the
    half-space: |t| alone would not be subadditive there.

    Raises
    ------
    ArgumentError : a matrix is not a similarity.
    """
    d = A.shape[-1]
    s = np.abs(np.linalg.det(A)) ** (1 / d)
    Q = A / s[..., None, None]
    if not np.allclose(Q @ np.swapaxes(Q, -1, -2), np.eye(d), atol=1e-9):
        raise ArgumentError(
            "|g| is defined for similarities, and this group has another linear map. Override norm in it."
        )
    # 2 sin(α/2) and 2 cos(α/2) for the largest angle α of Q: exact at both ends.
    far = np.linalg.svd(Q - np.eye(d), compute_uv=False)[..., 0]
    near = np.linalg.svd(Q + np.eye(d), compute_uv=False)[..., -1]
    length = np.linalg.norm(t, axis=-1)
    if dilates:
        length = 2 * np.arcsinh(np.sqrt((length**2 + (s - 1) ** 2) / (4 * s)))
    norm: Array = np.hypot(length, 2 * np.arctan2(far, near))
    return norm


def diffeomorphism_norm(g: ArrayLike, J: float, *, step: float = 1.0, periodic: bool = False) -> float:
    """|g|_Diff = 2^{-J} ‖g‖∞ + ‖∇g‖∞ of the deformation u ↦ u − g(u).

    Parameters
    ----------
    g : array, shape (N_1, ..., N_d, d) -- displacement of each sample, in the unit of ``step``.
    J : log2 of the range of translations, in that unit; ``math.inf`` disregards them.
    step : distance between neighbouring samples.
    periodic : whether the last sample is a neighbour of the first.

    Returns
    -------
    float: ‖g‖∞ is the largest length, ‖∇g‖∞ the largest matrix norm of the Jacobian by central differences.

    Raises
    ------
    ShapeError : the last axis is not as long as there are other axes.

    Source: Mallat 2016, eq. 8.

    >>> import math
    >>> u = np.arange(16.0)
    >>> dilation = 0.1 * u[:, None]                  # u ↦ 0.9 u
    >>> round(diffeomorphism_norm(dilation, J=math.inf), 12)
    0.1
    >>> diffeomorphism_norm(np.full((8, 8, 2), [3.0, 4.0]), J=3)
    0.625
    """
    g = np.asarray(g, dtype=np.float64)
    d = g.ndim - 1
    if d < 1 or g.shape[-1] != d or 0 in g.shape:
        raise ShapeError(
            f"A displacement field on N_1 × … × N_d samples has shape (N_1, ..., N_d, d), got {g.shape}. "
            "Put the d components last."
        )
    jacobian = np.stack([_slope(g, axis, periodic) / step for axis in range(d)], axis=-1)
    slope = np.linalg.norm(jacobian, ord=2, axis=(-2, -1)).max()
    return float(2.0**-J * np.linalg.norm(g, axis=-1).max() + slope)


def _slope(g: Array, axis: int, periodic: bool) -> Array:
    if g.shape[axis] == 1:
        return np.zeros_like(g)
    if periodic:
        return np.asarray((np.roll(g, -1, axis) - np.roll(g, 1, axis)) / 2)
    return np.asarray(np.gradient(g, axis=axis))
