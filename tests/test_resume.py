"""``groupscat features`` killed at random moments and completed by ``--resume``; several processes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from groupscat import cli
from groupscat.data import read_features
from groupscat.errors import DataError

FORMATS = ("npz", "zarr")


@pytest.fixture
def run(capsys):
    """Run a command; its status, stdout, stderr."""

    def run(*arguments):
        status = cli.main([str(a) for a in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def signals(path, n=60, length=2048):
    """Signals with labels; every seventh is bad."""
    x = np.random.default_rng(0).normal(size=(n, length)).astype(np.float32)
    x[::7, 5] = np.nan
    np.savez(path, x=x, label=np.arange(n))


def start(folder, *command):
    """A run in a process group of its own."""
    group = {} if os.name == "nt" else {"start_new_session": True}
    return subprocess.Popen(
        [sys.executable, "-m", "groupscat.cli", "features", *map(str, command)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        **group,
    )


def kill(process):
    """Without a chance to clean up, and everything it has started too."""
    if os.name == "nt":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)


def nobody_left(group):
    """Whether all processes of a group end within a while."""
    for _ in range(400):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def assert_same(found, wanted):
    np.testing.assert_array_equal(found.features[...], wanted.features[...])
    assert found.names == wanted.names
    assert found.skipped == wanted.skipped
    assert found.config == wanted.config
    np.testing.assert_array_equal(found.labels["label"], wanted.labels["label"])


def lines(journal):
    try:
        return journal.read_bytes().count(b"\n")
    except OSError:  # not made yet
        return 0


def wait_for_batches(process, journal, count):
    deadline = time.monotonic() + 60
    while lines(journal) < count:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", FORMATS)
def test_killed_at_random_moments_and_resumed(tmp_path, run, suffix):
    """Twelve kills each, as many as it takes of runs; at the end everything is as if none had been."""
    if suffix == "zarr":
        pytest.importorskip("zarr")
    moment = random.Random(f"moments of {suffix}")
    signals(tmp_path / "x.npz", n=400)
    command = [
        "x.npz",
        "-o",
        f"y.{suffix}",
        "-J",
        6,
        "-Q",
        16,
        "--batch-size",
        2,
        "--skip-bad",
        "-q",
        "--resume",
    ]
    output, journal = tmp_path / f"y.{suffix}", tmp_path / f".y.{suffix}.part" / "journal"
    kills, resumed, finished = 0, 0, None
    while kills < 12:
        before = lines(journal)
        process = start(tmp_path, *command)
        # Some are killed while they start or take up what is there, most at any point of their work.
        if moment.random() < 0.8:
            wait_for_batches(process, journal, before + 1)
            time.sleep(0.05 * moment.random())
        else:
            time.sleep(0.6 * moment.random())
        assert process.poll() is None, process.communicate()[1]
        kill(process)
        kills += 1
        resumed += before > 0
        assert lines(journal) >= before
        assert not output.exists()
        with pytest.raises(DataError):
            read_features(output)
    assert resumed >= 8
    assert 0 < lines(journal) < 200
    process = start(tmp_path, *command)
    assert process.wait(timeout=60) == 0, process.communicate()[1]
    process.communicate()
    finished = read_features(output)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.npz", f"y.{suffix}"]
    process = start(tmp_path, *[f"whole.{suffix}" if a == f"y.{suffix}" else a for a in command])
    assert process.wait(timeout=60) == 0, process.communicate()[1]
    process.communicate()
    whole = read_features(tmp_path / f"whole.{suffix}")
    assert len(whole) == 400 - 58
    assert len(whole.skipped) == 58
    assert_same(finished, whole)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_request_to_end_keeps_what_is_done_and_says_so(tmp_path, name, workers):
    signals(tmp_path / "x.npz", n=2000)
    options = ["-J", 6, "-Q", 16, "--batch-size", 2, "--skip-bad", "--workers", workers]
    process = start(tmp_path, "x.npz", "-o", "y.npz", *options)
    wait_for_batches(process, tmp_path / ".y.npz.part" / "journal", 3)
    os.killpg(process.pid, getattr(signal, name))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + getattr(signal, name)
    assert "Traceback" not in err
    assert "of 2000 signals are done and kept for y.npz; the same command with --resume" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == [".y.npz.part", "x.npz"]
    assert nobody_left(process.pid)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_workers_end_when_the_first_process_is_killed(tmp_path):
    signals(tmp_path / "x.npz", n=2000)
    options = ["-J", 6, "-Q", 16, "--batch-size", 2, "--skip-bad", "--workers", 2]
    process = start(tmp_path, "x.npz", "-o", "y.npz", *options)
    wait_for_batches(process, tmp_path / ".y.npz.part" / "journal", 3)
    process.kill()
    process.wait(timeout=60)
    process.stderr.close()
    assert nobody_left(process.pid)


class TestResume:
    def interrupted(self, run, monkeypatch, after, *command):
        """The command, ended after some batches."""
        import groupscat as gs

        original, calls = gs.Scattering1D.__call__, []

        def ending(self, x):
            calls.append(x)
            if len(calls) > after:
                raise KeyboardInterrupt
            return original(self, x)

        with monkeypatch.context() as patch:
            patch.setattr(gs.Scattering1D, "__call__", ending)
            return run("features", *command)

    @pytest.mark.parametrize("suffix", FORMATS)
    @pytest.mark.parametrize("after", range(1, 7))
    def test_after_every_batch(self, tmp_path, run, monkeypatch, suffix, after):
        if suffix == "zarr":
            pytest.importorskip("zarr")
        signals(tmp_path / "x.npz", n=30, length=64)
        options = [tmp_path / "x.npz", "--batch-size", 4, "--skip-bad"]
        assert run("features", *options, "-o", tmp_path / f"whole.{suffix}", "--resume")[0] == 0
        output = ["-o", tmp_path / f"y.{suffix}"]
        status, _, err = self.interrupted(run, monkeypatch, after, *options, *output)
        assert status == 130
        assert f"{4 * after} of 30 signals are done and kept" in err
        status, _, err = self.interrupted(run, monkeypatch, 1, *options, *output, "--resume")
        status, _, err = run("features", *options, *output, "--resume")
        assert status == 0, err
        assert "skipped 5 of 30" in err
        assert "30/30" in err
        assert_same(read_features(tmp_path / f"y.{suffix}"), read_features(tmp_path / f"whole.{suffix}"))
        status, out, _ = run("features", *options, *output, "--resume")
        assert status == 0
        assert "is complete already" in out

    def test_what_differs_is_named(self, tmp_path, run, monkeypatch):
        signals(tmp_path / "x.npz", n=30, length=64)
        x, y = tmp_path / "x.npz", tmp_path / "y.npz"
        command = [x, "-o", y, "--batch-size", 4, "--skip-bad", "-q"]
        assert self.interrupted(run, monkeypatch, 2, *command)[0] == 130
        for options, message in [
            (["--batch-size", 5], "batch_size was 4 and is 5"),
            (["-J", 1], "arguments.J was 2 and is 1"),
            (["--dtype", "float64"], 'dtype was "float32" and is "float64"'),
        ]:
            status, _, err = run("features", *command, *options, "--resume")
            assert status == 2
            assert "Cannot resume" in err
            assert message in err
        status, _, err = run("features", *command)
        assert status == 2
        assert "Complete it by the same command with --resume" in err
        times = (x.stat().st_atime_ns, x.stat().st_mtime_ns)
        os.utime(x, ns=(times[0], times[1] + 10**9))
        status, _, err = run("features", *command, "--resume")
        assert status == 2
        assert "x.npz has changed" in err
        os.utime(x, ns=times)
        assert run("features", *command, "--resume")[0] == 0
        status, _, err = run("features", *command, "--resume", "-J", 1)
        assert status == 2
        assert "is complete, but of another run: arguments.J was 2 and is 1" in err
        os.utime(x, ns=(times[0], times[1] + 10**9))
        status, _, err = run("features", *command, "--resume")
        assert status == 2
        assert "the inputs differ" in err

    def test_a_change_inside_a_zarr_array_is_noticed(self, tmp_path, run, monkeypatch):
        zarr = pytest.importorskip("zarr")
        zarr.create_array(tmp_path / "x.zarr", data=np.ones((8, 64)), chunks=(2, 64))
        command = [tmp_path / "x.zarr", "-o", tmp_path / "y.npz", "--batch-size", 2, "-q"]
        assert self.interrupted(run, monkeypatch, 2, *command)[0] == 130
        chunk = max(p for p in (tmp_path / "x.zarr").rglob("*") if p.is_file() and "c" in p.parts)
        os.utime(chunk, ns=(0, chunk.stat().st_mtime_ns + 10**9))
        status, _, err = run("features", *command, "--resume")
        assert status == 2
        assert "x.zarr has changed" in err

    def test_a_bad_signal_far_on_is_left_out_by_resuming(self, tmp_path, run):
        x = np.ones((9, 64))
        x[6, 0] = np.nan
        np.save(tmp_path / "x.npy", x)
        command = [tmp_path / "x.npy", "-o", tmp_path / "y.npz", "--batch-size", 2, "-q"]
        status, _, err = run("features", *command)
        assert status == 1
        assert "x.npy[6]: holds NaN" in err
        assert "6 of 9 signals are done and kept" in err
        assert run("features", *command, "--resume", "--skip-bad")[0] == 0
        assert len(read_features(tmp_path / "y.npz")) == 8

    @pytest.mark.skipif(os.name == "nt", reason="POSIX limits")
    @pytest.mark.parametrize("suffix", FORMATS)
    def test_a_file_that_may_not_grow(self, tmp_path, suffix):
        """The system refuses to write on; with the limit lifted, the run is completed."""
        if suffix == "zarr":
            pytest.importorskip("zarr")
        signals(tmp_path / "x.npz", n=64)
        limit = "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        limit += (
            f"resource.setrlimit(resource.RLIMIT_FSIZE, ({22_500 if suffix == 'zarr' else 200_000},) * 2);"
        )
        code = limit + "from groupscat.cli import main; sys.exit(main(sys.argv[1:]))"
        options = [
            "features",
            "x.npz",
            "-o",
            f"y.{suffix}",
            "-J",
            "3",
            "--batch-size",
            "4",
            "--skip-bad",
            "-q",
        ]
        done = subprocess.run(
            [sys.executable, "-c", code, *options], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 1, done.stderr
        assert f"Cannot write y.{suffix}: File too large" in done.stderr
        assert not (tmp_path / f"y.{suffix}").exists()
        process = start(tmp_path, *options[1:], "--resume")
        assert process.wait(timeout=60) == 0, process.communicate()[1]
        process.communicate()
        assert len(read_features(tmp_path / f"y.{suffix}")) == 64 - 10


class TestWorkers:
    @pytest.mark.parametrize("workers", [2, 3])
    def test_the_same_as_one(self, tmp_path, run, workers):
        signals(tmp_path / "x.npz", n=23, length=256)
        options = [tmp_path / "x.npz", "--batch-size", 4, "--skip-bad", "-q"]
        assert run("features", *options, "-o", tmp_path / "one.npz")[0] == 0
        status, _, err = run("features", *options, "-o", tmp_path / "many.npz", "--workers", workers)
        assert status == 0, err
        assert_same(read_features(tmp_path / "many.npz"), read_features(tmp_path / "one.npz"))

    def test_images(self, tmp_path, run):
        Image = pytest.importorskip("PIL.Image")
        for k, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (6, 16, 16), dtype=np.uint8)):
            Image.fromarray(pixels).save(tmp_path / f"{k}.png")
        for name, workers in (("one", 1), ("two", 2)):
            output = tmp_path / f"{name}.npz"
            status, _, err = run(
                "features", tmp_path, "-o", output, "-J", 2, "--batch-size", 2, "--workers", workers
            )
            assert status == 0, err
            assert "6/6" in err
        one, two = read_features(tmp_path / "one.npz"), read_features(tmp_path / "two.npz")
        np.testing.assert_array_equal(one.features, two.features)

    def test_errors_are_as_in_one(self, tmp_path, run):
        signals(tmp_path / "x.npz", n=23, length=256)
        output = tmp_path / "y.npz"
        status, _, err = run("features", tmp_path / "x.npz", "-o", output, "--batch-size", 4, "--workers", 2)
        assert status == 1
        assert "x.npz[0]: holds NaN" in err
        assert "Traceback" not in err
        assert sorted(p.name for p in tmp_path.iterdir()) == ["x.npz"]

    def test_a_killed_worker_is_named(self, tmp_path, monkeypatch):
        import groupscat as gs
        from groupscat.data import ArraySource
        from groupscat.features import Run
        from groupscat.features import workers as module

        signals(tmp_path / "x.npz", n=200, length=4096)
        source = ArraySource([tmp_path / "x.npz"], skip_bad=True)
        operator = gs.Scattering1D(J=6, shape=4096, Q=16)
        found = module.results_of_workers(operator, source, Run(gs.get_backend("numpy"), workers=2), 1)
        with pytest.raises(DataError, match="worker process ended unexpectedly"):  # noqa: PT012
            for k, _ in enumerate(found):
                if k == 2:
                    __import__("multiprocessing").active_children()[0].kill()
        assert __import__("multiprocessing").active_children() == []


def test_the_configuration_says_nothing_of_the_workers(tmp_path, run):
    signals(tmp_path / "x.npz", n=9, length=64)
    shutil.copy(tmp_path / "x.npz", tmp_path / "z.npz")
    run("features", tmp_path / "x.npz", "-o", tmp_path / "y.npz", "--skip-bad", "-q", "--workers", 2)
    assert "workers" not in json.dumps(read_features(tmp_path / "y.npz").config)
