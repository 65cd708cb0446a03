"""Files of features: what is read back, and what is refused."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

import groupscat as gs
from groupscat import cli
from groupscat.data import read_features, store
from groupscat.errors import DataError


def compute(tmp_path, output, *options):
    """Features of six signals with labels."""
    x = np.random.default_rng(0).normal(size=(6, 64))
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(6), speaker=np.array(list("aabbcc")))
    command = ["features", tmp_path / "x.npz", "-o", tmp_path / output, "-q", "--batch-size", 2, *options]
    assert cli.main([str(a) for a in command]) == 0
    return gs.Scattering1D(J=2, shape=64)(x.astype(np.float32))


class TestNpz:
    def test_what_was_written_is_read(self, tmp_path):
        features = compute(tmp_path, "y.npz")
        found = read_features(tmp_path / "y.npz")
        np.testing.assert_allclose(found.features, features, rtol=1e-6, atol=1e-7)
        assert len(found) == 6
        assert found.names[5].endswith("x.npz[5]")
        assert sorted(found.labels) == ["speaker", "y"]
        np.testing.assert_array_equal(found.labels["speaker"], list("aabbcc"))
        assert found.config["arguments"]["J"] == 2
        assert found.paths["order"].tolist() == gs.Scattering1D(J=2, shape=64).paths.column("order")
        assert found.version == gs.__version__
        assert found.skipped == []

    def test_large_features_are_mapped(self, tmp_path, monkeypatch):
        compute(tmp_path, "y.npz")
        loaded = read_features(tmp_path / "y.npz").features
        monkeypatch.setattr(store, "LOADED_BYTES", 0)
        mapped = read_features(tmp_path / "y.npz").features
        assert isinstance(mapped, np.memmap)
        np.testing.assert_array_equal(mapped, loaded)
        content = bytearray((tmp_path / "y.npz").read_bytes())
        content[400] ^= 1
        (tmp_path / "y.npz").write_bytes(content)
        with pytest.raises(DataError, match=r"Cannot read .*y\.npz"):
            read_features(tmp_path / "y.npz")

    def test_skipped_inputs(self, tmp_path):
        x = np.ones((4, 64))
        x[1] = np.nan
        np.save(tmp_path / "x.npy", x)
        command = ["features", tmp_path / "x.npy", "-o", tmp_path / "y.npz", "-q", "--skip-bad"]
        assert cli.main([str(a) for a in command]) == 0
        found = read_features(tmp_path / "y.npz")
        assert len(found) == 3
        (skipped,) = found.skipped
        assert skipped.name.endswith("x.npy[1]")
        assert "NaN" in skipped.reason

    def test_what_is_refused(self, tmp_path):
        path = tmp_path / "y.npz"
        with pytest.raises(DataError, match=r"y\.npz: no such file"):
            read_features(path)
        compute(tmp_path, "y.npz")
        whole = path.read_bytes()
        with np.load(path) as file:
            arrays = dict(file)
        for content in (b"", b"nonsense", whole[:300], whole[: len(whole) // 2], whole[:-30]):
            path.write_bytes(content)
            with pytest.raises(DataError, match=r"Cannot read .*y\.npz"):
                read_features(path)
        for change, message in [
            ({"names": arrays["names"][:5]}, r"names has shape \(5,\), but there are 6 rows"),
            ({"config": np.array("{")}, "configuration in .* is damaged"),
            ({"config": np.array("3")}, "expected an object"),
        ]:
            np.savez(path, **{**arrays, **change})
            with pytest.raises(DataError, match=message):
                read_features(path)
        np.savez(path, x=np.ones(3))
        with pytest.raises(DataError, match="has no 'features'"):
            read_features(path)

    def test_compressed_by_someone_else(self, tmp_path):
        features = compute(tmp_path, "y.npz")
        with np.load(tmp_path / "y.npz") as file:
            np.savez_compressed(tmp_path / "z.npz", **file)
        assert zipfile.is_zipfile(tmp_path / "z.npz")
        found = read_features(tmp_path / "z.npz")
        np.testing.assert_allclose(found.features, features, rtol=1e-6, atol=1e-7)
        assert json.loads(json.dumps(found.config)) == found.config
