"""groupscat with Keras selected: operators are layers of Keras 3, on whichever backend Keras runs.

>>> import keras
>>> import groupscat.keras as gs
>>> model = keras.Sequential([keras.Input((32, 32)), gs.Scattering2D(J=2, shape=(32, 32))])
>>> model.output_shape
(None, 81, 8, 8)
"""

from groupscat import *  # noqa: F403
from groupscat.errors import BackendError

try:
    from groupscat_keras.group_layers import ConvNd, FiberBatchNorm, GroupConv, GroupPool, Lift
    from groupscat_keras.layers import (
        HarmonicScattering3D,
        OperatorLayer,
        RotoTranslationScattering2D,
        ScaleRotationTranslationScattering2D,
        Scattering,
        Scattering1D,
        Scattering2D,
        Scattering3D,
        TimeFrequencyScattering,
    )
    from groupscat_keras.network import Network
except ModuleNotFoundError as error:
    if error.name == "keras":
        raise BackendError('groupscat.keras needs Keras 3: pip install "groupscat[keras]"') from error
    framework = (error.name or "").partition(".")[0]
    if framework not in ("tensorflow", "torch", "jax", "openvino"):
        raise
    raise BackendError(
        f"Keras is set to run on {framework}, which is not installed. Install it, for example with "
        f'pip install "groupscat[{framework}]", or set KERAS_BACKEND to a framework that is.'
    ) from error

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
