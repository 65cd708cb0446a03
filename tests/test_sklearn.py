"""Estimators for scikit-learn: its own checks, affine PCA by definition, transformers."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import parametrize_with_checks

from groupscat.sklearn import AffinePCAClassifier, PathNormalizer, affine

X, y = load_digits(return_X_y=True)


def slow_residuals(training, labels, x, dimension):
    """‖x − mean − Σ_k ⟨x − mean, v_k⟩ v_k‖² by NumPy's SVD, one row and class at a time."""
    out = np.empty((len(x), len(np.unique(labels))))
    for column, c in enumerate(np.unique(labels)):
        rows = training[labels == c]
        mean = rows.mean(axis=0)
        directions = np.linalg.svd(rows - mean)[2][: min(dimension, len(rows) - 1)]
        for k, row in enumerate(x):
            left = row - mean
            for v in directions:
                left = left - (left @ v) * v
            out[k, column] = left @ left
    return out


@parametrize_with_checks([PathNormalizer(), AffinePCAClassifier(), AffinePCAClassifier(dimension=0)])
def test_checks_of_scikit_learn(estimator, check):
    check(estimator)


class TestAffinePCA:
    @pytest.mark.parametrize("dimension", [0, 1, 7, 40])
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_definition(self, dimension, dtype):
        x, labels = X[:300], y[:300]
        model = AffinePCAClassifier(dimension=dimension).fit(x.astype(dtype), labels)
        expected = slow_residuals(x, labels, X[300:340], dimension)
        found = model.residuals(X[300:340].astype(dtype))
        tolerance = {"float32": 1e-5, "float64": 1e-11}[dtype]
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * expected.max())
        np.testing.assert_array_equal(model.predict(X[300:340].astype(dtype)), expected.argmin(axis=1))
        np.testing.assert_array_equal(model.decision_function(X[300:340]), -model.residuals(X[300:340]))
        assert model.means_.dtype == model.directions_[0].dtype == dtype

    def test_all_dimensions_at_once_are_the_single_ones(self):
        spaces = affine.affine_spaces(X[:200], y[:200], range(10), 12)
        blocks = affine.residuals_of_all_dimensions(spaces, X, np.arange(200, 230), 12)
        rows, found = next(iter(blocks))
        for d in range(13):
            expected = slow_residuals(X[:200], y[:200], X[rows], d)
            np.testing.assert_allclose(found[:, :, d].T, expected, rtol=0, atol=1e-11 * expected.max())

    def test_many_rows_and_few_features(self):
        """More rows than features: the covariance is decomposed."""
        model = AffinePCAClassifier(dimension=3).fit(X, y)
        expected = slow_residuals(X, y, X[:20], 3)
        np.testing.assert_allclose(model.residuals(X[:20]), expected, atol=1e-11 * expected.max())

    def test_randomised_directions_agree_with_exact_ones(self, monkeypatch):
        random = np.random.default_rng(0)
        x = random.normal(size=(400, 80)) * np.arange(1, 81) ** -1.0 @ random.normal(size=(80, 120))
        codes = np.zeros(400, int)
        exact = affine.affine_spaces(x, codes, [0], 20)[0].residuals(x, 20)
        monkeypatch.setattr(affine, "EXACT", 10)
        space = affine.affine_spaces(x, codes, [0], 20)[0]
        np.testing.assert_allclose(space.residuals(x, 20).mean(axis=0), exact.mean(axis=0), rtol=1e-3)
        np.testing.assert_allclose(space.directions @ space.directions.T, np.eye(20), atol=1e-10)

    def test_blocks_change_nothing(self, monkeypatch):
        whole = AffinePCAClassifier(max_dimension=10).fit(X[:300], y[:300])
        monkeypatch.setattr(affine, "BLOCK", 1000)
        parts = AffinePCAClassifier(max_dimension=10).fit(X[:300], y[:300])
        np.testing.assert_array_equal(whole.cv_errors_, parts.cv_errors_)
        np.testing.assert_allclose(whole.residuals(X), parts.residuals(X), atol=1e-9)

    def test_dimension_by_cross_validation(self):
        """The same errors as a model per fold and dimension."""
        from sklearn.model_selection import StratifiedKFold

        folds = StratifiedKFold(3, shuffle=True, random_state=1)
        model = AffinePCAClassifier(max_dimension=6, cv=folds).fit(X[:300], y[:300])
        wrong = np.zeros(7)
        for train, test in folds.split(X[:300], y[:300]):
            for d in range(7):
                fitted = AffinePCAClassifier(dimension=d).fit(X[train], y[train])
                wrong[d] += (fitted.predict(X[test]) != y[test]).sum()
        np.testing.assert_allclose(model.cv_errors_, wrong / 300)
        assert model.dimension_ == wrong.argmin()

    def test_small_classes(self):
        """One row is a point; a class smaller than the number of folds does not stop the others."""
        rows = np.r_[np.flatnonzero(y == 0)[:20], np.flatnonzero(y == 1)[:3], np.flatnonzero(y == 2)[:1]]
        model = AffinePCAClassifier().fit(X[rows], y[rows])
        assert [len(v) for v in model.directions_] == [min(model.dimension_, n - 1) for n in (20, 3, 1)]
        np.testing.assert_array_equal(model.predict(X[rows[-1:]]), [2])
        single = AffinePCAClassifier().fit(X[:2], y[:2])
        assert single.dimension_ == 0

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"dimension": -1}, "dimension=-1: expected an int >= 0"),
            ({"dimension": 1.5}, "dimension=1.5"),
            ({"max_dimension": None}, "max_dimension=None"),
            ({"cv": 1}, "cv=1: expected an int >= 2"),
        ],
    )
    def test_wrong_arguments(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            AffinePCAClassifier(**arguments).fit(X[:50], y[:50])


class TestPathNormalizer:
    def test_definition(self):
        x = np.random.default_rng(0).normal(size=(7, 12))
        norms = np.linalg.norm(x.reshape(7, 3, 4), axis=2).max(axis=0)
        found = PathNormalizer(paths=3).fit_transform(x)
        np.testing.assert_allclose(found, (x.reshape(7, 3, 4) / norms[:, None]).reshape(7, 12))
        shuffled = np.random.default_rng(1).permutation(12)
        path = np.repeat([7, -2, 5], 4)[shuffled]
        again = PathNormalizer(paths=path).fit_transform(x[:, shuffled])
        np.testing.assert_allclose(again, found[:, shuffled])
        np.testing.assert_allclose(PathNormalizer().fit_transform(x), x / np.abs(x).max(axis=0))

    def test_zero_paths_single_precision_and_place(self):
        x = np.zeros((3, 4), np.float32)
        x[0, 2] = 2
        model = PathNormalizer(paths=2, copy=False).fit(x)
        assert model.scale_.tolist() == [1, 1, 2, 2]
        assert model.scale_.dtype == np.float32
        assert model.transform(x) is x
        assert x[0, 2] == 1

    def test_inverse(self):
        x = np.random.default_rng(0).normal(size=(7, 12))
        model = PathNormalizer(paths=4).fit(x)
        np.testing.assert_allclose(model.inverse_transform(model.transform(x)), x)

    @pytest.mark.parametrize(
        ("paths", "message"), [(5, "paths=5: X has 64 features"), (0, "paths=0"), ([0, 1], r"shape \(2,\)")]
    )
    def test_wrong_paths(self, paths, message):
        with pytest.raises(ValueError, match=message):
            PathNormalizer(paths=paths).fit(X)
