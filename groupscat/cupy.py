"""groupscat with CuPy selected: operators take CuPy arrays only, all else is as in ``groupscat``."""

import groupscat as _neutral
from groupscat import *  # noqa: F403
from groupscat.bound import Bound
from groupscat.errors import BackendError

try:
    import cupy as _cupy  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "cupy":
        raise
    raise BackendError(
        'groupscat.cupy needs CuPy: pip install "groupscat[cupy-cuda13x]" or "groupscat[cupy-cuda12x]"'
    ) from error


class _OnCuPy(Bound):
    backend_name = "cupy"


class Scattering(_OnCuPy, _neutral.Scattering): ...  # type: ignore[no-redef]


class Scattering1D(_OnCuPy, _neutral.Scattering1D): ...  # type: ignore[no-redef]


class Scattering2D(_OnCuPy, _neutral.Scattering2D): ...  # type: ignore[no-redef]


class Scattering3D(_OnCuPy, _neutral.Scattering3D): ...  # type: ignore[no-redef]


class HarmonicScattering3D(_OnCuPy, _neutral.HarmonicScattering3D): ...  # type: ignore[no-redef]


class ScaleRotationTranslationScattering2D(_OnCuPy, _neutral.ScaleRotationTranslationScattering2D): ...  # type: ignore[no-redef]


class RotoTranslationScattering2D(_OnCuPy, _neutral.RotoTranslationScattering2D): ...  # type: ignore[no-redef]


class TimeFrequencyScattering(_OnCuPy, _neutral.TimeFrequencyScattering): ...  # type: ignore[no-redef]


__all__ = [*_neutral.__all__]
