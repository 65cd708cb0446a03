"""Data in and out of the command line: images and arrays as batches, features as one ``.npz`` file."""

from groupscat.data.arrays import ArraySource
from groupscat.data.images import ImageSource
from groupscat.data.inputs import open_source
from groupscat.data.npz import NpzWriter
from groupscat.data.progress import Bars, Progress
from groupscat.data.source import Batch, Skipped, Source
from groupscat.data.store import FeatureStore, read_features

__all__ = [
    "ArraySource",
    "Bars",
    "Batch",
    "FeatureStore",
    "ImageSource",
    "NpzWriter",
    "Progress",
    "Skipped",
    "Source",
    "open_source",
    "read_features",
]
