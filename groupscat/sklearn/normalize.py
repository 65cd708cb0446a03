"""Each path divided by the largest norm it takes on the training set (Bruna & Mallat 2013)."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

#: Numbers squared at a time.
BLOCK = 1 << 22


class PathNormalizer(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Divides every path by max_i ‖S_p x_i‖, its largest Euclidean norm over the rows it is fitted on.

    Parameters
    ----------
    paths : which features belong to one path. None: every feature is a path of its own. An int: that
        many paths, each an equal run of consecutive features, which is what (n, paths, *grid) gives when
        it is flattened to (n, paths · grid). An array (n_features,): the path of each feature.
    copy : False divides the given array in place (saves its memory).

    Attributes
    ----------
    scale_ : (n_features,), what each feature is divided by; 1 where a path is zero in every row.

    Raises
    ------
    ValueError : the features are no multiple of ``paths``, or not as many as it has elements.

    >>> import numpy as np
    >>> x = np.array([[3.0, 4.0, 1.0, 0.0], [0.0, 1.0, 0.0, 2.0]])
    >>> PathNormalizer(paths=2).fit_transform(x)
    array([[0.6, 0.8, 0.5, 0. ],
           [0. , 0.2, 0. , 1. ]])
    """

    def __init__(self, paths: int | ArrayLike | None = None, copy: bool = True) -> None:
        self.paths = paths
        self.copy = copy

    def fit(self, X: Any, y: Any = None) -> Self:
        """Measure the largest norm of each path on the rows of X, shape (n, n_features)."""
        X = validate_data(self, X, dtype=[np.float64, np.float32])
        path = path_of_feature(self.paths, X.shape[1])
        order = np.argsort(path, kind="stable")
        starts = np.flatnonzero(np.diff(path[order], prepend=path[order[0]] - 1))
        sorted_already = bool((np.diff(path) >= 0).all())
        largest = np.zeros(len(starts))
        step = max(1, BLOCK // X.shape[1])
        for first in range(0, len(X), step):
            block = X[first : first + step].astype(np.float64)
            squares = np.square(block, out=block) if sorted_already else np.square(block)[:, order]
            largest = np.maximum(largest, np.add.reduceat(squares, starts, axis=1).max(axis=0))
        norm = np.sqrt(largest)
        norm[norm == 0] = 1
        sizes = np.diff(starts, append=X.shape[1])
        scale = np.empty(X.shape[1])
        scale[order] = np.repeat(norm, sizes)
        self.scale_ = scale.astype(X.dtype)
        return self

    def transform(self, X: Any) -> Any:
        """X / scale_, the type of X."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32], copy=self.copy)
        X /= self.scale_.astype(X.dtype)
        return X

    def inverse_transform(self, X: Any) -> Any:
        """X · scale_."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32], copy=self.copy)
        X *= self.scale_.astype(X.dtype)
        return X

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def path_of_feature(paths: int | ArrayLike | None, features: int) -> NDArray[Any]:
    """The path of each feature, shape (features,), as :class:`PathNormalizer` understands ``paths``."""
    if paths is None:
        return np.arange(features)
    if np.ndim(paths) == 0:
        count = int(paths)  # type: ignore[arg-type]
        if count < 1 or features % count:
            raise ValueError(
                f"paths={paths!r}: X has {features} features, which are not {count} paths of equal size. "
                "Pass the number of paths, or an array with the path of each feature."
            )
        return np.repeat(np.arange(count), features // count)
    path = np.asarray(paths)
    if path.shape != (features,):
        raise ValueError(
            f"paths has shape {path.shape}, but X has {features} features; it needs one element for each."
        )
    return np.unique(path, return_inverse=True)[1].reshape(-1)
