"""groupscat with TensorFlow selected: the layers of ``groupscat.keras``, with Keras running on TensorFlow."""

from groupscat import *  # noqa: F403
from groupscat.errors import BackendError

try:
    import tensorflow as _tensorflow  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "tensorflow":
        raise
    raise BackendError(
        'groupscat.tensorflow needs TensorFlow: pip install "groupscat[tensorflow]"'
    ) from error

from keras.config import backend as _backend

from groupscat.keras import (
    ConvNd,
    FiberBatchNorm,
    GroupConv,
    GroupPool,
    HarmonicScattering3D,
    Lift,
    Network,
    OperatorLayer,
    RotoTranslationScattering2D,
    ScaleRotationTranslationScattering2D,
    Scattering,
    Scattering1D,
    Scattering2D,
    Scattering3D,
    TimeFrequencyScattering,
)

if _backend() != "tensorflow":
    raise BackendError(
        f"Keras runs on {_backend()}, so its layers take no TensorFlow tensors. Set KERAS_BACKEND=tensorflow "
        "before Keras is imported, or use groupscat.keras (layers on any backend) or groupscat (functions of "
        "TensorFlow tensors)."
    )

__all__ = [
    "ConvNd",
    "FiberBatchNorm",
    "GroupConv",
    "GroupPool",
    "HarmonicScattering3D",
    "Lift",
    "Network",
    "OperatorLayer",
    "RotoTranslationScattering2D",
    "ScaleRotationTranslationScattering2D",
    "Scattering",
    "Scattering1D",
    "Scattering2D",
    "Scattering3D",
    "TimeFrequencyScattering",
]
