"""Networks as data: layers that fit together, one plan, the same numbers in every framework.

>>> from groupscat import nn
>>> nn.hcnn()
Network(56 layers, input_shape=(3, 32, 32), 102,330 parameters)
"""

from groupscat.nn.axes import Flatten, Mean, NewAttribute, Pad, Pool
from groupscat.nn.config import from_config, register, to_config
from groupscat.nn.constraint import Constraint, Parseval, SpectralBound
from groupscat.nn.files import Model, load, save
from groupscat.nn.functional import apply, constrain, draw_masks, init
from groupscat.nn.initial import Constant, Initial, Normal, Orthogonal
from groupscat.nn.layer import Layer, Lowering
from groupscat.nn.linear import Conv1x1, Dense, TightFrame
from groupscat.nn.network import Network
from groupscat.nn.normalise import BatchNorm, DivisiveNorm, Dropout, Standardise
from groupscat.nn.pointwise import ELU, Modulus, Pointwise, ReLU, SignedRoot, SoftThreshold
from groupscat.nn.published import (
    PUBLISHED,
    hcnn,
    plain_cnn,
    scattering_linear,
    scattering_mlp,
    scattering_resnet10,
    scattering_wrn,
    se2_cnn,
    shared_local_encoder,
    wide_resnet,
)
from groupscat.nn.residual import Residual
from groupscat.nn.split import join_arrays, split, split_arrays
from groupscat.nn.symmetry import Symmetries, symmetries

__all__ = [
    "ELU",
    "PUBLISHED",
    "BatchNorm",
    "Constant",
    "Constraint",
    "Conv1x1",
    "Dense",
    "DivisiveNorm",
    "Dropout",
    "Flatten",
    "Initial",
    "Layer",
    "Lowering",
    "Mean",
    "Model",
    "Modulus",
    "Network",
    "NewAttribute",
    "Normal",
    "Orthogonal",
    "Pad",
    "Parseval",
    "Pointwise",
    "Pool",
    "ReLU",
    "Residual",
    "SignedRoot",
    "SoftThreshold",
    "SpectralBound",
    "Standardise",
    "Symmetries",
    "TightFrame",
    "apply",
    "constrain",
    "draw_masks",
    "from_config",
    "hcnn",
    "init",
    "join_arrays",
    "load",
    "plain_cnn",
    "register",
    "save",
    "scattering_linear",
    "scattering_mlp",
    "scattering_resnet10",
    "scattering_wrn",
    "se2_cnn",
    "shared_local_encoder",
    "split",
    "split_arrays",
    "symmetries",
    "to_config",
    "wide_resnet",
]
