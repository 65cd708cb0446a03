"""Affine PCA per class: the classifier of Bruna & Mallat 2013 for scattering coefficients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.extmath import randomized_svd
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

#: Where both sides of a class's matrix are longer, its directions come from a randomised SVD.
EXACT = 1500
#: Passes of that SVD; its directions then agree with the exact ones in all that matters to a residual.
POWER_ITERATIONS = 4
#: Variances below this part of a class's largest are rounding.
NEGLIGIBLE = 1e-10
#: Numbers in one block of rows.
BLOCK = 1 << 23

Floats = NDArray[np.floating[Any]]
Rows = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class AffineSpace:
    """The mean of a class, (features,), and its leading directions, (k, features), orthonormal rows."""

    mean: Floats
    directions: Floats

    def residuals(self, X: Floats, dimension: int) -> NDArray[np.float64]:
        """‖x − mean − projection‖² for every dimension 0 … ``dimension``, shape (n, dimension + 1).

        A class with fewer directions keeps the residual of all it has.
        """
        centred = X - self.mean
        squares = np.square(centred @ self.directions[:dimension].T).astype(np.float64)
        gained = np.zeros((len(X), dimension + 1))
        gained[:, 1 : 1 + squares.shape[1]] = squares
        total = np.square(centred, out=centred).sum(axis=1, dtype=np.float64)
        return np.asarray(total[:, None] - np.cumsum(gained, axis=1))


class AffinePCAClassifier(ClassifierMixin, BaseEstimator):
    """Each class is an affine space, its mean plus leading principal directions; the nearest one wins.

    Parameters
    ----------
    dimension : of the affine spaces, the same for all classes; None: chosen by cross-validation on the
        training set. A class with n rows has at most n − 1 directions.
    max_dimension : the largest dimension tried.
    cv : number of stratified folds, or an object with ``split(X, y)``.
    random_state : of the folds and of the randomised SVD (an int, a RandomState or None).

    Attributes
    ----------
    classes_ : labels. means_ : (n_classes, n_features). directions_ : per class (k, n_features), k ≤
    dimension_. dimension_ : the one used. cv_errors_ : (largest tried + 1,) error, a fraction, of each
    dimension in the cross-validation; only where the dimension was chosen.

    One decomposition per class and fold gives the residuals of all dimensions at once. float32 stays
    float32, and no copy larger than one class is made: 60,000 rows of 3,500 features take about 2 GB.

    >>> from sklearn.datasets import load_digits
    >>> x, y = load_digits(return_X_y=True)
    >>> model = AffinePCAClassifier(max_dimension=30).fit(x[:1000], y[:1000])
    >>> bool(model.score(x[1000:], y[1000:]) > 0.94)
    True

    Source: Bruna & Mallat 2013, section 4.1.
    """

    def __init__(
        self,
        dimension: int | None = None,
        max_dimension: int = 256,
        cv: Any = 5,
        random_state: Any = 0,
    ) -> None:
        self.dimension = dimension
        self.max_dimension = max_dimension
        self.cv = cv
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Fit an affine space to the rows of each class.

        Parameters
        ----------
        X : (n, n_features), float32 or float64. y : (n,) labels.

        Raises
        ------
        ValueError : fewer than two classes, or a dimension that is not an int ≥ 0.
        """
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        if self.dimension is not None:
            _natural("dimension", self.dimension)
        _natural("max_dimension", self.max_dimension)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            only = self.classes_.tolist()[0]
            raise ValueError(f"y has one class only, {only!r}; there is nothing to tell apart.")
        random = check_random_state(self.random_state)
        if self.dimension is None:
            largest = _largest(codes, X.shape[1], self.max_dimension)
            self.cv_errors_ = self._cross_validate(X, y, codes, largest, random)
            self.dimension_ = int(np.argmin(self.cv_errors_))
        else:
            self.dimension_ = int(self.dimension)
        spaces = affine_spaces(X, codes, range(len(self.classes_)), self.dimension_, random)
        self.means_ = np.stack([space.mean for space in spaces])
        self.directions_ = [space.directions for space in spaces]
        return self

    def _cross_validate(
        self, X: Floats, y: NDArray[Any], codes: Rows, largest: int, random: Any
    ) -> NDArray[np.float64]:
        """The error of each dimension 0 … largest over all folds."""
        wrong, seen = np.zeros(largest + 1), 0
        for training, validation in _splits(self.cv, X, y, codes, random):
            present = np.unique(codes[training])
            own = np.full(len(codes), -1)
            own[training] = codes[training]
            spaces = affine_spaces(X, own, present, largest, random)
            for rows, residuals in residuals_of_all_dimensions(spaces, X, validation, largest):
                nearest = present[np.argmin(residuals, axis=0)]
                wrong += (nearest != codes[rows][:, None]).sum(axis=0)
            seen += len(validation)
        return wrong / max(1, seen)

    def residuals(self, X: Any) -> NDArray[np.float64]:
        """Squared distances to the affine space of each class, shape (n, n_classes)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        spaces = [AffineSpace(m, v) for m, v in zip(self.means_, self.directions_, strict=True)]
        out = np.empty((len(X), len(spaces)))
        for rows, found in residuals_of_all_dimensions(spaces, X, np.arange(len(X)), self.dimension_):
            out[rows] = found[:, :, -1].T
        return out

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Minus the squared distance to each class, (n, n_classes); of two classes the first's distance
        minus the second's, (n,), positive for ``classes_[1]``."""
        residuals = self.residuals(X)
        return residuals[:, 0] - residuals[:, 1] if len(self.classes_) == 2 else -residuals

    def predict(self, X: Any) -> NDArray[Any]:
        """The class of the nearest affine space, (n,)."""
        residuals = self.residuals(X)
        nearest: NDArray[Any] = self.classes_[np.argmin(residuals, axis=1)]
        return nearest


def affine_spaces(
    X: Floats, codes: Rows, classes: Iterable[int], dimension: int, random: Any = 0
) -> list[AffineSpace]:
    """The affine space of at most ``dimension`` directions of the rows of each class, ``codes == class``."""
    return [_affine_space(X, np.flatnonzero(codes == c), dimension, random) for c in classes]


def _affine_space(X: Floats, rows: Rows, dimension: int, random: Any) -> AffineSpace:
    mean = sum(X[part].sum(axis=0, dtype=np.float64) for part in _parts(rows, X.shape[1])) / len(rows)
    mean = mean.astype(X.dtype)
    count = min(dimension, len(rows) - 1, X.shape[1])
    if count < 1:
        return AffineSpace(mean, np.empty((0, X.shape[1]), X.dtype))
    if min(len(rows), X.shape[1]) > max(EXACT, 2 * count):
        # The sign of a direction is free, so nothing is spent on fixing it.
        _, values, directions = randomized_svd(
            X[rows] - mean,
            count,
            n_oversamples=10 + count // 4,
            n_iter=POWER_ITERATIONS,
            flip_sign=False,
            random_state=random,
        )
        return AffineSpace(mean, directions[values**2 > NEGLIGIBLE * values[0] ** 2])
    return AffineSpace(mean, _exact_directions(X, rows, mean, count))


def _exact_directions(X: Floats, rows: Rows, mean: Floats, count: int) -> Floats:
    """From the smaller of the products A Aᵀ and AᵀA of the centred rows A, in float64."""
    if len(rows) <= X.shape[1]:
        A = X[rows].astype(np.float64) - mean
        variances, vectors = _leading(A @ A.T, count)
        directions = (vectors / np.sqrt(variances)).T @ A
    else:
        covariance = np.zeros((X.shape[1], X.shape[1]))
        for part in _parts(rows, X.shape[1]):
            A = X[part].astype(np.float64) - mean
            covariance += A.T @ A
        variances, vectors = _leading(covariance, count)
        directions = vectors.T
    return np.ascontiguousarray(directions, X.dtype)


def _leading(product: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The largest eigenvalues, decreasing, that are not rounding, and their vectors as columns."""
    size = len(product)
    values, vectors = scipy.linalg.eigh(product, subset_by_index=(size - count, size - 1))
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = values > max(NEGLIGIBLE * values[0], 0)
    return values[kept], vectors[:, kept]


def residuals_of_all_dimensions(
    spaces: Sequence[AffineSpace], X: Floats, rows: Rows, dimension: int
) -> Iterator[tuple[Rows, NDArray[np.float64]]]:
    """Blocks of rows, each with its residuals, shape (spaces, rows, dimension + 1)."""
    per_row = max(X.shape[1], len(spaces) * (dimension + 1))
    for part in _parts(rows, per_row):
        yield part, np.stack([space.residuals(X[part], dimension) for space in spaces])


def _parts(rows: Rows, per_row: int) -> list[Rows]:
    step = max(1, BLOCK // per_row)
    return [rows[k : k + step] for k in range(0, len(rows), step)]


def _natural(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise ValueError(f"{name}={value!r}: expected an int >= 0.")


def _largest(codes: Rows, features: int, most: int) -> int:
    return min(most, features, int(np.bincount(codes).max()) - 1)


def _splits(cv: Any, X: Floats, y: NDArray[Any], codes: Rows, random: Any) -> Iterable[tuple[Rows, Rows]]:
    """(training, validation) rows of each fold.

    Unlike scikit-learn's folds these take classes smaller than the number of folds: without rows to train
    on, such a class cannot be chosen in that fold.
    """
    if hasattr(cv, "split"):
        yield from cv.split(X, y)
        return
    if isinstance(cv, bool) or not isinstance(cv, int | np.integer) or cv < 2:
        raise ValueError(f"cv={cv!r}: expected an int >= 2, or an object with split(X, y).")
    counts = np.bincount(codes)
    folds = min(int(cv), int(counts.max()))
    fold = np.empty(len(codes), np.int64)
    first = 0
    for c, count in enumerate(counts):  # each class goes on where the one before has ended
        dealt = (first + np.arange(count)) % max(1, folds)
        fold[np.flatnonzero(codes == c)] = random.permutation(dealt)
        first += int(count)
    for k in range(folds if folds > 1 else 0):
        yield np.flatnonzero(fold != k), np.flatnonzero(fold == k)
