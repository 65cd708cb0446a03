"""Training: labelled data, augmentation."""

from groupscat.training.augment import Augment
from groupscat.training.dataset import Dataset
from groupscat.training.files import dataset_splits, open_dataset

__all__ = ["Augment", "Dataset", "dataset_splits", "open_dataset"]
