"""From coefficients back to a signal: gradient descent through any differentiable operator."""

from groupscat.inversion.reconstruct import reconstruct
from groupscat.inversion.result import Reconstruction

__all__ = ["Reconstruction", "reconstruct"]
