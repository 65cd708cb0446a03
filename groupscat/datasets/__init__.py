"""Labelled data: folders of images, ``.npz``, the standard files of MNIST and CIFAR; augmentation."""

from groupscat.datasets.augment import Augment
from groupscat.datasets.dataset import Dataset
from groupscat.datasets.files import dataset_splits, open_dataset

__all__ = ["Augment", "Dataset", "dataset_splits", "open_dataset"]
