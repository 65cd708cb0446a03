"""Features in the making: what appears, what is kept, what is refused."""

from __future__ import annotations

import io
import json
import os
import zipfile

import numpy as np
import pytest

from groupscat.data import FeatureWriter, read_features
from groupscat.data import npz as npz_module
from groupscat.data.part import Layout
from groupscat.errors import ArgumentError, DataError

zarr = pytest.importorskip("zarr")
FORMATS = ("y.npz", "y.zarr")
INPUTS = [json.dumps([10, 20, name]) for name in "abc"]
SMALL = {
    "names": np.array(["a", "bé", "", "d", "e", "f", "g"]),
    "skipped": np.array([], np.str_),
    "skipped_reasons": np.array([], np.str_),
    "label": np.array([b"x", b"y", b"x", b"x", b"y", b"x", b"z"]),
    "path_xi": np.full((2, 0), np.nan),
    "config": np.array('{"J": 2}'),
    "version": np.array("1"),
}


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(7, 3, 2))


def names_in(folder):
    return sorted(p.name for p in folder.iterdir())


def write(path, rows, batches, *, expected=7, stop=None, small=SMALL, **options):
    """Write rows in batches of the given lengths; ``stop``: an error after so many batches of this call."""
    with FeatureWriter(path, **options) as out:
        out.open({"J": 2, "inputs": {}}, INPUTS)
        if out.complete:
            return out
        done = len(out.entries)
        if not done:
            out.begin(Layout(rows.shape[1:], rows.dtype.name, expected, 3))
        first = sum(batches[:done])
        for k, count in enumerate(batches[done:]):
            if k == stop:
                raise KeyboardInterrupt
            out.append(rows[first : first + count], [(first, "bad")] * (3 - count))
            first += count
        if stop and stop == len(batches) - done:
            raise KeyboardInterrupt
        out.commit({name: v if v.shape != (7,) else v[: len(rows)] for name, v in small.items()})
    return out


@pytest.mark.parametrize("name", FORMATS)
class TestBothFormats:
    @pytest.mark.parametrize(
        ("batches", "expected"), [([3, 3, 1], 7), ([3, 1, 3], 9), ([0, 1, 2, 3, 0, 1], 18), ([1] * 7, 21)]
    )
    @pytest.mark.parametrize("stop", [None, *range(1, 7)])
    def test_rows_come_back_whatever_the_interruptions(self, tmp_path, rows, name, batches, expected, stop):
        path = tmp_path / name
        if stop is not None:
            for _ in range(20):  # `stop` batches each time
                try:
                    write(path, rows, batches, expected=expected, stop=stop, resume=True)
                    break
                except KeyboardInterrupt:
                    assert names_in(tmp_path) == [f".{name}.part"]
                    with pytest.raises(DataError, match=r"not complete.*--resume"):
                        read_features(path)
        else:
            write(path, rows, batches, expected=expected)
        assert names_in(tmp_path) == [name]
        found = read_features(path)
        np.testing.assert_array_equal(found.features[...], rows)
        assert found.names == SMALL["names"].tolist()
        assert [str(v.decode() if isinstance(v, bytes) else v) for v in found.labels["label"]] == list(
            "xyxxyxz"
        )
        assert found.paths["xi"].shape == (2, 0)
        assert found.config == {"J": 2}

    def test_an_error_before_the_first_batch_leaves_nothing(self, tmp_path, rows, name):
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / name, rows, [3, 3, 1], stop=0)
        assert names_in(tmp_path) == []

    def test_what_is_left_is_neither_forgotten_nor_taken_for_whole(self, tmp_path, rows, name):
        path = tmp_path / name
        with pytest.raises(KeyboardInterrupt):
            write(path, rows, [3, 3, 1], stop=1)
        with pytest.raises(ArgumentError, match=r"--resume, or begin anew with --overwrite"):
            FeatureWriter(path)
        write(path, rows + 1, [3, 3, 1], overwrite=True)
        np.testing.assert_array_equal(read_features(path).features[...], rows + 1)
        with pytest.raises(ArgumentError, match=r"exists; pass --overwrite"):
            FeatureWriter(path)
        with pytest.raises(KeyboardInterrupt):
            write(path, rows, [3, 3, 1], overwrite=True, stop=2)
        np.testing.assert_array_equal(read_features(path).features[...], rows + 1)
        with pytest.raises(ArgumentError, match="--overwrite too"):
            write(path, rows, [3, 3, 1], resume=True)
        write(path, rows, [3, 3, 1], resume=True, overwrite=True)
        np.testing.assert_array_equal(read_features(path).features[...], rows)
        assert names_in(tmp_path) == [name]

    def test_a_run_of_something_else_is_not_resumed(self, tmp_path, rows, name):
        path = tmp_path / name
        with pytest.raises(KeyboardInterrupt):
            write(path, rows, [3, 3, 1], stop=1)
        for config, inputs, message in [
            ({"J": 3, "inputs": {}}, INPUTS, "J was 2 and is 3"),
            ({"J": 2, "inputs": {"key": "x"}}, INPUTS, 'inputs.key was null and is "x"'),
            ({"J": 2, "inputs": {}}, INPUTS[:2], "c is missing"),
            ({"J": 2, "inputs": {}}, [*INPUTS, '[1, 2, "d"]'], "d is new"),
            ({"J": 2, "inputs": {}}, ['[1, 20, "a"]', *INPUTS[1:]], "a has changed"),
            ({"J": 2, "inputs": {}}, INPUTS[::-1], "a was in the place of c"),
        ]:
            with pytest.raises(ArgumentError, match=message), FeatureWriter(path, resume=True) as out:
                out.open(config, inputs)
        write(path, rows, [3, 3, 1], resume=True)
        np.testing.assert_array_equal(read_features(path).features[...], rows)

    def test_what_is_complete_is_not_made_again(self, tmp_path, rows, name):
        path = tmp_path / name
        write(path, rows, [3, 3, 1], resume=True)
        assert write(path, rows, [3, 3, 1], resume=True).complete
        with (
            pytest.raises(ArgumentError, match="complete, but of another run: J was 2 and is 4"),
            FeatureWriter(path, resume=True) as out,
        ):
            out.open({"J": 4}, INPUTS)
        assert names_in(tmp_path) == [name]

    def test_a_torn_journal_and_torn_rows_are_written_anew(self, tmp_path, rows, name):
        path, part = tmp_path / name, tmp_path / f".{name}.part"
        with pytest.raises(KeyboardInterrupt):
            write(path, rows, [3, 1, 3], stop=2, expected=9)
        journal = part / "journal"
        whole = journal.read_bytes()
        first = whole.index(b"\n") + 1
        journal.write_bytes(whole[: first + 5])
        if name == "y.npz":
            with open(part / "features.npz", "ab") as file:
                file.write(b"torn")
        write(path, rows, [3, 1, 3], resume=True, expected=9)
        np.testing.assert_array_equal(read_features(path).features[...], rows)

    def test_rows_that_are_gone_are_noticed(self, tmp_path, rows, name):
        path, part = tmp_path / name, tmp_path / f".{name}.part"
        with pytest.raises(KeyboardInterrupt):
            write(path, rows, [3, 3, 1], stop=2)
        if name == "y.npz":
            os.truncate(part / "features.npz", 300)
        else:
            next((part / "features.zarr" / "features" / "c" / "1").rglob("0")).rename(part / "away")
        if name == "y.zarr":
            (part / "features.zarr" / "features" / "c" / "0" / "0" / "0").unlink()
        with pytest.raises(DataError, match=r"damaged.*--overwrite"):
            write(path, rows, [3, 3, 1], resume=True)

    def test_one_run_at_a_time(self, tmp_path, rows, name):
        pytest.importorskip("fcntl")
        with (
            FeatureWriter(tmp_path / name),
            pytest.raises(ArgumentError, match="Another run is making"),
            FeatureWriter(tmp_path / name, overwrite=True),
        ):
            pass

    def test_a_file_that_appears_meanwhile_is_kept(self, tmp_path, rows, name):
        path = tmp_path / name
        with pytest.raises(ArgumentError, match="exists"), FeatureWriter(path) as out:  # noqa: PT012
            out.open({}, INPUTS)
            out.begin(Layout((3, 2), "float64", 7, 7))
            out.append(rows)
            path.write_bytes(b"theirs")
            out.commit(SMALL)
        assert path.read_bytes() == b"theirs"

    def test_where_it_may_not_write(self, tmp_path, name):
        (tmp_path / name).touch()
        for path, message in [(name, r"--overwrite|no Zarr store"), (f"no/{name}", "no folder")]:
            with pytest.raises(ArgumentError, match=message):
                FeatureWriter(tmp_path / path)

    def test_a_folder_of_others_is_never_replaced(self, tmp_path, name):
        (tmp_path / name).mkdir()
        (tmp_path / name / "theirs").touch()
        for options in ({}, {"overwrite": True}, {"resume": True}):
            with pytest.raises(ArgumentError, match=r"is a folder|is no Zarr store"):
                FeatureWriter(tmp_path / name, **options)

    def test_too_large_for_the_disk(self, tmp_path, name):
        with FeatureWriter(tmp_path / name) as out, pytest.raises(DataError, match=r"will take .* GB"):  # noqa: PT012
            out.open({}, INPUTS)
            out.begin(Layout((1 << 20,), "float64", 1 << 30, 3))
        assert names_in(tmp_path) == []

    def test_rows_that_do_not_fit(self, tmp_path, name):
        with FeatureWriter(tmp_path / name) as out:
            out.open({}, INPUTS)
            out.begin(Layout((3,), "float32", 2, 2))
            for rows in (np.ones((1, 4)), np.ones((3, 3))):
                with pytest.raises(ValueError, match="do not fit"):
                    out.append(rows)

    @pytest.mark.parametrize("place", ["rows", "journal", "end"])
    def test_a_full_disk_keeps_what_is_done(self, tmp_path, rows, name, monkeypatch, place):
        """Writing fails at some point; with room again, the run is completed."""
        path = tmp_path / name

        def full(*arguments, **options):
            raise OSError(28, "No space left on device")

        with pytest.raises(DataError, match=r"Cannot write .*: No space left"), FeatureWriter(path) as out:  # noqa: PT012
            out.open({"J": 2, "inputs": {}}, INPUTS)
            out.begin(Layout((3, 2), "float64", 7, 3))
            out.append(rows[:3])
            with monkeypatch.context() as patch:
                if place == "rows":
                    patch.setattr(out._rows, "append", full)
                elif place == "journal":
                    patch.setattr(out._part, "note", full)
                else:
                    patch.setattr(os, "replace", full)
                out.append(rows[3:6])
                out.append(rows[6:])
                out.commit(SMALL)
        assert out.kept
        assert names_in(tmp_path) == [f".{name}.part"]
        with pytest.raises(DataError, match="not complete"):
            read_features(path)
        write(path, rows, [3, 3, 1], resume=True)
        np.testing.assert_array_equal(read_features(path).features[...], rows)

    def test_killed_after_the_output_was_moved(self, tmp_path, rows, name, monkeypatch):
        path = tmp_path / name
        with FeatureWriter(path) as out:
            out.open({"J": 2, "inputs": {}}, INPUTS)
            out.begin(Layout((3, 2), "float64", 7, 7))
            out.append(rows)
            out.commit(SMALL)
            out.complete = False  # so that the folder stays, as after a kill
        assert f".{name}.part" in names_in(tmp_path)
        assert write(path, rows, [7], resume=True).complete
        assert names_in(tmp_path) == [name]


class TestZarr:
    def test_killed_between_the_two_steps_of_replacing(self, tmp_path, rows):
        path, part = tmp_path / "y.zarr", tmp_path / ".y.zarr.part"
        write(path, rows, [3, 3, 1])
        with pytest.raises(KeyboardInterrupt):
            write(path, rows + 1, [3, 3, 1], overwrite=True, stop=1)
        path.rename(part / "replaced")
        with pytest.raises(KeyboardInterrupt):
            write(path, rows + 1, [3, 3, 1], overwrite=True, resume=True, stop=1)
        np.testing.assert_array_equal(read_features(path).features[...], rows)
        write(path, rows + 1, [3, 3, 1], overwrite=True, resume=True)
        np.testing.assert_array_equal(read_features(path).features[...], rows + 1)
        assert names_in(tmp_path) == ["y.zarr"]

    def test_a_batch_is_a_chunk(self, tmp_path, rows):
        write(tmp_path / "y.zarr", rows, [3, 3, 1])
        stored = zarr.open(tmp_path / "y.zarr", mode="r")
        assert stored.metadata.zarr_format == 3
        assert stored["features"].chunks == (3, 3, 2)
        assert stored["names"][:].tolist() == SMALL["names"].tolist()

    def test_what_is_refused(self, tmp_path, rows):
        path = tmp_path / "y.zarr"
        write(path, rows, [3, 3, 1])
        chunk = path / "features" / "c" / "1" / "0" / "0"
        chunk.rename(tmp_path / "chunk")
        with pytest.raises(DataError, match="1 of 3 chunks of its features are missing"):
            read_features(path)
        (tmp_path / "chunk").rename(chunk)
        metadata = json.loads((path / "zarr.json").read_text())
        metadata["attributes"]["groupscat"]["complete"] = False
        (path / "zarr.json").write_text(json.dumps(metadata))
        with pytest.raises(DataError, match=r"is not complete.*--resume"):
            read_features(path)
        metadata["attributes"] = {}
        (path / "zarr.json").write_text(json.dumps(metadata))
        with pytest.raises(DataError, match="not one that groupscat features wrote"):
            read_features(path)
        (path / "zarr.json").write_text("{")
        with pytest.raises(DataError, match=r"Cannot read .*y\.zarr"):
            read_features(path)

    def test_without_zarr(self, tmp_path, rows, monkeypatch):
        write(tmp_path / "y.zarr", rows, [3, 3, 1])
        monkeypatch.setitem(__import__("sys").modules, "zarr", None)
        for call in (lambda: FeatureWriter(tmp_path / "z.zarr"), lambda: read_features(tmp_path / "y.zarr")):
            with pytest.raises(ImportError, match=r'pip install "groupscat\[zarr\]"'):
                call()


class TestNpz:
    def test_whole_and_reproducible(self, tmp_path, rows):
        for name in ("a.npz", "b.npz"):
            write(tmp_path / name, rows, [3, 3, 1], expected=9)
        assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
        with zipfile.ZipFile(tmp_path / "a.npz") as archive:
            assert archive.testzip() is None
        with np.load(tmp_path / "a.npz", allow_pickle=False) as found:
            np.testing.assert_array_equal(found["features"], rows)
            np.testing.assert_array_equal(found["names"], SMALL["names"])

    def test_what_is_in_the_making_reads_as_nothing(self, tmp_path, rows):
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "y.npz", rows, [3, 3, 1], stop=3)
        content = (tmp_path / ".y.npz.part" / "features.npz").read_bytes()
        with pytest.raises((ValueError, OSError, EOFError, zipfile.BadZipFile)):
            np.load(io.BytesIO(content), allow_pickle=False)

    def test_objects_are_refused(self, tmp_path, rows):
        with pytest.raises(ValueError, match=r"[Oo]bject"):
            write(tmp_path / "y.npz", rows, [3, 3, 1], small={"x": np.array([None])})
        assert not (tmp_path / "y.npz").exists()

    def test_other_byte_orders_and_memory_orders(self, tmp_path, rows):
        write(tmp_path / "y.npz", np.asfortranarray(rows), [3, 3, 1])
        np.testing.assert_array_equal(read_features(tmp_path / "y.npz").features, rows)
        assert npz_module.NpzRows._info().header_offset == 0
