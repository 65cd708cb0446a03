"""Recordings as signals: rates, channels, lengths, and what is wrong with files."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import groupscat as gs
from groupscat import cli
from groupscat.data import AudioSource, open_source, read_features
from groupscat.data.audio import Listen, load_audio
from groupscat.errors import ArgumentError, DataError

soundfile = pytest.importorskip("soundfile")
RATE = 8000


@pytest.fixture
def random():
    return np.random.default_rng(0)


def tone(hertz, seconds=0.5, rate=RATE):
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def save(path: Path, values, rate=RATE, subtype="PCM_16") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, values, rate, subtype=subtype)
    return path


def everything(source, size=3, dtype="float64"):
    batches = list(source.batches(size, dtype))
    return np.concatenate([b.values for b in batches]), [row for b in batches for row in b.rows]


class TestReading:
    @pytest.mark.parametrize(
        ("suffix", "subtype", "error"),
        [
            (".wav", "PCM_16", 2**-15),
            (".wav", "PCM_24", 2**-23),
            (".wav", "FLOAT", 2**-24),
            (".flac", "PCM_16", 2**-15),
            (".WAV", "DOUBLE", 0),
            (".aiff", "PCM_16", 2**-15),
        ],
    )
    def test_formats(self, tmp_path, random, suffix, subtype, error):
        x = random.uniform(-0.9, 0.9, 1000)
        path = save(tmp_path / f"x{suffix}", x, subtype=subtype)
        np.testing.assert_allclose(load_audio(path), x, atol=error)
        source = open_source([path])
        assert source.shape == (1000,)
        assert source.sampling_rate == RATE

    def test_channels_are_mixed_or_kept(self, tmp_path, random):
        x = random.uniform(-0.9, 0.9, (1000, 2))
        path = save(tmp_path / "x.wav", x, subtype="DOUBLE")
        np.testing.assert_allclose(load_audio(path), x.mean(axis=1), atol=1e-15)
        np.testing.assert_array_equal(load_audio(path, channels="keep"), x.T)
        assert open_source([path], channels="keep").shape == (2, 1000)
        mono = save(tmp_path / "y.wav", x[:, 0])
        with pytest.raises(DataError, match=r"different numbers of channels.*--channels keep"):
            open_source([path, mono], channels="keep")
        assert open_source([path, mono]).shape == (1000,)

    @pytest.mark.parametrize("rate", [4000, 8000, 11025, 16000, 22050.0, 44100])
    def test_a_tone_keeps_its_frequency_at_another_rate(self, tmp_path, rate):
        path = save(tmp_path / "x.wav", tone(440, 0.5), subtype="DOUBLE")
        found = load_audio(path, rate)
        assert len(found) == -(-0.5 * rate // 1)
        wanted = tone(440, 0.5, rate)[: len(found)]
        inner = slice(len(found) // 8, -len(found) // 8)
        np.testing.assert_allclose(found[: len(wanted)][inner], wanted[inner], atol=2e-3)

    def test_what_the_new_rate_cannot_hold_is_filtered_out(self, tmp_path):
        path = save(tmp_path / "x.wav", tone(3000), subtype="DOUBLE")
        assert np.abs(load_audio(path, 4000)[100:-100]).max() < 1e-2

    @pytest.mark.parametrize("rate", [RATE, 4000, 11025, 44100])
    @pytest.mark.parametrize("length", [1, 500, 1999, 9000])
    def test_a_length_gives_the_beginning_of_the_whole(self, tmp_path, random, rate, length):
        """Only what it takes is read, with the same values."""
        path = save(tmp_path / "x.wav", random.uniform(-0.9, 0.9, 3000), subtype="DOUBLE")
        whole = load_audio(path, rate)
        found = load_audio(path, rate, length=length)
        assert found.shape == (length,)
        m = min(length, len(whole))
        np.testing.assert_allclose(found[:m], whole[:m], atol=1e-12)
        assert (found[m:] == 0).all()

    def test_lengths(self, tmp_path):
        paths = [save(tmp_path / f"{k}.wav", tone(440, s)) for k, s in enumerate((0.2, 0.5))]
        source = AudioSource(paths)
        assert source.shape == (4000,)
        assert "last 0.2 to 0.5 s" in source.notes[0]
        values, rows = everything(source)
        assert rows == [0, 1]
        assert (values[0, 1600:] == 0).all()
        assert AudioSource(paths, Listen(length=0.25)).shape == (2000,)
        assert AudioSource(paths, Listen(length=300)).shape == (300,)
        assert AudioSource(paths, Listen(rate=4000, length=0.25)).shape == (1000,)
        assert AudioSource(paths, Listen(length=300)).notes == []

    @pytest.mark.parametrize("listen", [{"rate": 0}, {"rate": float("nan")}, {"length": 0}, {"length": -1.0}])
    def test_values_that_cannot_be(self, listen):
        with pytest.raises(ArgumentError, match="positive"):
            Listen(**listen)


def truncated(path, part):
    path.write_bytes(path.read_bytes()[:part])
    return path


class TestBadFiles:
    def bad_files(self, folder, random):
        """Files that cannot be used, and what is to be said of them."""
        noise = random.uniform(-0.9, 0.9, 20_000)
        save(folder / "cut.flac", noise)
        save(folder / "cut.wav", noise)
        save(folder / "short_header.wav", noise)
        truncated(folder / "cut.flac", 20_000)
        truncated(folder / "cut.wav", 20_000)
        truncated(folder / "short_header.wav", 20)
        save(folder / "empty.wav", np.zeros(0))
        (folder / "nothing.wav").write_bytes(b"")
        (folder / "text.wav").write_text("no recording")
        return {
            "cut.flac": "",
            "cut.wav": "cut off: 20044 bytes",
            "short_header.wav": "",
            "empty.wav": "has no samples",
            "nothing.wav": "",
            "text.wav": "ormat not recognised",
        }

    def test_each_is_named_with_its_reason(self, tmp_path, random):
        bad = self.bad_files(tmp_path, random)
        save(tmp_path / "good.wav", tone(440))
        with pytest.raises(DataError, match="6 recordings cannot be used") as caught:
            open_source([tmp_path])
        lines = {
            Path(line.split(": ")[0].strip()).name: line for line in str(caught.value).splitlines()[1:-1]
        }
        assert sorted(lines) == sorted(bad)
        for name, reason in bad.items():
            assert reason in lines[name]
            assert len(lines[name].split(": ", 1)[1]) > 5

    def test_they_are_skipped_and_the_others_stay_in_order(self, tmp_path, random):
        bad = self.bad_files(tmp_path, random)
        for k in range(3):
            save(tmp_path / f"good{k}.wav", tone(100 * k, 2.5))
        not_a_number = tone(440, 2.5)
        not_a_number[7] = np.nan
        save(tmp_path / "nan.wav", not_a_number, subtype="FLOAT")
        source = open_source([tmp_path], skip_bad=True)
        values, rows = everything(source, size=2)
        assert [Path(source.names[row]).name for row in rows] == ["good0.wav", "good1.wav", "good2.wav"]
        np.testing.assert_allclose(values[2], tone(200, 2.5), atol=1e-4)
        assert {Path(item.name).name for item in source.skipped} == {*bad, "nan.wav"}

    def test_mixed_rates(self, tmp_path):
        paths = [save(tmp_path / f"{k}.wav", tone(440, rate=r), r) for k, r in enumerate((8000, 8000, 16000))]
        with pytest.raises(
            DataError, match=r"2 different sampling rates: 2 have 8000 Hz, but .*2\.wav has 16000"
        ):
            open_source(paths)
        assert open_source(paths, rate=8000).shape == (4000,)

    def test_all_bad(self, tmp_path):
        (tmp_path / "x.wav").write_bytes(b"no")
        with pytest.raises(DataError, match="None of the 1 recordings"):
            open_source([tmp_path], skip_bad=True)

    def test_a_length_not_known_when_it_was_written(self, tmp_path):
        """Programs that write to a pipe leave the largest number as the length."""
        path = save(tmp_path / "x.wav", tone(440))
        content = bytearray(path.read_bytes())
        place = content.index(b"data") + 4
        content[place : place + 4] = b"\xff" * 4
        path.write_bytes(content)
        assert open_source([path]).shape == (4000,)

    def test_without_soundfile(self, tmp_path, monkeypatch):
        save(tmp_path / "x.wav", tone(440))
        monkeypatch.setitem(sys.modules, "soundfile", None)
        with pytest.raises(ImportError, match=r'pip install "groupscat\[audio\]"'):
            open_source([tmp_path])


class TestCommandLine:
    @pytest.fixture
    def recordings(self, tmp_path):
        """Two classes of tones at 16 kHz, of different lengths, stereo."""
        for name, hertz in (("low", 300), ("high", 1500)):
            for k in range(3):
                x = tone(hertz + 20 * k, 0.1 + 0.05 * k, 16000)
                save(tmp_path / "recordings" / name / "takes" / f"{k}.wav", np.stack([x, 0.5 * x], 1), 16000)
        return tmp_path / "recordings"

    def run(self, capsys, *arguments):
        status = cli.main([str(a) for a in arguments])
        return status, capsys.readouterr().err

    def test_whole(self, tmp_path, recordings, capsys):
        options = ["-J", 5, "-Q", 4, "--sampling-rate", 8000, "--length", "0.15s", "--batch-size", 2]
        status, err = self.run(capsys, "features", recordings, "-o", tmp_path / "y.npz", *options)
        assert status == 0, err
        assert "6/6" in err
        found = read_features(tmp_path / "y.npz")
        S = gs.Scattering1D(J=5, shape=1200, Q=4, sampling_rate=8000)
        files = sorted(recordings.rglob("*.wav"))
        x = np.stack([load_audio(path, 8000, length=1200) for path in files]).astype(np.float32)
        np.testing.assert_allclose(found.features, S(x), rtol=1e-5, atol=1e-7)
        assert found.labels["folder"].tolist() == ["high"] * 3 + ["low"] * 3
        assert np.nanmax(found.paths["hz"]) < 4000
        np.testing.assert_allclose(found.paths["hz"], 8000 * found.paths["xi"])
        # Tones are where the table says they are.
        first = found.paths["order"] == 1
        energy = np.mean(found.features[:, first] ** 2, axis=-1)
        loudest = found.paths["hz"][first, 0][energy.argmax(axis=1)]
        np.testing.assert_allclose(loudest[3:], 320, rtol=0.25)
        np.testing.assert_allclose(loudest[:3], 1520, rtol=0.25)

    def test_the_files_own_rate_is_in_the_table(self, tmp_path, recordings, capsys):
        status, err = self.run(
            capsys, "features", recordings, "-o", tmp_path / "y.npz", "-J", 3, "--channels", "keep", "-q"
        )
        assert status == 0
        assert "note: The recordings last 0.1 to 0.2 s" in err
        found = read_features(tmp_path / "y.npz")
        assert found.features.shape[:2] == (6, 2)
        np.testing.assert_allclose(found.paths["hz"], 16000 * found.paths["xi"])

    def test_workers_and_configuration(self, tmp_path, recordings, capsys):
        pytest.importorskip("zarr")
        options = ["-J", 4, "--sampling-rate", 8000, "--length", 1000, "--batch-size", 4, "-q"]
        assert self.run(capsys, "features", recordings, "-o", tmp_path / "a.npz", *options)[0] == 0
        again = ["features", "-o", tmp_path / "b.zarr", "--config", tmp_path / "a.npz", "--workers", 2, "-q"]
        status, err = self.run(capsys, *again)
        assert status == 0, err
        a, b = read_features(tmp_path / "a.npz"), read_features(tmp_path / "b.zarr")
        np.testing.assert_array_equal(a.features, b.features)
        assert a.config == b.config
        assert a.names == b.names

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["--length", "0"], "--length"),
            (["--length", "soon"], "expected samples"),
            (["--sampling-rate", "-1"], "positive number of Hz"),
            (["--rgb"], "for images; the inputs are recordings"),
            (["--key", "x"], "for arrays; the inputs are recordings"),
            (["--channels", "left"], "--channels"),
        ],
    )
    def test_options(self, tmp_path, recordings, capsys, options, message):
        status, err = self.run(capsys, "features", recordings, "-o", tmp_path / "y.npz", *options)
        assert status == 2
        assert message in err
        assert [p.name for p in tmp_path.iterdir()] == ["recordings"]
