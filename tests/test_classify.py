"""``groupscat classify`` and ``predict``: protocol, scores, models in files, what is refused."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import zipfile
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_digits

import groupscat as gs
from groupscat import cli
from groupscat.classify import METHODS, Options, Protocol, Settings, classify, load_model
from groupscat.classify.labels import read_labels
from groupscat.classify.methods import train, tuning_rows
from groupscat.classify.model import first_difference, paths_hash
from groupscat.classify.rows import read_rows
from groupscat.classify.scores import Scores, wilson
from groupscat.classify.split import check_classes, leave_one_out, stratified
from groupscat.data.source import Skipped
from groupscat.data.store import read_features
from groupscat.errors import ArgumentError, DataError

DIGITS = load_digits()
COUNT = 400
IMAGES = (DIGITS.images[:COUNT] / 16).astype(np.float32)
TARGET = DIGITS.target[:COUNT]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images with labels, and their features."""
    where = tmp_path_factory.mktemp("classify")
    speaker = np.array(["ann", "bob", "cy", "di"])[np.arange(COUNT) % 4]
    part = np.where(np.arange(COUNT) < 300, "train", "test")
    np.savez(where / "x.npz", x=IMAGES, y=TARGET, speaker=speaker, part=part)
    assert cli.main(["features", str(where / "x.npz"), "-o", str(where / "f.npz"), "-L", "4", "-q"]) == 0
    return where


@pytest.fixture(scope="module")
def store(folder):
    return read_features(folder / "f.npz")


@pytest.fixture
def run(capsys, folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        status = cli.main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def with_labels(store, **labels):
    return dataclasses.replace(store, labels={k: np.asarray(v) for k, v in labels.items()})


class TestProtocol:
    @pytest.mark.parametrize("method", METHODS)
    def test_learns_digits_and_repeats(self, store, method):
        first = classify(store, settings=Settings(method))
        assert first.scores.error < 0.1
        assert first.scores.n == pytest.approx(0.2 * COUNT, abs=5)
        again = classify(store, settings=Settings(method))
        np.testing.assert_array_equal(again.scores.confusion, first.scores.confusion)
        assert again.parts[0][2].parameters == first.parts[0][2].parameters
        other = classify(store, settings=Settings(method, seed=1))
        assert other.scores.confusion.sum(axis=1).tolist() == first.scores.confusion.sum(axis=1).tolist()

    @pytest.mark.parametrize("method", METHODS)
    def test_test_rows_are_never_seen(self, store, method):
        """Other labels and other features of the test rows: the same model, the same parameters."""
        protocol = Protocol(split="part")
        settings = Settings(method, tune_on=200)
        fitted = classify(store, labels="y", protocol=protocol, settings=settings)
        random = np.random.default_rng(0)
        labels, features = store.labels["y"].copy(), np.array(store.features)
        labels[300:] = random.permutation(labels[300:])
        features[300:] = random.permutation(features[300:]) * 1000
        changed = dataclasses.replace(store, labels=store.labels | {"y": labels}, features=features)
        other = classify(changed, labels="y", protocol=protocol, settings=settings)
        assert other.scores.error > 0.5 > fitted.scores.error
        ours, theirs = fitted.parts[0][2], other.parts[0][2]
        assert ours.parameters == theirs.parameters
        assert ours.tuned_error == theirs.tuned_error
        X = read_rows(store, Options()).X
        np.testing.assert_array_equal(
            fitted.model.pipeline.decision_function(X), other.model.pipeline.decision_function(X)
        )

    def test_the_control_a_change_of_training_rows_is_seen(self, store):
        labels = store.labels["y"].copy()
        labels[:300] = np.random.default_rng(0).permutation(labels[:300])
        changed = with_labels(store, **store.labels | {"y": labels})
        settings, protocol = Settings("affine-pca"), Protocol(split="part")
        found = classify(changed, labels="y", protocol=protocol, settings=settings)
        assert found.parts[0][2].tuned_error > 0.5

    def test_the_model_is_fitted_on_all_training_rows(self, store):
        result = classify(
            store, labels="y", protocol=Protocol(split="part"), settings=Settings("affine-pca", tune_on=50)
        )
        fitted = result.parts[0][2]
        assert fitted.tuned_on == pytest.approx(50, abs=10)
        X = read_rows(store, Options()).X[:300]
        normal = result.model.pipeline[0].transform(X)
        expected = np.stack([normal[TARGET[:300] == c].mean(axis=0) for c in range(10)])
        np.testing.assert_allclose(result.model.pipeline[1].means_, expected, atol=1e-6)

    def test_leave_one_group_out(self, store):
        settings = Settings("affine-pca")
        result = classify(store, labels="y", protocol=Protocol(group="speaker"), settings=settings)
        assert [part[0] for part in result.parts] == ["ann", "bob", "cy", "di"]
        assert result.scores.n == COUNT == sum(part[3].n for part in result.parts)
        assert result.scores.wrong == sum(part[3].wrong for part in result.parts)
        rows = read_rows(store, Options())
        keep = np.arange(COUNT) % 4 != 1
        alone = train(rows.X[keep], TARGET[keep], rows.paths, settings)
        wrong = (alone.pipeline.predict(rows.X[~keep]) != TARGET[~keep]).sum()
        assert result.parts[1][3].wrong == wrong

    def test_a_second_store(self, store):
        one, two = np.arange(COUNT) < 300, np.arange(COUNT) >= 300

        def part(rows):
            return dataclasses.replace(
                store,
                features=np.array(store.features)[rows],
                names=[n for n, r in zip(store.names, rows, strict=True) if r],
                labels={"y": TARGET[rows]},
            )

        found = classify(part(one), test=part(two), settings=Settings("affine-pca"))
        settings = Settings("affine-pca")
        same = classify(store, labels="y", protocol=Protocol(split="part"), settings=settings)
        np.testing.assert_array_equal(found.scores.confusion, same.scores.confusion)
        other = dataclasses.replace(part(two), config=store.config | {"transform": "Scattering1D"})
        with pytest.raises(DataError, match="differ from those to train on in transform"):
            classify(part(one), test=other)
        text = dataclasses.replace(part(two), labels={"y": TARGET[two].astype(str)})
        with pytest.raises(DataError, match="cannot equal"):
            classify(part(one), test=text)

    def test_normalize(self, store):
        pipelines = {
            name: classify(store, settings=Settings("logistic", name)).model.pipeline[0]
            for name in ("standard", "path", "none")
        }
        names = [type(p).__name__ for p in pipelines.values()]
        assert names == ["StandardScaler", "PathNormalizer", "FunctionTransformer"]
        assert pipelines["path"].paths == len(store.paths["order"])
        with pytest.raises(ArgumentError, match="--normalize l2"):
            classify(store, settings=Settings(normalize="l2"))

    def test_log_and_pool_belong_to_the_model(self, store):
        result = classify(store, options=Options(log=True, pool=True), settings=Settings("affine-pca"))
        S = gs.Scattering2D(J=1, L=4, shape=(8, 8))
        X = np.log(np.abs(S(IMAGES)) + 1e-6).mean(axis=(-2, -1))
        np.testing.assert_allclose(read_rows(store, result.model.options).X, X, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(result.model.predict(store), result.model.pipeline.predict(X))

    def test_stratified(self):
        labels = np.repeat([3, 5, 9], [50, 20, 3])
        split = stratified(labels, 0.2, seed=0)
        assert Counter(labels[split.test].tolist()) == {3: 10, 5: 4, 9: 1}
        assert sorted([*split.train, *split.test]) == list(range(73))
        np.testing.assert_array_equal(split.test, stratified(labels, 0.2, seed=0).test)
        assert split.test.tolist() != stratified(labels, 0.2, seed=1).test.tolist()

    def test_tuning_rows(self):
        labels = np.repeat([0, 1, 2], [900, 97, 3])
        rows = tuning_rows(labels, 100, seed=0)
        assert Counter(labels[rows].tolist()) == {0: 90, 1: 9, 2: 2}
        assert len(set(rows.tolist())) == len(rows)
        assert len(tuning_rows(labels, 1000, seed=0)) == 1000


class TestScores:
    def test_against_scikit_learn(self):
        from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

        random = np.random.default_rng(0)
        truth = np.array(["ant", "bee", "cat"])[random.integers(0, 3, 200)]
        guess = np.where(random.random(200) < 0.7, truth, "bee")
        scores = Scores.of(truth, guess, np.array(["ant", "bee", "cat"]))
        np.testing.assert_array_equal(scores.confusion, confusion_matrix(truth, guess))
        expected = precision_recall_fscore_support(truth, guess)
        rows = scores.per_class()
        for key, column in zip(("precision", "recall", "f1", "support"), expected, strict=True):
            np.testing.assert_allclose([row[key] for row in rows], column)
        assert scores.error == pytest.approx((truth != guess).mean())
        assert scores.wrong == (truth != guess).sum()

    def test_interval(self):
        """Published values of Wilson's interval, and its solution of the equation it comes from."""
        from scipy.stats import binomtest

        for wrong, n in [(0, 10), (1, 10), (43, 10000), (10, 10)]:
            expected = binomtest(wrong, n).proportion_ci(0.95, "wilson")
            np.testing.assert_allclose(wilson(wrong, n), expected, atol=1e-12)

    def test_a_class_that_is_never_predicted(self):
        scores = Scores.of(np.array([0, 1]), np.array([0, 0]), np.array([0, 1, 2]))
        assert np.isnan(scores.per_class()[1]["precision"])
        assert "nan" not in scores.table()
        json.dumps(scores.as_dict(), allow_nan=False)


class TestLabels:
    def test_the_usual_array(self, store):
        np.testing.assert_array_equal(read_labels(store), TARGET)
        np.testing.assert_array_equal(read_labels(store, "speaker"), store.labels["speaker"])
        assert read_labels(with_labels(store, anything=TARGET)).tolist() == TARGET.tolist()
        for labels, message in [({}, "came without labels"), ({"a": TARGET, "b": TARGET}, "it has a, b")]:
            with pytest.raises(ArgumentError, match=message):
                read_labels(with_labels(store, **labels))
        with pytest.raises(ArgumentError, match=r"--labels z: .* it has part, speaker, y"):
            read_labels(store, "z")

    def test_table(self, store, tmp_path):
        table = tmp_path / "labels.csv"
        lines = [f"{name},{label}" for name, label in zip(store.names, TARGET, strict=True)]
        table.write_text("\n".join(["name,label", *reversed(lines)]))
        assert read_labels(store, str(table)).tolist() == TARGET.astype(str).tolist()
        table.write_text("\n".join(lines))
        assert read_labels(store, str(table)).tolist() == TARGET.astype(str).tolist()
        table.write_text("\n".join(["name,label", *lines[2:], "nobody,1"]))
        with pytest.raises(DataError) as error:
            read_labels(store, str(table))
        for part in ("Without a label (2)", store.names[0], store.names[1], "Without features (1)", "nobody"):
            assert part in str(error.value)

    def test_table_of_files_in_other_folders(self, store, tmp_path):
        names = ["photos/cat/1.png", "photos/dog/2.png"]
        small = dataclasses.replace(store, names=names, skipped=[Skipped("photos/dog/3.png", "broken")])
        table = tmp_path / "labels.csv"
        table.write_text("label,name\ncat,1.png\ndog,2.png\ndog,3.png\n")
        assert read_labels(small, str(table)).tolist() == ["cat", "dog"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "is empty"),
            ("a,b,c\n1,2,3\n", "has the columns a, b, c"),
            ("name,label\na\n", "Row 2 .* has 1 cells"),
            ("name,label\na,1\na,2\n", "labels a twice, '1' and '2'"),
        ],
    )
    def test_broken_tables(self, store, tmp_path, text, message):
        (tmp_path / "l.csv").write_text(text)
        with pytest.raises(DataError, match=message):
            read_labels(store, str(tmp_path / "l.csv"))

    def test_array_in_a_file(self, store, tmp_path):
        np.save(tmp_path / "l.npy", TARGET)
        np.testing.assert_array_equal(read_labels(store, str(tmp_path / "l.npy")), TARGET)
        np.save(tmp_path / "l.npy", TARGET[:-1])
        with pytest.raises(DataError, match=rf"shape \(399,\), but there are {COUNT} rows"):
            read_labels(store, str(tmp_path / "l.npy"))
        (tmp_path / "l.npy").write_bytes(b"no")
        with pytest.raises(DataError, match="Cannot read"):
            read_labels(store, str(tmp_path / "l.npy"))
        with pytest.raises(DataError, match="no such file"):
            read_labels(store, str(tmp_path / "none.npy"))

    def test_missing_and_strange_labels(self, store):
        text = TARGET.astype(str)
        text[7] = " "
        with pytest.raises(DataError, match=r"1 of 400 labels in label are missing:\n  .*\[7\]"):
            read_labels(with_labels(store, label=text))
        numbers = TARGET.astype(float)
        assert read_labels(with_labels(store, label=numbers)).dtype == np.int64
        numbers[3] = np.nan
        with pytest.raises(DataError, match="1 of 400 labels"):
            read_labels(with_labels(store, label=numbers))
        with pytest.raises(DataError, match=r"0.5, which is no class"):
            read_labels(with_labels(store, label=TARGET + 0.5))
        with pytest.raises(DataError, match="complex128; labels are"):
            read_labels(with_labels(store, label=TARGET * 1j))


class TestRefused:
    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            (np.zeros(COUNT, int), "have one class, only 0; at least two"),
            (np.arange(COUNT) == 5, r"class 1 has one member to train on: .*x.npz\[5\]"),
        ],
    )
    def test_classes(self, store, labels, message):
        with pytest.raises(DataError, match=message):
            classify(with_labels(store, label=labels))

    def test_a_class_of_one_group(self, store):
        labels = np.where(np.arange(COUNT) % 4 == 2, 7, TARGET % 2)
        changed = with_labels(store, label=labels, speaker=store.labels["speaker"])
        with pytest.raises(DataError, match=r"class 7 is in the test rows \(group cy left out\)"):
            classify(changed, protocol=Protocol(group="speaker"))

    def test_splits(self, store):
        for fraction in (0.0, 1.0, -1.0):
            with pytest.raises(ArgumentError, match="--test-fraction"):
                classify(store, protocol=Protocol(fraction))
        with pytest.raises(DataError, match="--split speaker holds 'ann'"):
            classify(store, protocol=Protocol(split="speaker"))
        with pytest.raises(DataError, match="marks no row as test"):
            classify(with_labels(store, y=TARGET, s=["train"] * COUNT), protocol=Protocol(split="s"))
        with pytest.raises(DataError, match="takes two groups"):
            leave_one_out(np.zeros(4), "g")
        labels = np.repeat([0, 1], 2)
        with pytest.raises(DataError, match="No row is left to test on"):
            check_classes(labels, stratified(labels, 0.2, 0), list("abcd"))

    @pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
    def test_features_that_are_not_finite(self, store, value):
        features = np.array(store.features, np.float64)
        features[17, 3, 1, 1] = value
        with pytest.raises(DataError, match=r"x.npz\[17\] hold NaN or infinity"):
            classify(dataclasses.replace(store, features=features))
        with pytest.raises(DataError, match="complex"):
            classify(dataclasses.replace(store, features=np.ones((COUNT, 5), complex)))

    def test_other_configurations(self, store):
        model = classify(store, settings=Settings("affine-pca")).model
        config = store.config
        for change, message in [
            ({"arguments": config["arguments"] | {"J": 2}}, "in J: the model has 1, the features have 2"),
            ({"arguments": config["arguments"] | {"T": 4}}, "in T: the model has the default"),
            ({"transform": "Scattering3D"}, "in transform"),
            ({"channels": [3]}, "in channels"),
        ]:
            with pytest.raises(DataError, match=message):
                model.predict(dataclasses.replace(store, config=config | change))
        elsewhere = {"paths": ["elsewhere"], "digest": "0"}
        moved = config | {"backend": "torch", "device": "cuda", "inputs": elsewhere}
        model.check(dataclasses.replace(store, config=moved))
        paths = store.paths | {"j": store.paths["j"] + 1}
        with pytest.raises(DataError, match="table of paths"):
            model.predict(dataclasses.replace(store, paths=paths))
        colours = {"inputs": {"colour": "rgb"}}, {"inputs": {"colour": "grey"}}
        assert first_difference(*colours) == ("colour", "rgb", "grey")

    def test_hash_of_paths_ignores_rounding(self, store):
        nudged = {k: v * (1 + 1e-15) if v.dtype.kind == "f" else v for k, v in store.paths.items()}
        assert paths_hash(nudged) == paths_hash(store.paths)
        assert paths_hash(store.paths | {"xi": store.paths["xi"] * 1.01}) != paths_hash(store.paths)


class TestModels:
    @pytest.fixture(autouse=True)
    def needs(self):
        pytest.importorskip("skops")

    @pytest.mark.parametrize("method", METHODS)
    def test_in_another_process(self, folder, store, tmp_path, method):
        options = Options(log=True)
        labels = np.array([f"class {k}" for k in TARGET])
        result = classify(with_labels(store, label=labels), settings=Settings(method), options=options)
        path = tmp_path / "m.skops"
        result.model.save(path)
        code = (
            "import sys; from groupscat.classify import load_model; from groupscat.data.store import "
            "read_features; print(*load_model(sys.argv[1]).predict(read_features(sys.argv[2])), sep='\\n')"
        )
        command = [sys.executable, "-c", code, str(path), str(folder / "f.npz")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
        assert done.stdout.splitlines() == result.model.predict(store).tolist()
        with zipfile.ZipFile(path) as archive:
            assert not [n for n in archive.namelist() if n.endswith((".pkl", ".pickle"))]
        again = load_model(path)
        assert again.config == json.loads(json.dumps(store.config))
        assert again.options == options
        assert again.about["method"] == method
        assert again.about["versions"]["groupscat"] == gs.__version__

    def test_files_that_are_no_models(self, store, tmp_path):
        path = tmp_path / "m.skops"
        with pytest.raises(DataError, match=r"Cannot read .*No such file"):
            load_model(path)
        path.write_bytes(b"hello")
        with pytest.raises(DataError, match="is not a model"):
            load_model(path)
        np.savez(tmp_path / "x.npz", x=1)
        with pytest.raises(DataError, match="is not a model"):
            load_model(tmp_path / "x.npz")
        path.unlink()
        model = classify(store, settings=Settings("affine-pca")).model
        model.save(path)
        whole = path.read_bytes()
        for part in (0.1, 0.5, 0.99):
            path.write_bytes(whole[: int(part * len(whole))])
            with pytest.raises(DataError, match=r"is not a model .* or it is damaged"):
                load_model(path)
        with pytest.raises(ArgumentError, match="exists; pass --overwrite"):
            model.save(path)
        model.save(path, overwrite=True)
        assert path.read_bytes()
        assert [p.name for p in tmp_path.iterdir() if p.suffix == ".part"] == []

    def test_types_that_are_not_trusted(self, tmp_path):
        import skops.io
        from sklearn.preprocessing import FunctionTransformer

        skops.io.dump({"groupscat": "{}", "pipeline": FunctionTransformer(os.system)}, tmp_path / "m.skops")
        with pytest.raises(DataError, match=r"types that are not trusted: .*system"):
            load_model(tmp_path / "m.skops")

    def test_another_format(self, tmp_path):
        import skops.io

        skops.io.dump({"groupscat": json.dumps({"format": 99}), "pipeline": None}, tmp_path / "m.skops")
        with pytest.raises(DataError, match="format 99"):
            load_model(tmp_path / "m.skops")


class TestCommands:
    @pytest.fixture(autouse=True)
    def needs(self):
        pytest.importorskip("skops")

    def test_whole(self, folder, run, tmp_path):
        outputs = ["-o", "m.skops", "--report", "r.json"]
        status, out, err = run("classify", folder / "f.npz", "--method", "svm", "--pool", *outputs)
        assert status == 0, err
        assert "95 % interval" in out
        assert "precision  recall" in out
        assert "C=" in out
        assert (tmp_path / "f-svm.png").read_bytes().startswith(b"\x89PNG")
        report = json.loads((tmp_path / "r.json").read_text())
        assert f"error {100 * report['error']:.2f} %" in out
        assert report["options"] == {"log": False, "pool": True}
        assert report["features"]["transform"] == "Scattering2D"
        assert np.sum(report["confusion"]) == report["n"]
        from_features = run("predict", "m.skops", folder / "f.npz", "-q")[1]
        from_images = run("predict", "m.skops", folder / "x.npz", "-q")[1]
        assert from_images == from_features
        model, store = load_model("m.skops"), read_features(folder / "f.npz")
        lines = [f"{name},{k}" for name, k in zip(store.names, model.predict(store), strict=True)]
        assert from_features.splitlines() == ["name,prediction", *lines]
        status, out, _ = run("predict", "m.skops", folder / "f.npz", "-o", "p.csv")
        assert (status, out) == (0, f"p.csv: {COUNT} predictions of svm\n")
        assert (tmp_path / "p.csv").read_text() == from_features
        assert run("predict", "m.skops", folder / "f.npz", "-o", "p.csv")[0] == 2
        assert run("classify", folder / "f.npz", "-o", "m.skops")[0] == 2

    def test_features_of_another_framework(self, folder, run):
        pytest.importorskip("torch")
        run("classify", folder / "f.npz", "--method", "logistic", "-o", "m.skops", "-q", "--no-figure")
        options = ["--backend", "torch", "-L", 4, "-q"]
        assert run("features", folder / "x.npz", "-o", "t.npz", *options)[0] == 0
        expected = run("predict", "m.skops", folder / "f.npz")[1]
        assert run("predict", "m.skops", "t.npz")[1] == expected
        assert run("predict", "m.skops", folder / "x.npz", "--backend", "torch", "-q")[1] == expected

    def test_images_in_folders(self, run, tmp_path):
        Image = pytest.importorskip("PIL.Image")
        random = np.random.default_rng(0)
        for name, level in (("dark", 40), ("light", 200)):
            (tmp_path / "photos" / name).mkdir(parents=True)
            for k in range(6):
                pixels = np.clip(random.normal(level, 10, (20, 16)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{k}.png")
        (tmp_path / "l.csv").write_text(
            "".join(f"{p.as_posix()},{p.parent.name}\n" for p in (tmp_path / "photos").rglob("*.png"))
        )
        assert run("features", tmp_path / "photos", "-o", "f.npz", "--shape", 16, 16, "-q")[0] == 0
        options = ["--labels", "l.csv", "--method", "affine-pca", "-o", "m.skops", "-q", "--no-figure"]
        status, out, err = run("classify", "f.npz", *options)
        assert (status, err) == (0, "")
        assert out.startswith("error 0.00 %")
        status, out, err = run("predict", "m.skops", tmp_path / "photos", "-q")
        assert status == 0, err
        rows = [line.rsplit(",", 1) for line in out.splitlines()[1:]]
        assert len(rows) == 12
        assert all(label in name for name, label in rows)
        assert run("predict", "m.skops", "f.npz")[1] == out
        (tmp_path / "photos" / "ü.png").write_bytes(next(tmp_path.glob("photos/*/*.png")).read_bytes())
        command = [sys.executable, "-m", "groupscat.cli", "predict", "m.skops", "photos/ü.png", "-q"]
        ascii_only = {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
        done = subprocess.run(command, cwd=tmp_path, env=ascii_only, capture_output=True, check=True)
        assert done.stdout.splitlines()[1].startswith(b"photos/\\xfc.png,")
        # Arrays of 0 … 255 are no images of 0 … 1: nothing but the numbers would tell.
        np.save("a.npy", random.uniform(0, 255, (3, 16, 16)))
        assert run("features", "a.npy", "-o", "a.npz", "-J", 2, "-q")[0] == 0
        status, _, err = run("predict", "m.skops", "a.npy", "-q")
        assert (status, "trained on features of images, and these are signals" in err) == (1, True)
        status, _, err = run("predict", "m.skops", "a.npz", "-q")
        assert (status, "in unit: the model has image, the features have signal" in err) == (1, True)

    @pytest.mark.parametrize(
        ("arguments", "status", "message"),
        [
            (["classify", "none.npz"], 1, "no such file"),
            (["classify", "F", "--labels", "z"], 2, "no such label array"),
            (["classify", "F", "--split", "speaker"], 1, "expected train and test"),
            (["classify", "F", "--test-labels", "y"], 2, "--test-labels belongs to --test"),
            (["classify", "F", "--folds", "1"], 2, "expected an integer >= 2"),
            (["classify", "F", "-o", "no/m.skops"], 2, "There is no folder no"),
            (["classify", "F", "--split", "part", "--group", "speaker"], 2, "not allowed with"),
            (["predict", "X", "F"], 1, "is not a model"),
            (["predict", "M", "F", "F"], 2, "one file of features at a time"),
            (["predict", "M", "V"], 1, r"have shape (9, 9); the model was trained"),
            (["predict", "M", "G"], 1, "in J: the model has 1, the features have 2"),
        ],
    )
    def test_errors(self, folder, store, run, tmp_path, arguments, status, message):
        names = {"F": folder / "f.npz", "X": folder / "x.npz", "M": "m.skops", "V": "v.npy", "G": "g.npz"}
        if "M" in arguments:
            classify(store, settings=Settings("affine-pca")).model.save(tmp_path / "m.skops")
        if "V" in arguments:
            np.save(tmp_path / "v.npy", np.ones((2, 9, 9)))
        if "G" in arguments:
            run("features", folder / "x.npz", "-o", "g.npz", "-J", 2, "-L", 4, "-q")
        found, _, err = run(*[names.get(a, a) for a in arguments])
        assert found == status
        assert message in err
        assert "Traceback" not in err

    def test_without_optional_packages(self, folder, run, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "sklearn", None)
            status, _, err = run("classify", folder / "f.npz")
            assert (status, 'pip install "groupscat[sklearn]"' in err) == (2, True)
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "matplotlib.figure", None)
            status, _, err = run("classify", folder / "f.npz", "--method", "affine-pca")
            assert (status, "no picture" in err) == (0, True)
            assert run("classify", folder / "f.npz", "--method", "affine-pca", "--figure", "a.png")[0] == 2

    def test_help(self, run):
        for command in ("classify", "predict"):
            status, out, _ = run(command, "--help")
            assert status == 0
            assert "examples:" in out
