"""The scattering operators with wavelets along angles and scales as transformers."""

from __future__ import annotations

from typing import Literal

import groupscat as gs
from groupscat.plan.geometry import Padding
from groupscat.sklearn.base import ScatteringTransformer
from groupscat.sklearn.transformers import Average


class RotoTranslationScattering2D(ScatteringTransformer):
    """Roto-translation scattering features of images: with wavelets along the orientation.

    Parameters
    ----------
    J : log2 of the largest wavelet scale; None: as for :class:`Scattering2D`.
    shape : (H, W); needed for flat X (n, H·W), else taken from X in ``fit``.
    L, K, group, max_order, average_angle, T, stride, oversampling, padding, normalize : as in
        :class:`groupscat.RotoTranslationScattering2D`.
    pool, log, backend, device, batch_size : as in :class:`Scattering2D`.

    >>> import numpy as np
    >>> RotoTranslationScattering2D(J=2, L=4, pool=True).fit_transform(np.ones((3, 16, 16))).shape
    (3, 25)
    """

    _operator, _transform, _ndim = gs.RotoTranslationScattering2D, "roto", 2

    def __init__(
        self,
        J: int | None = None,
        shape: tuple[int, int] | None = None,
        L: int = 8,
        K: int | None = None,
        group: Literal["joint", "separable"] = "joint",
        max_order: int = 2,
        *,
        average_angle: bool | None = None,
        T: Average = None,
        stride: int | None = None,
        oversampling: int = 0,
        padding: Padding = "reflect",
        normalize: Literal["littlewood-paley"] | None = None,
        pool: bool = False,
        log: bool = False,
        backend: str | None = None,
        device: str | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.J = J
        self.shape = shape
        self.L = L
        self.K = K
        self.group = group
        self.max_order = max_order
        self.average_angle = average_angle
        self.T = T
        self.stride = stride
        self.oversampling = oversampling
        self.padding = padding
        self.normalize = normalize
        self.pool = pool
        self.log = log
        self.backend = backend
        self.device = device
        self.batch_size = batch_size


class ScaleRotationTranslationScattering2D(ScatteringTransformer):
    """Scale-rotation-translation scattering features of images: with wavelets along scales, too.

    Parameters
    ----------
    J : log2 of the largest wavelet scale; None: as for :class:`Scattering2D`.
    shape : (H, W); needed for flat X (n, H·W), else taken from X in ``fit``.
    L, K, K_scale, max_order, T, stride, oversampling, padding, normalize : as in
        :class:`groupscat.ScaleRotationTranslationScattering2D`.
    pool, log, backend, device, batch_size : as in :class:`Scattering2D`.

    >>> import numpy as np
    >>> model = ScaleRotationTranslationScattering2D(J=2, L=4, pool=True)
    >>> model.fit_transform(np.ones((3, 16, 16))).shape
    (3, 53)
    """

    _operator, _transform, _ndim = gs.ScaleRotationTranslationScattering2D, "scale-rotation", 2

    def __init__(
        self,
        J: int | None = None,
        shape: tuple[int, int] | None = None,
        L: int = 8,
        K: int | None = None,
        K_scale: int = 1,
        max_order: int = 2,
        *,
        T: Average = None,
        stride: int | None = None,
        oversampling: int = 0,
        padding: Padding = "reflect",
        normalize: Literal["littlewood-paley"] | None = None,
        pool: bool = False,
        log: bool = False,
        backend: str | None = None,
        device: str | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.J = J
        self.shape = shape
        self.L = L
        self.K = K
        self.K_scale = K_scale
        self.max_order = max_order
        self.T = T
        self.stride = stride
        self.oversampling = oversampling
        self.padding = padding
        self.normalize = normalize
        self.pool = pool
        self.log = log
        self.backend = backend
        self.device = device
        self.batch_size = batch_size
