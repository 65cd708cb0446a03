"""Data in and out of the command line: images, recordings and arrays in batches, features as a file."""

from groupscat.data.arrays import ArraySource
from groupscat.data.audio import AudioSource
from groupscat.data.images import ImageSource
from groupscat.data.inputs import open_source
from groupscat.data.output import FeatureWriter
from groupscat.data.progress import Bars, Progress
from groupscat.data.source import Batch, Skipped, Source
from groupscat.data.store import FeatureStore, read_features

__all__ = [
    "ArraySource",
    "AudioSource",
    "Bars",
    "Batch",
    "FeatureStore",
    "FeatureWriter",
    "ImageSource",
    "Progress",
    "Skipped",
    "Source",
    "open_source",
    "read_features",
]
