"""Published recipes as pipelines: object recognition and textures."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.validation import check_is_fitted

import groupscat as gs
from groupscat.sklearn.affine import AffinePCAClassifier
from groupscat.sklearn.angular import RotoTranslationScattering2D
from groupscat.sklearn.base import ScatteringTransformer

#: Weights of red, green and blue in the luminance Y.
LUMINANCE = (0.2126, 0.7152, 0.0722)


def yuv(X: Any) -> NDArray[Any]:
    """RGB images (n, 3, H, W) to luminance and two colour differences: Y, (B − Y)/1.8556, (R − Y)/1.5748.

    The differences are scaled to [−½, ½] for colours in [0, 1].

    Raises
    ------
    ShapeError : X has no axis of three colours.

    >>> yuv(np.ones((1, 3, 2, 2)))[0, :, 0, 0].round(12).tolist()
    [1.0, 0.0, 0.0]

    Source: ITU-R BT.709.
    """
    X = np.asarray(X)
    if X.ndim != 4 or X.shape[1] != 3:
        raise gs.ShapeError(f"X has shape {X.shape}; expected RGB images (n, 3, H, W).")
    dtype = X.dtype if X.dtype.kind == "f" else np.dtype(np.float64)
    red, green, blue = LUMINANCE
    to_yuv = np.array([[red, green, blue], [-red, -green, 1 - blue], [1 - red, -green, -blue]])
    to_yuv /= np.array([1.0, 2 * (1 - blue), 2 * (1 - red)])[:, None]
    return np.einsum("ij,njhw->nihw", to_yuv.astype(dtype), X.astype(dtype, copy=False))


def object_recognition(
    J: int = 4, L: int = 8, K: int = 2, *, backend: str | None = None, device: str | None = None
) -> Pipeline:
    """Features of colour images for objects: YUV, separable roto-translation scattering, log, standardised.

    Takes RGB images (n, 3, H, W), gives (n, features); put a classifier behind it. Published: CIFAR-10
    enlarged to 64², J = 4, feature selection and a Gaussian support vector machine, 82.3 %.

    >>> from sklearn.linear_model import LogisticRegression
    >>> model = make_pipeline(object_recognition(J=2, L=4), LogisticRegression())

    Source: Oyallon & Mallat 2015, section 4.
    """
    scattering = RotoTranslationScattering2D(J, L=L, K=K, group="separable", log=True)
    scattering.set_params(backend=backend, device=device)
    return make_pipeline(FunctionTransformer(yuv), scattering, StandardScaler())


class RescaledMean(TransformerMixin, BaseEstimator):
    """The mean of the features of an image and of smaller copies of it: little depends on its scale then.

    Parameters
    ----------
    transformer : pools its features over space, so that their number does not depend on the size.
    rescalings : number of sizes, the first one the image itself. factor : between two sizes.

    Attributes
    ----------
    transformers_ : one per size, fitted.

    >>> from groupscat.sklearn import Scattering2D
    >>> features = RescaledMean(Scattering2D(J=2, L=4, pool=True), rescalings=3)
    >>> features.fit_transform(np.ones((2, 32, 32))).shape
    (2, 25)

    Source: Sifre & Mallat 2013, section 4.
    """

    def __init__(
        self, transformer: ScatteringTransformer, rescalings: int = 4, factor: float = 2**0.5
    ) -> None:
        self.transformer = transformer
        self.rescalings = rescalings
        self.factor = factor

    def fit(self, X: Any, y: Any = None) -> Self:
        """Build an operator per size for images like X, (n, ..., H, W)."""
        if self.rescalings < 1 or self.factor <= 1:
            raise gs.ArgumentError(
                f"rescalings={self.rescalings}, factor={self.factor}: expected at least 1 size, and a "
                "factor > 1."
            )
        first = np.asarray(X)[:1]
        self.transformers_ = [clone(self.transformer).fit(smaller(first, s)) for s in self._sizes]
        return self

    def transform(self, X: Any) -> NDArray[Any]:
        """The mean over the sizes, (n, features)."""
        check_is_fitted(self)
        X = np.asarray(X)
        parts = [t.transform(smaller(X, s)) for t, s in zip(self.transformers_, self._sizes, strict=True)]
        return np.mean(parts, axis=0)

    @property
    def _sizes(self) -> list[float]:
        return [float(self.factor) ** k for k in range(self.rescalings)]


def smaller(X: NDArray[Any], factor: float) -> NDArray[Any]:
    """Images (..., H, W) at 1/factor of their size, smoothed first as that needs.

    >>> smaller(np.ones((3, 32, 20)), 2).shape
    (3, 16, 10)
    """
    if factor == 1:
        return X
    lead = (0.0,) * (X.ndim - 2)
    blur = 0.5 * (factor**2 - 1) ** 0.5
    smooth = ndimage.gaussian_filter(X, (*lead, blur, blur), mode="reflect")
    zoom = [1.0] * (X.ndim - 2) + [round(n / factor) / n for n in X.shape[-2:]]
    return np.asarray(ndimage.zoom(smooth, zoom, order=3, mode="reflect", grid_mode=True))


def textures(
    transformer: ScatteringTransformer | None = None,
    *,
    rescalings: int = 4,
    dimension: int | None = None,
    random_state: Any = 0,
) -> Pipeline:
    """Classifier of textures: log, mean over space and over rescalings by √2, an affine space per class.

    Takes grey images (n, H, W) whose smallest copy still holds 2^J pixels. ``transformer``: by default
    roto-translation scattering with J = 5; ``dimension`` of the spaces: None for cross-validation.

    >>> model = textures(rescalings=2)

    Source: Sifre & Mallat 2013, section 5.
    """
    transformer = transformer or RotoTranslationScattering2D(J=5, log=True, pool=True)
    classifier = AffinePCAClassifier(dimension, random_state=random_state)
    return make_pipeline(RescaledMean(transformer, rescalings), classifier)
