"""From a source of signals to a file of scattering features: the work behind ``groupscat features``."""

from groupscat.features.compute import Run
from groupscat.features.tables import path_table, tables
from groupscat.features.transform import (
    TRANSFORMS,
    Transform,
    batch_size,
    build_operator,
    choose_transform,
    default_J,
    defaults,
)
from groupscat.features.write import describe, write_features

__all__ = [
    "TRANSFORMS",
    "Run",
    "Transform",
    "batch_size",
    "build_operator",
    "choose_transform",
    "default_J",
    "defaults",
    "describe",
    "path_table",
    "tables",
    "write_features",
]
