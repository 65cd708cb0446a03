"""Public operators: checked arguments in, a plan inside, coefficients out."""

from groupscat.scattering.harmonic import HarmonicScattering3D
from groupscat.scattering.operator import Operator
from groupscat.scattering.roto_translation import RotoTranslationScattering2D
from groupscat.scattering.scale_rotation import ScaleRotationTranslationScattering2D
from groupscat.scattering.time_frequency import TimeFrequencyScattering
from groupscat.scattering.translation import Scattering, Scattering1D, Scattering2D, Scattering3D

__all__ = [
    "HarmonicScattering3D",
    "Operator",
    "RotoTranslationScattering2D",
    "ScaleRotationTranslationScattering2D",
    "Scattering",
    "Scattering1D",
    "Scattering2D",
    "Scattering3D",
    "TimeFrequencyScattering",
]
