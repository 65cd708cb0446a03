"""scikit-learn estimators: scattering transformers, and the classifier that goes well with them.

>>> from sklearn.datasets import load_digits
>>> from sklearn.pipeline import make_pipeline
>>> from groupscat.sklearn import AffinePCAClassifier, PathNormalizer, Scattering2D
>>> digits = load_digits()
>>> model = make_pipeline(Scattering2D(J=1, L=4), PathNormalizer(), AffinePCAClassifier(max_dimension=20))
>>> model.fit(digits.images[:500], digits.target[:500]).predict(digits.images[500:501]).shape
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
from groupscat.sklearn.angular import RotoTranslationScattering2D, ScaleRotationTranslationScattering2D
from groupscat.sklearn.joint import TimeFrequencyScattering
from groupscat.sklearn.normalize import PathNormalizer
from groupscat.sklearn.recipes import RescaledMean, object_recognition, textures, yuv
from groupscat.sklearn.transformers import HarmonicScattering3D, Scattering1D, Scattering2D, Scattering3D

__all__ = [
    "AffinePCAClassifier",
    "HarmonicScattering3D",
    "PathNormalizer",
    "RescaledMean",
    "RotoTranslationScattering2D",
    "ScaleRotationTranslationScattering2D",
    "Scattering1D",
    "Scattering2D",
    "Scattering3D",
    "TimeFrequencyScattering",
    "object_recognition",
    "textures",
    "yuv",
]
