"""Time-frequency scattering from the command line: options, defaults, and what comes after the features."""

from __future__ import annotations

import json
import wave

import numpy as np
import pytest

import groupscat as gs
from groupscat import cli
from groupscat.features.transform import defaults

RATE = 2000


@pytest.fixture
def run(capsys):
    """Run a command; its status and stderr."""

    def run(*arguments):
        status = cli.main([str(a) for a in arguments])
        return status, capsys.readouterr().err

    return run


@pytest.fixture
def recordings(tmp_path):
    """Chirps that rise and chirps that fall, in two folders of eight."""
    pytest.importorskip("soundfile")
    t = np.arange(1024) / RATE
    for k in range(16):
        folder = tmp_path / "sounds" / ("up", "down")[k % 2]
        folder.mkdir(parents=True, exist_ok=True)
        x = np.sin(2 * np.pi * (60 + 2 * k) * np.expm1(4 * t) / 4)  # up to 700 Hz
        x = x if k % 2 == 0 else x[::-1]
        with wave.open(str(folder / f"{k}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes((20000 * x).astype("<i2").tobytes())
    return tmp_path / "sounds"


@pytest.fixture
def arrays(tmp_path):
    x = np.random.default_rng(0).normal(size=(4, 512)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x, label=np.arange(4))
    return tmp_path / "x.npz", x


def load(path):
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


OPTIONS = [
    ([], {"J": 5, "J_fr": 4, "Q": 8}),
    (["-J", 4, "-Q", 1], {"J": 4, "J_fr": 2, "Q": 1}),
    (
        ["-J", 6, "--J-fr", 2, "-Q", 4, "--Q-fr", 2, "-T", 32, "-F", 2, "--stride", 16, "--stride-fr", 1],
        {"J": 6, "J_fr": 2, "Q": 4, "Q_fr": 2, "T": 32, "F": 2, "stride": 16, "stride_fr": 1},
    ),
    (
        ["--format", "joint", "--J-fr", 3, "--T", "global", "--F", "global", "--padding", "zero"],
        {"J": 5, "J_fr": 3, "Q": 8, "format": "joint", "T": "global", "F": "global", "padding": "zero"},
    ),
    (
        ["--separable", "--exclude", "order 0", "psi_t phi_f", "--J-fr", 3, "--sampling-rate", 8000],
        {
            "J": 5,
            "J_fr": 3,
            "Q": 8,
            "separable": True,
            "exclude": ("order 0", "psi_t phi_f"),
            "sampling_rate": 8000,
        },
    ),
]


@pytest.mark.parametrize(("options", "arguments"), OPTIONS, ids=str)
def test_options_reach_the_operator(run, arrays, tmp_path, options, arguments):
    path, x = arrays
    status, err = run("features", path, "-o", tmp_path / "y.npz", "--transform", "jtfs", "-q", *options)
    assert status == 0, err
    S = gs.TimeFrequencyScattering(shape=512, **arguments)
    found = load(tmp_path / "y.npz")
    np.testing.assert_allclose(found["features"], S(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found["label"], range(4))
    spins = [np.nan if spin is None else spin for spin in S.paths.column("spin")]
    np.testing.assert_array_equal(found["path_spin"], spins)
    assert json.loads(str(found["config"]))["transform"] == "TimeFrequencyScattering"
    status, err = run("features", path, "-o", tmp_path / "z.npz", "--config", tmp_path / "y.npz", "-q")
    assert status == 0, err
    np.testing.assert_array_equal(load(tmp_path / "z.npz")["features"], found["features"])


def test_default_scales_fit():
    for length in (32, 100, 1000, 2**16):
        for given in ({}, {"Q": 1}, {"Q": 2, "J": 3}, {"Q": (4, 2)}):
            found = defaults("jtfs", (length,), given)
            assert 1 <= found["J_fr"] <= 4
            gs.TimeFrequencyScattering(shape=length, **found)


def test_channels(run, tmp_path):
    x = np.random.default_rng(0).normal(size=(3, 2, 256)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    status, err = run(
        "features", tmp_path / "x.npy", "-o", tmp_path / "y.npz", "--transform", "jtfs", "-J", 4, "-q"
    )
    assert status == 0, err
    S = gs.TimeFrequencyScattering(J=4, J_fr=4, shape=256, Q=8)
    np.testing.assert_allclose(load(tmp_path / "y.npz")["features"], S(x), rtol=1e-5, atol=1e-6)


def test_recordings_are_learned_and_predicted(run, recordings, tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn")
    pytest.importorskip("skops")
    monkeypatch.chdir(tmp_path)
    joint = ["--transform", "jtfs", "-J", 8, "--format", "joint", "--exclude", "psi_t phi_f", "phi_t phi_f"]
    status, err = run("features", recordings, "-o", "y.npz", "-q", *joint)
    assert status == 0, err
    status, err = run("classify", "y.npz", "-o", "m.skops", "--pool", "--log", "--no-figure", "-q")
    assert status == 0, err
    assert cli.main(["predict", "m.skops", str(recordings), "-q"]) == 0
    table = [line.split(",") for line in capsys.readouterr().out.splitlines()[1:]]
    assert [kind for _, kind in table[-16:]] == ["down"] * 8 + ["up"] * 8
    assert all(f"/{kind}/" in name for name, kind in table[-16:])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--transform", "1d", "-F", 2], "The 1d transform has no F"),
        (["--transform", "jtfs", "-L", 2], "The jtfs transform has no L"),
        (["--transform", "jtfs", "-F", 0, "--format", "joint"], "--stride-fr 1"),
        (["--transform", "jtfs", "-T", 0], "--stride 1"),
        (["--transform", "jtfs", "--J-fr", 9], "J_fr=9: the largest scale"),
    ],
)
def test_errors_name_the_way_out(run, arrays, tmp_path, options, message):
    status, err = run("features", arrays[0], "-o", tmp_path / "y.npz", "-q", *options)
    assert status == 2
    assert message in err


def test_complex_sounds_are_refused(run, tmp_path):
    np.save(tmp_path / "x.npy", np.ones((2, 256), complex))
    status, err = run("features", tmp_path / "x.npy", "-o", tmp_path / "y.npz", "--transform", "jtfs", "-q")
    assert status == 1
    assert "The jtfs transform is for real sounds" in err
