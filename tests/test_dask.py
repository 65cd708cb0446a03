"""Operators over Dask arrays, and ``groupscat features`` on a Dask cluster: the same as without."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import groupscat
from groupscat import cli
from groupscat.data import ArraySource, read_features
from groupscat.errors import ArgumentError, BackendError, DataError, DtypeError, ShapeError
from groupscat.features import Run
from groupscat.scattering.restricted import Restricted
from groupscat.testing.base import noise
from tests.frameworks import missing, needs

if missing("dask"):
    pytest.skip('pip install "groupscat[dask]"', allow_module_level=True)

import dask
import dask.array as da

import groupscat.dask as gs
from groupscat.features import cluster

TOLERANCE = 1e-12
CASES = {
    "1-D": (gs.Scattering1D(J=3, shape=64, Q=2), (7,), (3,)),
    "2-D": (gs.Scattering2D(J=2, shape=(16, 12), L=3), (5, 3), (2, 1)),
    "3-D": (gs.Scattering3D(J=1, shape=(8, 8, 8), L=3), (3,), (2,)),
    "any rank": (gs.Scattering(J=2, shape=(16, 16), L=2), (4, 1, 2), (3, 1, 2)),
    "no batch": (gs.Scattering2D(J=2, shape=(16, 16), L=2), (), ()),
    "complex": (gs.Scattering1D(J=3, shape=64, complex_input=True), (5,), (2,)),
    "cascade": (gs.Scattering2D(J=2, shape=(16, 16), L=2, method="cascade"), (5,), (2,)),
    "mean": (gs.Scattering2D(J=2, shape=(16, 16), L=2, T="global"), (5,), (2,)),
    "joint": (gs.TimeFrequencyScattering(J=5, J_fr=2, shape=128, Q=4, format="joint"), (3,), (1,)),
    "roto-translation": (gs.RotoTranslationScattering2D(J=2, shape=(16, 16), L=4), (3,), (2,)),
    "scale-rotation": (gs.ScaleRotationTranslationScattering2D(J=2, shape=(16, 16), L=4), (3,), (2,)),
    "harmonic": (gs.HarmonicScattering3D(J=1, shape=(8, 8, 8), L=1), (3,), (2,)),
    "some paths": (gs.Scattering1D(J=3, shape=64, Q=2).restrict([4, 0, 2]), (7,), (3,)),
    "some paths of a neutral one": (groupscat.Scattering1D(J=3, shape=64).restrict([1]), (7,), (3,)),
}


def neutral(S):
    """The operator that follows its array, of the same arguments."""
    if isinstance(S, Restricted):
        return neutral(S.operator).restrict(S.rows)
    return getattr(groupscat, type(S).__name__)(**S.config)


def case(name):
    S, leading, chunks = CASES[name]
    x = noise((*leading, *S.shape), is_complex=S.complex_input)
    return S, x, da.from_array(x, chunks=(*chunks, *S.shape))


def watched(n):
    """n signals, a block each, and the list of what has been computed of them."""
    asked = []
    zeros = da.zeros((n, 64), chunks=(1, 64))
    return zeros.map_blocks(lambda b: asked.append(1) or b, dtype=float, meta=np.empty((0, 0))), asked


class TestArrays:
    @pytest.mark.parametrize("name", CASES)
    def test_the_same_as_without_blocks(self, name):
        S, x, blocks = case(name)
        y, wanted = gs.apply(S, blocks), neutral(S)(x)
        assert isinstance(y, da.Array)
        assert (y.shape, y.dtype) == (wanted.shape, wanted.dtype)
        assert y.chunks[: x.ndim - len(S.shape)] == blocks.chunks[: x.ndim - len(S.shape)]
        found = y.compute(scheduler="threads")
        assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
        assert np.abs(found - wanted).max() <= TOLERANCE * max(np.abs(wanted).max(), np.abs(x).max())

    @pytest.mark.parametrize("chunks", [(1, 1), (2, 3), ((3, 1, 1), (1, 2)), (5, 3)])
    def test_every_chunking(self, chunks):
        S, x, _ = case("2-D")
        y = S(da.from_array(x, chunks=(*chunks, -1, -1)))
        assert np.abs(y.compute() - neutral(S)(x)).max() < TOLERANCE

    def test_blocks_of_unknown_length(self):
        S, _, blocks = case("1-D")
        some = blocks[da.from_array(np.arange(7) % 2 == 0, chunks=3)]
        assert np.isnan(some.shape[0])
        assert np.abs(S(some).compute() - S(blocks).compute()[::2]).max() < TOLERANCE

    @pytest.mark.parametrize(
        "kind", ["float16", "float32", "float64", "int8", "int16", "int64", "bool", ">f4"]
    )
    def test_every_type(self, kind):
        S, x, _ = case("1-D")
        values = (10 * x).astype(kind)
        y, wanted = S(da.from_array(values, chunks=(2, -1))), neutral(S)(values)
        assert y.dtype == wanted.dtype == y._meta.dtype == y.compute().dtype
        scale = np.abs(wanted.astype(float)).max()
        tolerance = {"float16": 1e-3, "float32": 1e-5, "float64": TOLERANCE}[y.dtype.name]
        assert np.abs(y.compute().astype(float) - wanted).max() <= tolerance * scale

    def test_nothing_is_computed_before_it_is_asked_for(self, monkeypatch):
        def computing(*_):
            raise AssertionError

        monkeypatch.setattr(groupscat.scattering.Operator, "constants", computing)
        blocks, asked = watched(4)
        for S in (gs.Scattering1D(J=3, shape=64), gs.Scattering1D(J=3, shape=64, T="global")):
            assert S(blocks).shape[0] == 4
        assert not asked

    def test_blocks_are_independent(self):
        """A part of the result takes only its own blocks."""
        blocks, asked = watched(6)
        y = gs.Scattering1D(J=3, shape=64)(blocks)
        assert y[2:4, 0].compute(scheduler="sync").shape == (2, 8)
        assert len(asked) == 2

    def test_some_paths(self):
        S, x, blocks = case("2-D")
        rows = [5, 0, 7]
        wanted = neutral(S)(x, paths=rows)
        for y in (
            S(blocks, paths=rows),
            S.restrict(rows)(blocks),
            S.restrict([7, 5, 0]).restrict([1, 2, 0])(blocks),
        ):
            assert y.shape == wanted.shape
            assert np.abs(y.compute() - wanted).max() < TOLERANCE

    def test_equal_operators_make_equal_names(self):
        S, _, blocks = case("2-D")
        assert S(blocks).name == S.replace()(blocks).name
        assert S(blocks).name != S.replace(L=2)(blocks).name

    @needs("torch")
    def test_another_framework_computes(self, monkeypatch):
        from groupscat_torch.backend import TorchBackend

        seen, put = [], TorchBackend.put
        monkeypatch.setattr(
            TorchBackend, "put", lambda self, x, *rest: seen.append(x.dtype) or put(self, x, *rest)
        )
        for name in ("2-D", "complex", "some paths"):
            S, x, blocks = case(name)
            y = gs.apply(S, blocks, backend="torch", device="cpu")
            wanted = neutral(S)(x)
            found = y.compute()
            assert type(found) is np.ndarray
            assert found.dtype == wanted.dtype == y.dtype
            assert np.abs(found - wanted).max() < TOLERANCE
        assert seen

    @needs("torch")
    def test_modules_of_torch(self):
        import groupscat.torch

        _, x, blocks = case("2-D")
        module = groupscat.torch.Scattering2D(J=2, shape=(16, 12), L=3)
        assert np.abs(gs.apply(module, blocks).compute() - module.operator(x)).max() < TOLERANCE

    def test_a_function_of_the_user(self):
        S = gs.Scattering1D(J=3, shape=64, rho=lambda z: z * z.conj())
        x = noise((4, 64))
        y = S(da.from_array(x, chunks=(2, 64)))
        wanted = neutral(S)(x)
        assert y.dtype == wanted.dtype
        assert np.abs(y.compute() - wanted).max() < TOLERANCE


class TestTasks:
    def test_are_recipes(self):
        """However large the filters: those of a 512 x 512 image would be megabytes."""
        S = gs.Scattering2D(J=4, shape=(512, 512))
        empty = da.zeros((100, 512, 512), chunks=(1, 512, 512), dtype="float32")
        assert S.constant_bytes > 1e7
        y = S(empty)
        assert len(pickle.dumps(y.dask)) - len(pickle.dumps(empty.dask)) < 100 * 1000
        assert len(pickle.dumps(S)) < 1000

    def test_a_process_builds_filters_once(self, monkeypatch):
        from groupscat.scattering import operator as module

        built, constant = [], module.constant
        monkeypatch.setattr(module, "constant", lambda *a: built.append(a[1]) or constant(*a))
        S = gs.Scattering1D(J=3, shape=96, Q=3)
        blocks = da.zeros((20, 96), chunks=(1, 96))
        for _ in range(2):
            S.replace()(blocks).compute(scheduler="threads", num_workers=4)
        assert len(built) == len(S.plan.constants)

    def test_no_more_operators_are_kept_than_some(self):
        blocks = da.zeros((1, 64), chunks=(1, 64))
        for J in range(1, 6):
            for Q in range(1, 6):
                gs.Scattering1D(J=J, shape=64, Q=Q)(blocks).compute(scheduler="sync")
        assert gs._kept.cache_info().currsize == gs.KEPT


class TestErrors:
    @pytest.mark.parametrize(
        ("x", "error", "message"),
        [
            (np.zeros((2, 64)), DtypeError, r"got numpy\.ndarray.*from_array\(x, chunks=\(…, 64\)\)"),
            (da.zeros((2, 64), chunks=(1, 32)), ShapeError, r"blocks of \(32,\).*x\.rechunk\(\{-1: -1\}\)"),
            (da.zeros((2, 63)), ShapeError, r"built for shape \(64,\) but x has trailing shape \(63,\)"),
            (da.zeros(()), ShapeError, "fewer than 1 axes"),
            (da.zeros((2, 64), dtype=complex), DtypeError, "complex_input=True"),
            (da.zeros((2, 64), dtype="M8[s]"), DtypeError, "dtype datetime64"),
        ],
    )
    def test_arrays(self, x, error, message):
        with pytest.raises(error, match=message):
            gs.Scattering1D(J=3, shape=64)(x)

    def test_operators(self):
        x = da.zeros((2, 64), chunks=(1, 64))
        with pytest.raises(ArgumentError, match='out_type="array"'):
            gs.Scattering1D(J=3, shape=64, out_type="dict")(x)
        with pytest.raises(ArgumentError, match="expected an operator"):
            gs.apply(np.abs, x)
        with pytest.raises(BackendError, match="no backend 'nowhere'"):
            gs.Scattering1D(J=3, shape=64)(x, backend="nowhere")

    def test_the_neutral_operator_shows_the_way(self):
        with pytest.raises(DtypeError, match=r"groupscat\.dask"):
            groupscat.Scattering1D(J=3, shape=64)(da.zeros((2, 64)))

    def test_values_that_are_not_finite_are_found_when_computing(self):
        S = gs.Scattering1D(J=3, shape=64, check_finite=True)
        y = S(da.full((2, 64), np.nan, chunks=(1, 64)))
        with pytest.raises(groupscat.NotFiniteError):
            y.compute()

    @pytest.mark.parametrize(
        "command",
        ["import groupscat.dask", "from groupscat.cli import main; raise SystemExit(main(OPTIONS))"],
    )
    def test_without_dask(self, tmp_path, command):
        np.save(tmp_path / "x.npy", np.zeros((2, 64)))
        options = ["features", "x.npy", "-o", "y.npz", "--scheduler", "local:1"]
        code = "import sys; sys.modules['dask'] = sys.modules['distributed'] = None"
        code = f"{code}; OPTIONS = {options}; {command}"
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode in (1, 2)
        assert 'pip install "groupscat[dask]"' in done.stderr


#: A fault, by the method it is in, and what it makes of the right result.
FAULTS = {
    "a block in another order": (gs._Block, "__call__", lambda y: y[::-1]),
    "a block of single precision": (gs._Block, "__call__", lambda y: y.astype(np.float32)),
    "another operator": (gs, "_operator", lambda S: S.replace(L=S.L, padding="zero")),
}


@pytest.mark.parametrize("name", FAULTS)
def test_planted_faults_are_found(monkeypatch, name):
    owner, method, fault = FAULTS[name]
    original = getattr(owner, method)
    monkeypatch.setattr(owner, method, lambda *arguments: fault(original(*arguments)))
    with pytest.raises(AssertionError):
        TestArrays().test_the_same_as_without_blocks("2-D")


# ------------------------------------------------------------------------------------------ the cluster


@pytest.fixture(scope="module")
def two_processes():
    pytest.importorskip("distributed")
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
        ) as processes,
        Client(processes, set_as_default=False) as client,
    ):
        yield client


@pytest.mark.slow
def test_two_processes(two_processes):
    for name in ("2-D", "joint", "complex", "some paths", "no batch"):
        S, x, blocks = case(name)
        found = two_processes.compute(gs.apply(S, blocks)).result(timeout=120)
        assert np.abs(found - neutral(S)(x)).max() < TOLERANCE
    S, x, _ = case("1-D")
    blocks = da.from_array(np.concatenate([x] * 40), chunks=(7, 64)).map_blocks(slowly)
    future = two_processes.compute(S(blocks))
    assert np.abs(future.result(timeout=120) - np.concatenate([neutral(S)(x)] * 40)).max() < TOLERANCE
    tasks = [len(log) for log in two_processes.run(lambda: list(gs._kept.cache_info())).values()]
    kept = [info[3] for info in two_processes.run(lambda: list(gs._kept.cache_info())).values()]
    assert tasks == [4, 4]
    assert min(kept) >= 1  # both have computed


def slowly(block):
    time.sleep(0.02)
    return block


@pytest.mark.slow
def test_processes_without_a_cluster():
    S, x, blocks = case("2-D")
    with dask.config.set({"multiprocessing.context": "spawn"}):
        found = S(blocks).compute(scheduler="processes", num_workers=1)
    assert np.abs(found - neutral(S)(x)).max() < TOLERANCE


def signals(path, n=40, length=256):
    """Signals with labels; every seventh is bad."""
    x = noise((n, length)).astype(np.float32)
    x[::7, 5] = np.nan
    np.savez(path, x=x, label=np.arange(n))


def features(*arguments):
    return cli.main(["features", *map(str, arguments)])


@pytest.mark.slow
class TestCommand:
    @pytest.fixture(autouse=True)
    def distributed(self):
        return pytest.importorskip("distributed")

    @pytest.fixture
    def address(self, two_processes):
        return two_processes.scheduler.address

    @pytest.mark.parametrize("suffix", ["npz", "zarr"])
    def test_the_same_file_byte_for_byte(self, tmp_path, address, suffix, capsys):
        if suffix == "zarr":
            pytest.importorskip("zarr")
        signals(tmp_path / "x.npz")
        options = [tmp_path / "x.npz", "-J", 4, "--batch-size", 4, "--skip-bad"]
        assert features(*options, "-o", tmp_path / f"one.{suffix}") == 0
        assert features(*options, "-o", tmp_path / f"two.{suffix}", "--scheduler", address) == 0
        err = capsys.readouterr().err
        assert err.count("skipped 6 of 40") == 2
        one, two = (tmp_path / f"{name}.{suffix}" for name in ("one", "two"))
        files = [path.relative_to(one) for path in one.rglob("*") if path.is_file()] or [Path()]
        assert files == ([path.relative_to(two) for path in two.rglob("*") if path.is_file()] or [Path()])
        for file in files:
            assert (one / file).read_bytes() == (two / file).read_bytes()
        assert "scheduler" not in json.dumps(read_features(two).config)

    def test_images(self, tmp_path, address):
        Image = pytest.importorskip("PIL.Image")
        for k, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (6, 16, 16), dtype=np.uint8)):
            Image.fromarray(pixels).save(tmp_path / f"{k}.png")
        for name, options in (("one", []), ("two", ["--scheduler", address])):
            assert (
                features(tmp_path, "-o", tmp_path / f"{name}.npz", "-J", 2, "--batch-size", 2, "-q", *options)
                == 0
            )
        assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()

    def test_resumed(self, tmp_path, address, monkeypatch, capsys):
        """Interrupted on the cluster, completed here, and the other way round."""
        signals(tmp_path / "x.npz")
        options = [tmp_path / "x.npz", "-J", 4, "--batch-size", 4, "--skip-bad"]
        assert features(*options, "-o", tmp_path / "whole.npz") == 0
        on_cluster = ["--scheduler", address]
        for name, first, second in (
            ("a", on_cluster, []),
            ("b", [], on_cluster),
            ("c", on_cluster, on_cluster),
        ):
            output = tmp_path / f"{name}.npz"
            with monkeypatch.context() as patch:
                interrupt_after(patch, 3)
                assert features(*options, "-o", output, *first) == 130
            assert "12 of 40 signals are done and kept" in capsys.readouterr().err
            assert features(*options, "-o", output, "--resume", *second) == 0
            assert output.read_bytes() == (tmp_path / "whole.npz").read_bytes()

    def test_errors_are_as_in_one(self, tmp_path, address, capsys):
        signals(tmp_path / "x.npz")
        assert (
            features(tmp_path / "x.npz", "-o", tmp_path / "y.npz", "--batch-size", 4, "--scheduler", address)
            == 1
        )
        err = capsys.readouterr().err
        assert "x.npz[0]: holds NaN" in err
        assert "Traceback" not in err
        assert sorted(p.name for p in tmp_path.iterdir()) == ["x.npz"]

    def test_other_versions_are_refused(self, tmp_path, address, monkeypatch, capsys):
        signals(tmp_path / "x.npz")
        monkeypatch.setattr(groupscat, "__version__", "99")
        assert (
            features(tmp_path / "x.npz", "-o", tmp_path / "y.npz", "--scheduler", address, "--skip-bad") == 2
        )
        assert "have groupscat 0.1.0, but here it is 99" in capsys.readouterr().err

    def test_workers_without_groupscat(self, tmp_path, address, distributed, monkeypatch, capsys):
        def run(*_):
            raise ModuleNotFoundError("No module named 'groupscat'", name="groupscat")

        signals(tmp_path / "x.npz")
        monkeypatch.setattr(distributed.Client, "run", run)
        options = ["--skip-bad", "--scheduler", address]
        assert features(tmp_path / "x.npz", "-o", tmp_path / "y.npz", *options) == 2
        assert "cannot import groupscat" in capsys.readouterr().err

    def test_memory_is_bounded(self, tmp_path, address):
        """Batches are not computed far ahead of those that are taken."""
        signals(tmp_path / "x.npz", n=400)
        (tmp_path / "seen").mkdir()
        source = Marking([tmp_path / "x.npz"], skip_bad=True)
        source.folder = tmp_path / "seen"
        run = Run(groupscat.get_backend("numpy"), scheduler=address)
        found = cluster.results_of_cluster(groupscat.Scattering1D(J=3, shape=256), source, run, 4)
        next(found)
        time.sleep(1)
        assert (
            len(list((tmp_path / "seen").iterdir())) <= 2 * cluster.AHEAD + 1 + 4
        )  # 4: read ahead in batches
        found.close()

    @pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
    def test_a_killed_worker_changes_nothing(self, tmp_path):
        """Its batches are computed again; a cluster of its own, as another one would miss the worker."""
        from distributed import Client, LocalCluster

        signals(tmp_path / "x.npz", n=80)
        operator = groupscat.Scattering1D(J=4, shape=256)
        source = ArraySource([tmp_path / "x.npz"], skip_bad=True)
        wanted = list(cluster.results(operator, source, Run(groupscat.get_backend("numpy")), 4))
        with LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
        ) as processes:
            run = Run(groupscat.get_backend("numpy"), scheduler=processes.scheduler_address)
            with Client(processes, set_as_default=False) as client:
                pid = next(iter(client.run(os.getpid).values()))
            found = []
            for k, result in enumerate(cluster.results_of_cluster(operator, source, run, 4)):
                found.append(result)
                if k == 2:
                    os.kill(pid, signal.SIGKILL)
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one.features, other.features)
            assert (list(one.rows), one.bad) == (list(other.rows), other.bad)

    def test_a_lost_scheduler(self, tmp_path, capsys):
        from distributed import LocalCluster

        signals(tmp_path / "x.npz", n=400)
        source = ArraySource([tmp_path / "x.npz"], skip_bad=True)
        operator = groupscat.Scattering1D(J=4, shape=256)
        options = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "silence_logs": 50}
        with LocalCluster(n_workers=1, **options) as processes:
            run = Run(groupscat.get_backend("numpy"), scheduler=processes.scheduler_address)
            found = cluster.results_of_cluster(operator, source, run, 1)
            next(found)
            processes.close()
            with pytest.raises(DataError, match=r"connection to the scheduler tcp://.* was lost"):
                list(found)
        assert "Traceback" not in capsys.readouterr().err

    @pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
    def test_batches_that_kill_every_worker(self, tmp_path):
        signals(tmp_path / "x.npz")
        source = Killing([tmp_path / "x.npz"], skip_bad=True)
        run = Run(groupscat.get_backend("numpy"), scheduler="local:2")
        with pytest.raises(DataError, match="ended unexpectedly, one after the other"):
            list(cluster.results_of_cluster(groupscat.Scattering1D(J=4, shape=256), source, run, 4))

    @pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
    @pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
    def test_a_request_to_end(self, tmp_path, name):
        signals(tmp_path / "x.npz", n=4000, length=2048)
        command = ["x.npz", "-o", "y.npz", "-J", "6", "-Q", "16", "--batch-size", "2", "--skip-bad"]
        process = subprocess.Popen(
            [sys.executable, "-m", "groupscat.cli", "features", *command, "--scheduler", "local:2"],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        journal, deadline = tmp_path / ".y.npz.part" / "journal", time.monotonic() + 60
        while not journal.exists() or journal.read_bytes().count(b"\n") < 4:
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.02)
        os.killpg(process.pid, getattr(signal, name))
        _, err = process.communicate(timeout=60)
        assert process.returncode == 128 + getattr(signal, name)
        assert "Traceback" not in err
        assert "of 4000 signals are done and kept for y.npz" in err
        for _ in range(400):
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.05)
        pytest.fail("processes are left")


class Marking(ArraySource):
    """Leaves a file for every batch that is read."""

    def read(self, span, dtype):
        (self.folder / str(span.start)).touch()
        return super().read(span, dtype)


class Killing(ArraySource):
    """Ends the process that reads it."""

    def read(self, span, dtype):
        os.kill(os.getpid(), signal.SIGKILL)


def interrupt_after(patch, count):
    """Ctrl-C after some batches have been written."""
    from groupscat.data import FeatureWriter

    append, written = FeatureWriter.append, []

    def appending(self, *arguments):
        if len(written) == count:
            raise KeyboardInterrupt
        written.append(1)
        return append(self, *arguments)

    patch.setattr(FeatureWriter, "append", appending)


class TestOptions:
    @pytest.mark.parametrize("text", ["local:0", "local:", "local:x", "host:8786", "8786"])
    def test_no_address(self, text, capsys):
        assert features("x.npz", "-o", "y.npz", "--scheduler", text) == 2
        assert "local:2" in capsys.readouterr().err

    def test_one_of_workers_and_scheduler(self, tmp_path, capsys):
        assert features("x.npz", "-o", "y.npz", "--scheduler", "local:2", "--workers", 2) == 2
        assert "not allowed with argument" in capsys.readouterr().err
        (tmp_path / "options.toml").write_text("workers = 2\n", encoding="utf-8")
        options = ["--config", tmp_path / "options.toml", "--scheduler", "local:2"]
        assert features("x.npz", "-o", tmp_path / "y.npz", *options) == 2
        assert "give one of them" in capsys.readouterr().err

    def test_no_such_scheduler(self, tmp_path, monkeypatch, capsys):
        pytest.importorskip("distributed")
        monkeypatch.setattr(cluster, "PATIENCE", 1)
        signals(tmp_path / "x.npz")
        options = ["--skip-bad", "--scheduler", "tcp://127.0.0.1:9"]
        assert features(tmp_path / "x.npz", "-o", tmp_path / "y.npz", *options) == 2
        err = capsys.readouterr().err
        assert "tcp://127.0.0.1:9: no scheduler with workers answers" in err
        assert "Traceback" not in err
