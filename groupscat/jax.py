"""groupscat with JAX selected: operators take JAX arrays only, under ``jax.jit``, ``vmap`` and ``grad`` too.

>>> import jax, jax.numpy as jnp
>>> import groupscat.jax as gs
>>> S = gs.Scattering2D(J=2, shape=(32, 32))
>>> jax.jit(S)(jnp.zeros((5, 32, 32))).shape
(5, 81, 8, 8)
"""

import groupscat as _neutral
from groupscat import *  # noqa: F403
from groupscat.bound import Bound
from groupscat.errors import BackendError

try:
    import jax as _jax  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "jax":
        raise
    raise BackendError('groupscat.jax needs JAX: pip install "groupscat[jax]"') from error


class _OnJAX(Bound):
    backend_name = "jax"


class Scattering(_OnJAX, _neutral.Scattering): ...  # type: ignore[no-redef]


class Scattering1D(_OnJAX, _neutral.Scattering1D): ...  # type: ignore[no-redef]


class Scattering2D(_OnJAX, _neutral.Scattering2D): ...  # type: ignore[no-redef]


class Scattering3D(_OnJAX, _neutral.Scattering3D): ...  # type: ignore[no-redef]


class HarmonicScattering3D(_OnJAX, _neutral.HarmonicScattering3D): ...  # type: ignore[no-redef]


class ScaleRotationTranslationScattering2D(_OnJAX, _neutral.ScaleRotationTranslationScattering2D): ...  # type: ignore[no-redef]


class RotoTranslationScattering2D(_OnJAX, _neutral.RotoTranslationScattering2D): ...  # type: ignore[no-redef]


class TimeFrequencyScattering(_OnJAX, _neutral.TimeFrequencyScattering): ...  # type: ignore[no-redef]


__all__ = [*_neutral.__all__]
