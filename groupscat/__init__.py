"""groupscat: scattering transforms and group convolutions, the same numbers in every array framework.

>>> import numpy as np, groupscat as gs
>>> S = gs.Scattering2D(J=2, shape=(32, 32))
>>> S(np.zeros((5, 32, 32))).shape
(5, 81, 8, 8)
"""

from groupscat import nn
from groupscat.action import act
from groupscat.backend import Backend, backend_names, backend_of, default_backend, get_backend
from groupscat.convolution import (
    convnd,
    convnd_adjoint,
    fiber_batch_norm,
    fiber_statistics,
    group_conv,
    group_pool,
    lift,
    output_space,
)
from groupscat.deformation import stability
from groupscat.equivariance import Equivariance, PlaneWaves, equivariance_error
from groupscat.errors import (
    ApproximationWarning,
    ArgumentError,
    BackendError,
    DataError,
    DeviceError,
    DtypeError,
    GroupscatError,
    NotFiniteError,
    ShapeError,
    TrainingError,
)
from groupscat.interchange import convert
from groupscat.inversion import reconstruct
from groupscat.nn import load, save
from groupscat.onnx import export_onnx
from groupscat.scattering import (
    HarmonicScattering3D,
    RotoTranslationScattering2D,
    ScaleRotationTranslationScattering2D,
    Scattering,
    Scattering1D,
    Scattering2D,
    Scattering3D,
    TimeFrequencyScattering,
)
from groupscat.space import Axis, Space, signal_space
from groupscat.streaming import stream

__version__ = "0.1.0"

__all__ = [
    "ApproximationWarning",
    "ArgumentError",
    "Axis",
    "Backend",
    "BackendError",
    "DataError",
    "DeviceError",
    "DtypeError",
    "Equivariance",
    "GroupscatError",
    "HarmonicScattering3D",
    "NotFiniteError",
    "PlaneWaves",
    "RotoTranslationScattering2D",
    "ScaleRotationTranslationScattering2D",
    "Scattering",
    "Scattering1D",
    "Scattering2D",
    "Scattering3D",
    "ShapeError",
    "Space",
    "TimeFrequencyScattering",
    "TrainingError",
    "__version__",
    "act",
    "backend_names",
    "backend_of",
    "convert",
    "convnd",
    "convnd_adjoint",
    "default_backend",
    "equivariance_error",
    "export_onnx",
    "fiber_batch_norm",
    "fiber_statistics",
    "get_backend",
    "group_conv",
    "group_pool",
    "lift",
    "load",
    "nn",
    "output_space",
    "reconstruct",
    "save",
    "signal_space",
    "stability",
    "stream",
]
