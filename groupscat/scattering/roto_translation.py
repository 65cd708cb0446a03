"""Roto-translation scattering of images: wavelets in space and along their orientation."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, TypedDict, Unpack

from groupscat.checks import choice, integer
from groupscat.errors import ArgumentError
from groupscat.plan.angular_paths import AngularPath, Orbit
from groupscat.plan.geometry import AxisGeometry, Padding
from groupscat.plan.paths import Path
from groupscat.plan.plan import Plan
from groupscat.plan.roto_translation import Angles, Group, Layers, roto_translation_plan
from groupscat.scattering.arguments import check_options
from groupscat.scattering.operator import Operator
from groupscat.scattering.translation import DEFAULTS, Scattering2D
from groupscat.wavelets.angular import AngularBank
from groupscat.wavelets.atom import Atom
from groupscat.wavelets.bank import Bank, SampledBank
from groupscat.wavelets.littlewood_paley import LittlewoodPaley


class Options(TypedDict, total=False):
    """Keyword-only arguments in common with translation scattering; see :class:`groupscat.Scattering`."""

    oversampling: int
    padding: Padding
    normalize: Literal["littlewood-paley"] | None
    complex_input: bool
    sampling_rate: float | None
    check_finite: bool


#: Their defaults.
COMMON: dict[str, Any] = {name: value for name, value in DEFAULTS.items() if name in Options.__annotations__}
#: Number of angular scales by default, where the circle has room for them.
DEFAULT_K = {"joint": 3, "separable": 2}


class RotoTranslationScattering2D(Operator):
    """Scattering along translations and rotations: |U1 ⋆ ψ_{j2} ⋆ ψ̃_k| ⋆ φ_J, ψ̃ along the orientation θ1.

    Parameters
    ----------
    J : log2 of the largest wavelet scale. shape : (H, W).
    L : orientations in half a turn; even ones keep quarter turns exact.
    K : angular scales, ψ̃_0 … ψ̃_{K−1} and the average φ̃; 2^K is at most the number of angles. Default 3
        ("joint"), 2 ("separable"), or what there is room for.
    group : "joint", the convolution on SE(2): θ2 is measured from θ1, by α, and θ runs over the 2L angles of
        a whole turn; or "separable", on R² × C: θ2 is fixed.
    max_order : 0, 1 or 2.
    out_type : "array", "list" or "dict", as for :class:`Scattering2D`.
    average_angle : the mean over θ, which quarter turns of the image leave as it is (default, "joint" only);
        with False each path keeps its samples along θ, and quarter turns permute them.
    T, stride, oversampling, padding, normalize, complex_input, sampling_rate, check_finite : as for
        :class:`Scattering2D`. Oversampling is also along θ; normalisation also of the angular filters.

    Input (..., H, W) gives (..., paths, *grid). Orders 0 and 1 are those of :class:`Scattering2D`, order 1
    averaged over θ where order 2 is; then there are paths |U1 ⋆ φ_J ⋆ ψ̃_k| too, with a wavelet along θ alone.
    ``paths`` has the columns alpha, k (K for φ̃), spin (the sign of the frequency along θ). For real images
    |V ⋆ ψ̃| of the negative sign is that of the positive one, half a turn on, so "joint" has the latter only.

    Raises
    ------
    ArgumentError : a value that cannot be used, with the range that can.

    >>> import numpy as np, groupscat as gs
    >>> S = gs.RotoTranslationScattering2D(J=2, shape=(32, 32), L=8, K=3)
    >>> S(np.ones((5, 3, 32, 32))).shape
    (5, 3, 41, 8, 8)
    >>> S.paths.select(order=2, j=(0, 1), alpha=3, k=1)
    [16]

    Source: Sifre & Mallat 2013; Oyallon & Mallat 2015.
    """

    def __init__(
        self,
        J: int,
        shape: tuple[int, int],
        L: int = 8,
        K: int | None = None,
        group: Group = "joint",
        max_order: int = 2,
        out_type: str = "array",
        *,
        average_angle: bool | None = None,
        T: int | Literal["global"] | None = None,
        stride: int | None = None,
        **options: Unpack[Options],
    ) -> None:
        own = {"L", "K", "group", "max_order", "out_type", "average_angle", "T", "stride"}
        check_options(type(self).__name__, options, COMMON, own)
        # "list" asks for no common grid, so that the plan is not made.
        self.translation = Scattering2D(J, shape, L, max_order, "list", T=T, stride=stride, **options)
        same = self.translation
        self.J, self.shape, self.L = same.J, same.shape, same.L
        self.T, self.padding, self.output = same.T, same.padding, same.output
        self.group: Group = choice("group", group, ("joint", "separable"))
        self.max_order = same.max_order
        if self.max_order > 2:
            raise ArgumentError(
                f"max_order={max_order}: {type(self).__name__} has wavelets along θ at order 2 and none "
                "above; use max_order ≤ 2, or Scattering2D for more orders."
            )
        self.average_angle = self.group == "joint" if average_angle is None else bool(average_angle)
        if self.average_angle and self.group == "separable":
            raise ArgumentError(
                'average_angle=True with group="separable": its θ2 turns with the image, so that no average '
                'over θ1 is invariant. Use group="joint", or average_angle=False.'
            )
        self.K = self._scales(K)
        config: dict[str, Any] = {"J": self.J, "shape": self.shape, "L": self.L}
        given = {
            "K": K,
            "group": group,
            "max_order": max_order,
            "out_type": out_type,
            "average_angle": average_angle,
            "T": T,
            "stride": stride,
            **options,
        }
        default = {"K": None, "group": "joint", "max_order": 2, "out_type": "array", "average_angle": None}
        default |= {"T": None, "stride": None, **COMMON}
        config |= {name: value for name, value in given.items() if value != default[name]}
        super().__init__(config, out_type, same.check_finite, same.complex_input)

    def _scales(self, K: int | None) -> int:
        largest = self.circle.bit_length() - 1
        if K is None:
            return max(1, min(DEFAULT_K[self.group], largest))
        scales = integer("K", K, 1)
        if scales > largest:
            raise ArgumentError(
                f"K={K}: the largest angular wavelet spans 2^K = {2**scales} angles, and L={self.L} gives a "
                f"circle of {self.circle}. Use K ≤ {largest}, or more orientations."
            )
        return scales

    @property
    def circle(self) -> int:
        """Samples of θ in one period: the 2L angles of a turn, or what "separable" knows of them."""
        whole = self.group == "joint" or self.translation.complex_input
        return 2 * self.L if whole else self.L

    @property
    def bank(self) -> Bank:
        """The wavelets in space, and the low-pass."""
        return self.translation.bank

    @property
    def axes(self) -> tuple[AxisGeometry, ...]:
        """How each axis is padded and subsampled."""
        return self.translation.axes

    @property
    def filters(self) -> SampledBank:
        """The spectra of the wavelets in space on the padded grid."""
        return self.translation.filters

    @cached_property
    def angular(self) -> AngularBank:
        """The wavelets along θ."""
        bank = AngularBank(self.circle, self.K)
        return bank if self.translation.normalize is None else bank.normalised()

    @cached_property
    def angles(self) -> Angles:
        """What is done along θ."""
        inputs = 2 * self.L if self.translation.complex_input else self.L
        oversampling = self.translation.oversampling
        return Angles(self.angular, self.group, self.L, inputs, self.average_angle, oversampling)

    def _atoms(self, path: Path) -> tuple[Atom, ...]:
        """ψ_1 and ψ_2 (of an average over θ, those at θ1 = 0), and ψ̃."""
        grid = tuple(axis.padded for axis in self.axes)
        spatial: list[Any] = [psi.mother if isinstance(psi, Orbit) else psi for psi in path.wavelets]
        atoms = tuple(Atom(f"order {m}", psi, grid) for m, psi in enumerate(spatial, start=1))
        along = path.along if isinstance(path, AngularPath) else None
        return atoms if along is None else (*atoms, Atom("along θ", along, (self.circle,)))

    def littlewood_paley(self, order: int = 1) -> LittlewoodPaley:
        """The Littlewood-Paley sum in space of one order; along θ see ``angular.littlewood_paley()``."""
        return self.translation.littlewood_paley(order)

    @property
    def layers(self) -> Layers:
        """The layers in space."""
        same = self.translation
        return Layers(
            self.bank,
            self.axes,
            self.padding,
            self.output,
            self.max_order,
            same.oversampling,
            same.complex_input,
            same.sampling_rate,
        )

    @cached_property
    def plan(self) -> Plan:
        return roto_translation_plan(self.layers, self.angles)
