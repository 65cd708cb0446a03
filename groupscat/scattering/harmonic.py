"""Solid harmonic scattering of volumes: invariants of molecules and densities."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, Literal, Never

from groupscat.backend import Array, Backend
from groupscat.checks import integer, positive
from groupscat.errors import ArgumentError
from groupscat.plan.geometry import periodic_axis
from groupscat.plan.harmonic import harmonic_plan
from groupscat.plan.plan import Plan
from groupscat.scattering.arguments import (
    averaging_scale,
    check_options,
    output_of,
    shape_of,
)
from groupscat.scattering.operator import Operator
from groupscat.wavelets.morlet import Gabor
from groupscat.wavelets.oriented import SIGMA

#: Arguments after J and shape, for the message about one that does not exist.
KNOWN = (
    *("L", "sigma_0", "max_order", "rotation_covariant", "integral_powers"),
    *("order_0", "T", "stride", "out_type", "check_finite"),
)


class HarmonicScattering3D(Operator):
    """Solid harmonic scattering: ∫ U^q with U = (Σ_m |x ⋆ ψ_{l,m,j}|²)^{1/2}, orders 1 and 2.

    Parameters
    ----------
    J : largest scale; wavelets have the widths sigma_0·2^j samples, j = 0 … J.
    shape : (M, N, O). L : largest degree of the harmonics, l = 0 … L.
    sigma_0 : width of the smallest wavelet, samples.
    max_order : number of wavelet layers, ≥ 1; wavelets of one path share l, scales increase.
    rotation_covariant : sum over m (else only m = −l is used, with the first axis of the volume as the polar
        axis, and coefficients turn with the volume).
    integral_powers : the exponents q > 0.
    order_0 : also give Σ x^q (for a fractional q, Σ|x|^q), in a flat layout.
    T : "global" (integrate over the volume), 0 (U^q itself), or a scale in samples to average over (None:
        2^J).
    stride : samples between outputs, a power of two; default T rounded down to one.
    out_type : "array", "list" or "dict". check_finite : refuse NaN and infinity.

    The volume is periodic: leave a margin of a few sigma_0·2^J around what it holds. Input (..., M, N, O)
    gives (..., paths, L+1, powers) with paths j1, then (j1, j2); with ``order_0=True`` (..., coefficients)
    as listed in ``paths``; a grid is appended unless T="global". Coefficients are Kymatio's.

    Raises
    ------
    ArgumentError : a value that cannot be used, with the range that can.

    >>> import numpy as np, groupscat as gs
    >>> S = gs.HarmonicScattering3D(J=1, shape=(16, 16, 16), L=2)
    >>> S(np.ones((4, 16, 16, 16))).shape
    (4, 3, 3, 3)

    Source: Eickenberg, Exarchakis, Hirn & Mallat 2017.
    """

    def __init__(
        self,
        J: int,
        shape: tuple[int, int, int],
        L: int = 3,
        sigma_0: float = 1,
        max_order: int = 2,
        rotation_covariant: bool = True,
        integral_powers: tuple[float, ...] = (0.5, 1.0, 2.0),
        *,
        order_0: bool = False,
        T: int | Literal["global"] | None = "global",
        stride: int | None = None,
        out_type: str = "array",
        check_finite: bool = False,
        **options: Never,
    ) -> None:
        if options:
            check_options(type(self).__name__, options, {}, KNOWN)
        self.shape = shape_of(shape, 3)
        self.J = integer("J", J, 0)
        self.L = integer("L", L, 0)
        self.max_order = integer("max_order", max_order, 1)
        self.rotation_covariant = bool(rotation_covariant)
        self.order_0 = bool(order_0)
        self.sigma_0 = positive("sigma_0", sigma_0)
        self.integral_powers = tuple(positive("integral_powers", q) for q in integral_powers)
        if not self.integral_powers:
            raise ArgumentError("integral_powers=(): expected at least one exponent, for example (1.0, 2.0).")
        if len(set(self.integral_powers)) < len(self.integral_powers):
            raise ArgumentError(f"integral_powers={integral_powers!r} names an exponent twice.")
        self.T = averaging_scale(T, self.J, self.shape)
        self.output = output_of(self.T, stride, 0, self.shape, total=True)
        config: dict[str, Any] = {
            "J": self.J,
            "shape": self.shape,
            "L": self.L,
            "sigma_0": sigma_0,
            "max_order": self.max_order,
            "rotation_covariant": self.rotation_covariant,
            "integral_powers": self.integral_powers,
        }
        extra = {
            "order_0": self.order_0,
            "T": T,
            "stride": stride,
            "out_type": out_type,
            "check_finite": check_finite,
        }
        default = {
            "order_0": False,
            "T": "global",
            "stride": None,
            "out_type": "array",
            "check_finite": False,
        }
        config |= {k: v for k, v in extra.items() if v != default[k]}
        super().__init__(config, out_type, check_finite, complex_input=False)

    @cached_property
    def plan(self) -> Plan:
        width = self.T if isinstance(self.T, int) and self.T else 1
        deviation = 1 / (math.pi * SIGMA * width)
        return harmonic_plan(
            tuple(periodic_axis(n, partial=False) for n in self.shape),
            Gabor(xi=(0.0,) * 3, sigma=(deviation,) * 3),
            J=self.J,
            L=self.L,
            sigma_0=self.sigma_0,
            max_order=self.max_order,
            rotation_covariant=self.rotation_covariant,
            powers=self.integral_powers,
            order_0=self.order_0,
            output=self.output,
        )

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (*self._layout(self._register_shape[0]), *self._grid)

    @property
    def _grid(self) -> tuple[int, ...]:
        return () if self.output.mode == "integral" else super()._grid

    def arrange(self, y: Array, leading: tuple[int, ...], backend: Backend) -> Array:
        return backend.reshape(y, (*leading, *self.output_shape))

    def _layout(self, paths: int) -> tuple[int, ...]:
        if self.order_0:
            return (paths,)
        inner = (self.L + 1, len(self.integral_powers))
        return (paths // math.prod(inner), *inner)
