"""groupscat with Torch selected: operators are ``torch.nn.Module``, all else is as in ``groupscat``."""

from groupscat import *  # noqa: F403
from groupscat.errors import BackendError

try:
    from groupscat_torch.graphs import cuda_graphs
    from groupscat_torch.layers import ConvNd, FiberBatchNorm, GroupConv, GroupPool, Lift
    from groupscat_torch.modules import (
        HarmonicScattering3D,
        OperatorModule,
        RotoTranslationScattering2D,
        ScaleRotationTranslationScattering2D,
        Scattering,
        Scattering1D,
        Scattering2D,
        Scattering3D,
        TimeFrequencyScattering,
    )
    from groupscat_torch.network import Network
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise BackendError('groupscat.torch needs Torch: pip install "groupscat[torch]"') from error

__all__ = [
    "ConvNd",
    "FiberBatchNorm",
    "GroupConv",
    "GroupPool",
    "HarmonicScattering3D",
    "Lift",
    "Network",
    "OperatorModule",
    "RotoTranslationScattering2D",
    "ScaleRotationTranslationScattering2D",
    "Scattering",
    "Scattering1D",
    "Scattering2D",
    "Scattering3D",
    "TimeFrequencyScattering",
    "cuda_graphs",
]
