"""scikit-learn estimators around scattering.

>>> from sklearn.datasets import load_digits
>>> from sklearn.pipeline import make_pipeline
>>> from groupscat.sklearn import AffinePCAClassifier, PathNormalizer
>>> digits = load_digits()
>>> model = make_pipeline(PathNormalizer(), AffinePCAClassifier(max_dimension=20))
>>> model.fit(digits.data[:500], digits.target[:500]).predict(digits.data[500:501]).shape
(1,)

Needs scikit-learn: ``pip install "groupscat[sklearn]"``.
"""

try:
    import sklearn as _sklearn  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "sklearn":
        raise
    raise ImportError('groupscat.sklearn needs scikit-learn: pip install "groupscat[sklearn]"') from error

from groupscat.sklearn.affine import AffinePCAClassifier
from groupscat.sklearn.normalize import PathNormalizer

__all__ = ["AffinePCAClassifier", "PathNormalizer"]
