"""groupscat: scattering transforms and group convolutions, the same numbers in every array framework.

>>> import numpy as np, groupscat as gs
>>> S = gs.Scattering2D(J=2, shape=(32, 32))
>>> S(np.zeros((5, 32, 32))).shape
(5, 81, 8, 8)
"""

from groupscat.backend import Backend, backend_names, backend_of, default_backend, get_backend
from groupscat.convolution import convnd
from groupscat.errors import (
    ArgumentError,
    BackendError,
    DataError,
    DeviceError,
    DtypeError,
    GroupscatError,
    NotFiniteError,
    ShapeError,
)
from groupscat.interchange import convert
from groupscat.scattering import (
    HarmonicScattering3D,
    Scattering,
    Scattering1D,
    Scattering2D,
    Scattering3D,
)

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "Backend",
    "BackendError",
    "DataError",
    "DeviceError",
    "DtypeError",
    "GroupscatError",
    "HarmonicScattering3D",
    "NotFiniteError",
    "Scattering",
    "Scattering1D",
    "Scattering2D",
    "Scattering3D",
    "ShapeError",
    "__version__",
    "backend_names",
    "backend_of",
    "convert",
    "convnd",
    "default_backend",
    "get_backend",
]
