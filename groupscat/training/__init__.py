"""Training of networks: recipes, and one loop for every framework that differentiates."""

from groupscat.datasets import Augment, Dataset, dataset_splits, open_dataset
from groupscat.training.loop import Score
from groupscat.training.optimise import SGD, Adam, Optimiser
from groupscat.training.recipe import RECIPES, Recipe
from groupscat.training.schedule import Cosine, Schedule, Steps
from groupscat.training.train import Result, train

__all__ = [
    "RECIPES",
    "SGD",
    "Adam",
    "Augment",
    "Cosine",
    "Dataset",
    "Optimiser",
    "Recipe",
    "Result",
    "Schedule",
    "Score",
    "Steps",
    "dataset_splits",
    "open_dataset",
    "train",
]
