"""Estimators for scikit-learn: its own checks, affine PCA by definition, transformers."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import parametrize_with_checks

import groupscat as gs
from groupscat.sklearn import (
    AffinePCAClassifier,
    HarmonicScattering3D,
    PathNormalizer,
    Scattering1D,
    Scattering2D,
    Scattering3D,
    TimeFrequencyScattering,
    affine,
)

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


#: Checks that send tables of 1 to 10 columns, whatever they look for.
FLAT = [
    "check_dict_unchanged",
    "check_dont_overwrite_parameters",
    "check_dtype_object",
    "check_estimators_dtypes",
    "check_estimators_fit_returns_self",
    "check_estimators_nan_inf",
    "check_estimators_overwrite_params",
    "check_estimators_pickle",
    "check_f_contiguous_array_estimator",
    "check_fit2d_1feature",
    "check_fit2d_1sample",
    "check_fit2d_predict1d",
    "check_fit_check_is_fitted",
    "check_fit_idempotent",
    "check_fit_score_takes_y",
    "check_methods_sample_order_invariance",
    "check_methods_subset_invariance",
    "check_n_features_in",
    "check_n_features_in_after_fitting",
    "check_pipeline_consistency",
    "check_positive_only_tag_during_fit",
    "check_readonly_memmap_input",
    "check_transformer_data_not_an_array",
    "check_transformer_general",
    "check_transformer_preserve_dtypes",
]


def does_not_apply(estimator):
    """The code that these look at is the one of Scattering1D, which passes them all."""
    if isinstance(estimator, Scattering2D | Scattering3D | HarmonicScattering3D):
        reason = "rows of a few numbers are no images or volumes of the shape that flat input needs"
        return dict.fromkeys(FLAT, reason)
    return {}


@parametrize_with_checks(
    [
        PathNormalizer(),
        AffinePCAClassifier(),
        AffinePCAClassifier(dimension=0),
        Scattering1D(),
        Scattering1D(J=1, pool=True, log=True, batch_size=7),
        TimeFrequencyScattering(J=1, Q=2, pool=True, log=True, batch_size=7),
        Scattering2D(),
        Scattering3D(),
        HarmonicScattering3D(),
    ],
    expected_failed_checks=does_not_apply,
)
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


IMAGES = load_digits().images


class TestTransformers:
    def test_nested_lists(self):
        X = np.random.default_rng(0).normal(size=(3, 8, 8))
        expected = Scattering2D(J=1).fit_transform(X)
        np.testing.assert_array_equal(Scattering2D(J=1).fit_transform(X.tolist()), expected)

    @pytest.mark.parametrize("size", [0, 2.5, "many"])
    def test_batch_sizes_that_are_none(self, size):
        with pytest.raises(gs.ArgumentError, match=r"batch_size=.*expected an int >= 1"):
            Scattering2D(J=1, batch_size=size).fit(np.zeros((3, 8, 8)))

    @pytest.mark.parametrize(
        ("transformer", "operator", "shape", "arguments"),
        [
            (Scattering1D, gs.Scattering1D, (64,), {"J": 3, "Q": 2}),
            (Scattering1D, gs.Scattering1D, (64,), {"J": 2, "T": 8, "stride": 4, "padding": "zero"}),
            (
                TimeFrequencyScattering,
                gs.TimeFrequencyScattering,
                (128,),
                {"J": 4, "J_fr": 2, "Q": 4, "exclude": "order 0", "padding": "circular"},
            ),
            (
                TimeFrequencyScattering,
                gs.TimeFrequencyScattering,
                (128,),
                {"J": 4, "J_fr": 2, "Q": (4, 2), "F": "global", "Q_fr": 2, "format": "joint"},
            ),
            (
                TimeFrequencyScattering,
                gs.TimeFrequencyScattering,
                (128,),
                {"J": 4, "J_fr": 2, "Q": 4, "T": 8, "stride_fr": 1, "format": "joint", "rows": "valid"},
            ),
            (Scattering2D, gs.Scattering2D, (8, 10), {"J": 1, "L": 4, "max_order": 1}),
            (Scattering2D, gs.Scattering2D, (8, 8), {"J": 2, "rho": "rectifier", "phases": 2, "L": 2}),
            (Scattering2D, gs.Scattering2D, (8, 8), {"J": 1, "T": "global", "method": "cascade"}),
            (Scattering3D, gs.Scattering3D, (4, 4, 6), {"J": 1, "normalize": "littlewood-paley"}),
            (HarmonicScattering3D, gs.HarmonicScattering3D, (4, 6, 4), {"J": 1, "L": 1}),
            (HarmonicScattering3D, gs.HarmonicScattering3D, (8, 8, 8), {"J": 1, "order_0": True, "T": 4}),
        ],
    )
    def test_values_shapes_and_names(self, transformer, operator, shape, arguments):
        x = np.random.default_rng(0).normal(size=(5, 2, *shape))
        S = operator(shape=shape, **arguments)
        expected = S(x).reshape(5, -1)
        model = transformer(**arguments, batch_size=2).fit(x)
        np.testing.assert_allclose(model.transform(x), expected, rtol=1e-12, atol=1e-14)
        names = model.get_feature_names_out()
        assert len(names) == len(set(names)) == expected.shape[1]
        assert names[0].startswith("c0_order")
        flat = transformer(**arguments, shape=shape).fit(x[:, 0].reshape(5, -1))
        again = flat.transform(x[:, 0].reshape(5, -1))
        np.testing.assert_allclose(again, expected[:, : expected.shape[1] // 2], rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(flat.transform(x[:, 0]), again)
        assert flat.n_features_in_ == np.prod(shape)

    def test_names_follow_the_paths(self):
        model = Scattering2D(J=2, L=3).fit(IMAGES)
        y = model.transform(IMAGES[:3])
        names = model.get_feature_names_out().tolist()
        S = gs.Scattering2D(J=2, shape=(8, 8), L=3)
        (row,) = S.paths.select(j=(0, 1), theta=(2, 1))
        column = names.index("order2_j0-1_theta2-1_at1-0")
        np.testing.assert_allclose(y[:, column], S(IMAGES[:3])[:, row, 1, 0])
        names = Scattering1D(J=2, Q=2).fit(X).get_feature_names_out().tolist()
        assert {"order0_at0", "order1_j0_n0_at3"} <= set(names)
        sounds = np.random.default_rng(0).normal(size=(2, 256))
        for arguments, name, place in (
            ({}, "order2_n8-4_nfr5_spin-1_at1", {"n": (8, 4), "n_fr": 5}),
            ({"format": "joint"}, "order2_n3_nfr5_spin-1_at2-1", {"n": (3,), "n_fr": 5}),
        ):
            model = TimeFrequencyScattering(J=4, J_fr=3, Q=4, **arguments).fit(sounds)
            names = model.get_feature_names_out().tolist()
            S = model.operator_
            (row,) = S.paths.select(order=2, **place)
            at = tuple(int(k) for k in name.rpartition("at")[2].split("-"))
            y = model.transform(sounds)
            np.testing.assert_allclose(y[:, names.index(name)], S(sounds)[(slice(None), row, *at)])
        volumes = np.zeros((1, 4, 4, 4))
        names = HarmonicScattering3D(J=1, L=1).fit(volumes).get_feature_names_out()
        assert "order2_j0-1_l1_q0.5" in names

    def test_pool_and_log(self):
        y = gs.Scattering2D(J=1, shape=(8, 8), L=2)(IMAGES[:4])
        found = Scattering2D(J=1, L=2, pool=True).fit_transform(IMAGES[:4])
        np.testing.assert_allclose(found, y.mean(axis=(-2, -1)))
        model = Scattering2D(J=1, L=2, pool=True, log=True)
        found = model.fit_transform(IMAGES[:4])
        np.testing.assert_allclose(found, np.log(np.abs(y) + 1e-6).mean(axis=(-2, -1)))
        assert model.get_feature_names_out().tolist()[:2] == ["order0", "order1_j0_theta0"]

    def test_precision_and_integers(self):
        model = Scattering2D(J=1)
        assert model.fit_transform(IMAGES[:2].astype(np.float32)).dtype == np.float32
        small = model.fit_transform(IMAGES[:2].astype(np.uint8))
        assert small.dtype == np.float32
        np.testing.assert_allclose(small, model.fit_transform(IMAGES[:2]), rtol=1e-5, atol=1e-5)

    def test_another_backend(self):
        pytest.importorskip("torch")
        expected = Scattering2D(J=1).fit_transform(IMAGES[:5])
        found = Scattering2D(J=1, backend="torch", device="cpu").fit_transform(IMAGES[:5])
        assert type(found) is np.ndarray
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)

    def test_pipeline_grid_search_and_pickle(self):
        import pickle

        from sklearn.linear_model import RidgeClassifier
        from sklearn.model_selection import GridSearchCV
        from sklearn.pipeline import make_pipeline

        pipeline = make_pipeline(Scattering2D(L=4, shape=(8, 8)), RidgeClassifier())
        search = GridSearchCV(pipeline, {"scattering2d__J": [1, 2]}, cv=3, error_score="raise")
        search.fit(X[:200], y[:200])
        assert search.best_params_["scattering2d__J"] in (1, 2)
        assert search.score(X[200:400], y[200:400]) > 0.85
        again = pickle.loads(pickle.dumps(search.best_estimator_))
        np.testing.assert_array_equal(again.predict(X[200:]), search.predict(X[200:]))

    def test_clone_and_parameters(self):
        from sklearn.base import clone

        model = Scattering1D(J=3, Q=(4, 1), backend="torch")
        assert clone(model).get_params() == model.get_params()
        assert model.set_params(J=2).J == 2

    def test_pandas(self):
        pandas = pytest.importorskip("pandas")
        model = Scattering2D(J=1, L=2, shape=(8, 8)).set_output(transform="pandas")
        table = model.fit_transform(pandas.DataFrame(X[:3], columns=[f"pixel{k}" for k in range(64)]))
        assert table.columns[0] == "order0_at0-0"
        assert table.shape == (3, 48)
        assert model.feature_names_in_[0] == "pixel0"

    @pytest.mark.parametrize(
        ("model", "x", "message"),
        [
            (Scattering2D(), X, r"X has shape \(1797, 64\): its signals are flat. Pass Scattering2D\(shape="),
            (Scattering2D(shape=(8, 9)), X, "72 numbers, but X has 64 features"),
            (Scattering2D(shape=(8, 9)), IMAGES, r"X has shape \(1797, 8, 8\), whose signals are \(8, 8\)"),
            (Scattering3D(), IMAGES, r"needs signals of 3 axes"),
            (Scattering2D(J=5), IMAGES, "J=5: .* use J ≤ 3"),
            (Scattering2D(J=2, T=0), IMAGES, "common stride"),
            (Scattering2D(batch_size=0), IMAGES, "batch_size=0"),
            (Scattering2D(), IMAGES * 1j, "Complex data not supported"),
            (Scattering2D(), np.full((2, 8, 8), np.nan), "contains NaN"),
        ],
    )
    def test_wrong_input(self, model, x, message):
        with pytest.raises(ValueError, match=message):
            model.fit(x)

    def test_after_fit(self):
        from sklearn.exceptions import NotFittedError

        with pytest.raises(NotFittedError):
            Scattering2D().transform(IMAGES)
        with pytest.raises(NotFittedError):
            Scattering2D().get_feature_names_out()
        model = Scattering2D(J=1).fit(IMAGES)
        with pytest.raises(ValueError, match="expecting 64 features"):
            model.transform(IMAGES[:, :7])
        with pytest.raises(gs.ShapeError, match=r"trailing shape \(4, 16\)"):
            model.transform(IMAGES.reshape(-1, 4, 16))
        with pytest.raises(gs.BackendError, match="no backend 'nothing'"):
            Scattering2D(backend="nothing").fit(IMAGES)
