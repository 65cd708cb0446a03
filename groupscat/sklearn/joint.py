"""Joint time-frequency scattering as a transformer."""

from __future__ import annotations

from typing import Literal

import groupscat as gs
from groupscat.plan.geometry import Padding
from groupscat.sklearn.base import ScatteringTransformer
from groupscat.sklearn.transformers import Average


class TimeFrequencyScattering(ScatteringTransformer):
    """Joint time-frequency scattering features of sounds, for pipelines of scikit-learn.

    Parameters
    ----------
    J : log2 of the largest wavelet scale in time; None: as for :class:`Scattering1D`.
    J_fr : log2 of the largest scale along log-frequency, in rows; None: up to 4, as the rows allow.
    shape : length of the signals; None: taken from X in ``fit``.
    Q, T, F, stride, stride_fr, Q_fr, format, rows, exclude, separable, oversampling, padding, exact_padding,
        sampling_rate : as in :class:`groupscat.TimeFrequencyScattering`.
    pool : the mean over time of each path, with format="joint" over its rows too. log, backend, device,
        batch_size : as in :class:`Scattering1D`.

    X is (n, length), or (n, channels, length); the result is (n, features), named by
    ``get_feature_names_out``: ``order2_n8-3_nfr2_spin+1_at0``, with format="joint"
    ``order2_n3_nfr2_spin+1_at5-0``, where the position is row and time.

    >>> import numpy as np
    >>> model = TimeFrequencyScattering(J=6, J_fr=3, pool=True)
    >>> model.fit_transform(np.ones((5, 1024))).shape, str(model.get_feature_names_out()[-1])
    ((5, 152), 'order2_n32-6_nfr8_spin-1')
    """

    _operator, _transform, _ndim = gs.TimeFrequencyScattering, "jtfs", 1

    def __init__(
        self,
        J: int | None = None,
        J_fr: int | None = None,
        shape: int | tuple[int] | None = None,
        Q: int | tuple[int, int] = 8,
        T: Average = None,
        F: Average = None,
        stride: int | None = None,
        stride_fr: int | None = None,
        Q_fr: int = 1,
        format: Literal["time", "joint"] = "time",
        *,
        rows: Literal["padded", "valid"] | None = None,
        exclude: str | tuple[str, ...] = (),
        separable: bool = False,
        oversampling: int = 0,
        padding: Padding = "reflect",
        exact_padding: bool = False,
        sampling_rate: float | None = None,
        pool: bool = False,
        log: bool = False,
        backend: str | None = None,
        device: str | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.J = J
        self.J_fr = J_fr
        self.shape = shape
        self.Q = Q
        self.T = T
        self.F = F
        self.stride = stride
        self.stride_fr = stride_fr
        self.Q_fr = Q_fr
        self.format = format
        self.rows = rows
        self.exclude = exclude
        self.separable = separable
        self.oversampling = oversampling
        self.padding = padding
        self.exact_padding = exact_padding
        self.sampling_rate = sampling_rate
        self.pool = pool
        self.log = log
        self.backend = backend
        self.device = device
        self.batch_size = batch_size
