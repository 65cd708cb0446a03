"""Scale-rotation-translation scattering of images: wavelets in space, along orientations and along scales."""

from __future__ import annotations

from functools import cached_property
from typing import Literal, Unpack

from groupscat.checks import integer
from groupscat.errors import ArgumentError
from groupscat.plan.angular_paths import AngularPath
from groupscat.plan.paths import Path
from groupscat.plan.plan import Plan
from groupscat.plan.scale_rotation import scale_rotation_plan
from groupscat.scattering.arguments import check_options
from groupscat.scattering.roto_translation import COMMON, Options, RotoTranslationScattering2D
from groupscat.wavelets.angular import ScaleBank
from groupscat.wavelets.atom import Atom


class ScaleRotationTranslationScattering2D(RotoTranslationScattering2D):
    """Scattering along translations, rotations and scales: |U1 ⋆ ψ_{j2} ⋆ ψ̃(θ1) ψ̃(j1)| ⋆ φ_J.

    Parameters
    ----------
    J : log2 of the largest wavelet scale. shape : (H, W).
    L : orientations in half a turn. K : angular scales, as for :class:`RotoTranslationScattering2D`.
    K_scale : dyadic scales of the wavelets along j1, of both signs; 2^K_scale is at most J (1 is always).
    max_order : 0, 1 or 2. out_type : "array", "list" or "dict".
    T, stride, oversampling, padding, normalize, complex_input, sampling_rate, check_finite : as for
        :class:`RotoTranslationScattering2D`.

    Input (..., H, W) gives (..., paths, *grid). Orders 0 and 1, and paths along θ alone, are those of
    :class:`RotoTranslationScattering2D`. At order 2 the scales j1 < j2 are an axis that does not close: there
    is nothing beyond. Orientations are relative to θ1 and averaged over it; each j1 has a coefficient, for an
    average over rescalings of the image. ``paths`` has the columns alpha, k, spin and, along j1, k_scale and
    spin_scale.

    Raises
    ------
    ArgumentError : a value that cannot be used, with the range that can.

    >>> import numpy as np, groupscat as gs
    >>> S = gs.ScaleRotationTranslationScattering2D(J=3, shape=(32, 32), L=4)
    >>> S(np.ones((5, 32, 32))).shape
    (5, 145, 4, 4)
    >>> len(S.paths.select(order=2, j=(1, 2), k_scale=0))
    28

    Source: Sifre & Mallat 2013; Mallat 2016, section 7.
    """

    def __init__(
        self,
        J: int,
        shape: tuple[int, int],
        L: int = 8,
        K: int | None = None,
        K_scale: int = 1,
        max_order: int = 2,
        out_type: str = "array",
        *,
        T: int | Literal["global"] | None = None,
        stride: int | None = None,
        **options: Unpack[Options],
    ) -> None:
        own = {"L", "K", "K_scale", "max_order", "out_type", "T", "stride"}
        check_options(type(self).__name__, options, COMMON, own)
        self.K_scale = integer("K_scale", K_scale, 1)
        largest = max(1, integer("J", J, 1).bit_length() - 1)
        if self.K_scale > largest:
            raise ArgumentError(
                f"K_scale={K_scale}: the largest wavelet along scales spans 2^K_scale = {2**self.K_scale} of "
                f"them, and there are J={J}. Use K_scale ≤ {largest}, or a larger J."
            )
        super().__init__(J, shape, L, K, "joint", max_order, out_type, T=T, stride=stride, **options)
        self.config["K_scale"] = self.K_scale

    @cached_property
    def along_scales(self) -> ScaleBank:
        """The wavelets along j1."""
        bank = ScaleBank(self.K_scale)
        return bank if self.translation.normalize is None else bank.normalised()

    def _atoms(self, path: Path) -> tuple[Atom, ...]:
        atoms = super()._atoms(path)
        across = path.across if isinstance(path, AngularPath) else None
        return atoms if across is None else (*atoms, Atom("along j", across, (2 * self.J,)))

    @cached_property
    def plan(self) -> Plan:
        return scale_rotation_plan(self.layers, self.angles, self.along_scales)
