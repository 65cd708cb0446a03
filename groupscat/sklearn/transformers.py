"""The scattering operators as transformers: thin names, their parameters spelt out for ``get_params``."""

from __future__ import annotations

from typing import Any, Literal

import groupscat as gs
from groupscat.plan.geometry import Padding
from groupscat.sklearn.base import ScatteringTransformer

Average = int | Literal["global"] | None


class Scattering1D(ScatteringTransformer):
    """Scattering features of time series, for pipelines of scikit-learn.

    Parameters
    ----------
    J : log2 of the largest wavelet scale; None: 2^J at most a sixteenth of the length, J ≤ 8.
    shape : length of the signals; None: taken from X in ``fit``.
    Q, T, stride, max_order, oversampling, padding, exact_padding, rho, phases, normalize, sampling_rate,
        method : as in :class:`groupscat.Scattering1D`.
    pool : the mean over time of each path instead of its samples. log : log(|S| + 1e-6), before ``pool``.
    backend, device : where to compute, for example "torch" and "cuda"; None: NumPy, or what the
        environment variable GROUPSCAT_BACKEND names. batch_size : signals at a time; None: by memory.

    X is (n, length), or (n, channels, length); the result is (n, features), named by
    ``get_feature_names_out``, for example ``order1_j2_n17_at0``.

    >>> import numpy as np
    >>> Scattering1D(J=3, Q=4, pool=True).fit_transform(np.ones((5, 256))).shape
    (5, 16)
    """

    _operator, _transform, _ndim = gs.Scattering1D, "1d", 1

    def __init__(
        self,
        J: int | None = None,
        shape: int | tuple[int] | None = None,
        Q: int | tuple[int, int] = 1,
        T: Average = None,
        stride: int | None = None,
        max_order: int = 2,
        *,
        oversampling: int = 0,
        padding: Padding = "reflect",
        exact_padding: bool = False,
        rho: Any = "modulus",
        phases: int = 4,
        normalize: Literal["littlewood-paley"] | None = None,
        sampling_rate: float | None = None,
        method: Literal["fourier", "cascade"] = "fourier",
        pool: bool = False,
        log: bool = False,
        backend: str | None = None,
        device: str | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.J = J
        self.shape = shape
        self.Q = Q
        self.T = T
        self.stride = stride
        self.max_order = max_order
        self.oversampling = oversampling
        self.padding = padding
        self.exact_padding = exact_padding
        self.rho = rho
        self.phases = phases
        self.normalize = normalize
        self.sampling_rate = sampling_rate
        self.method = method
        self.pool = pool
        self.log = log
        self.backend = backend
        self.device = device
        self.batch_size = batch_size


class _Oriented(ScatteringTransformer):
    """Parameters of the transforms with orientations."""

    def __init__(
        self,
        J: int | None = None,
        shape: tuple[int, ...] | None = None,
        L: int | None = None,
        max_order: int = 2,
        *,
        T: Average = None,
        stride: int | None = None,
        oversampling: int = 0,
        padding: Padding = "reflect",
        rho: Any = "modulus",
        phases: int = 4,
        normalize: Literal["littlewood-paley"] | None = None,
        method: Literal["fourier", "cascade"] = "fourier",
        pool: bool = False,
        log: bool = False,
        backend: str | None = None,
        device: str | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.J = J
        self.shape = shape
        self.L = L
        self.max_order = max_order
        self.T = T
        self.stride = stride
        self.oversampling = oversampling
        self.padding = padding
        self.rho = rho
        self.phases = phases
        self.normalize = normalize
        self.method = method
        self.pool = pool
        self.log = log
        self.backend = backend
        self.device = device
        self.batch_size = batch_size


class Scattering2D(_Oriented):
    """Scattering features of images, for pipelines of scikit-learn.

    Parameters
    ----------
    J : log2 of the largest wavelet scale; None: 2^J at most a quarter of the shorter side, J ≤ 3.
    shape : (H, W); needed for flat X (n, H·W), else taken from X in ``fit``.
    L, max_order, T, stride, oversampling, padding, rho, phases, normalize, method : as in
        :class:`groupscat.Scattering2D`.
    pool : the mean over the image of each path instead of its samples. log : log(|S| + 1e-6), before
        ``pool``.
    backend, device : where to compute, for example "torch" and "cuda"; None: NumPy, or what the
        environment variable GROUPSCAT_BACKEND names. batch_size : images at a time; None: by memory.

    X is (n, H, W), flat (n, H·W), or with channels (n, channels, H, W); the result is (n, features), named
    by ``get_feature_names_out``, for example ``order2_j0-1_theta3-5_at0-2``.

    >>> from sklearn.datasets import load_digits
    >>> digits = load_digits()
    >>> Scattering2D(J=1, L=4).fit_transform(digits.images[:10]).shape
    (10, 80)
    >>> Scattering2D(J=1, L=4, shape=(8, 8)).fit_transform(digits.data[:10]).shape
    (10, 80)
    """

    _operator, _transform, _ndim = gs.Scattering2D, "2d", 2


class Scattering3D(_Oriented):
    """Scattering features of volumes; like :class:`Scattering2D` with shape (M, N, O).

    >>> import numpy as np
    >>> Scattering3D(J=1, L=3, pool=True).fit_transform(np.ones((2, 8, 8, 8))).shape
    (2, 4)
    """

    _operator, _transform, _ndim = gs.Scattering3D, "3d", 3


class HarmonicScattering3D(ScatteringTransformer):
    """Solid harmonic scattering features of volumes, invariant to rotation.

    Parameters
    ----------
    J : largest scale; None: 2^J at most a quarter of the shortest side, J ≤ 3.
    shape : (M, N, O); needed for flat X (n, M·N·O), else taken from X in ``fit``.
    L, sigma_0, max_order, rotation_covariant, integral_powers, order_0, T, stride : as in
        :class:`groupscat.HarmonicScattering3D`.
    pool, log, backend, device, batch_size : as in :class:`Scattering2D`.

    >>> import numpy as np
    >>> HarmonicScattering3D(J=1, L=2).fit_transform(np.ones((2, 8, 8, 8))).shape
    (2, 27)
    """

    _operator, _transform, _ndim = gs.HarmonicScattering3D, "harmonic3d", 3

    def __init__(
        self,
        J: int | None = None,
        shape: tuple[int, int, int] | None = None,
        L: int = 3,
        sigma_0: float = 1,
        max_order: int = 2,
        rotation_covariant: bool = True,
        integral_powers: tuple[float, ...] = (0.5, 1.0, 2.0),
        *,
        order_0: bool = False,
        T: Average = "global",
        stride: int | None = None,
        pool: bool = False,
        log: bool = False,
        backend: str | None = None,
        device: str | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.J = J
        self.shape = shape
        self.L = L
        self.sigma_0 = sigma_0
        self.max_order = max_order
        self.rotation_covariant = rotation_covariant
        self.integral_powers = integral_powers
        self.order_0 = order_0
        self.T = T
        self.stride = stride
        self.pool = pool
        self.log = log
        self.backend = backend
        self.device = device
        self.batch_size = batch_size
