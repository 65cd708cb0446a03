"""groupscat with JAX selected: operators take JAX arrays only, under ``jax.jit``, ``vmap`` and ``grad`` too.

>>> import jax, jax.numpy as jnp
>>> import groupscat.jax as gs
>>> S = gs.Scattering2D(J=2, shape=(32, 32))
>>> jax.jit(S)(jnp.zeros((5, 32, 32))).shape
(5, 81, 8, 8)
"""

import groupscat
from groupscat import *  # noqa: F403
from groupscat.bound import Bound
from groupscat.errors import BackendError

try:
    import jax as _jax  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "jax":
        raise
    raise BackendError('groupscat.jax needs JAX: pip install "groupscat[jax]"') from error


class Scattering(Bound, groupscat.Scattering):
    backend_name = "jax"


class Scattering1D(Bound, groupscat.Scattering1D):
    backend_name = "jax"


class Scattering2D(Bound, groupscat.Scattering2D):
    backend_name = "jax"


class Scattering3D(Bound, groupscat.Scattering3D):
    backend_name = "jax"


class HarmonicScattering3D(Bound, groupscat.HarmonicScattering3D):
    backend_name = "jax"


__all__ = [*groupscat.__all__]
