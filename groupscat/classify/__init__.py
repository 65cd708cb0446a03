"""From features and labels to a classifier, its error and a file that predicts.

>>> import groupscat.classify as gc
>>> sorted(gc.METHODS)
['affine-pca', 'logistic', 'svm']

Needs scikit-learn, models in files skops: ``pip install "groupscat[sklearn]"``.
"""

from groupscat.classify.methods import METHODS, Settings
from groupscat.classify.model import Model, load_model
from groupscat.classify.rows import Options
from groupscat.classify.run import Protocol, Result, classify

__all__ = ["METHODS", "Model", "Options", "Protocol", "Result", "Settings", "classify", "load_model"]
