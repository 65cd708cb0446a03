"""Recordings as signals: read by soundfile, mixed, resampled and brought to one length."""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from groupscat.data.progress import Progress
from groupscat.data.source import Batch, Skipped, Source, printable
from groupscat.errors import ArgumentError, DataError

EXTENSIONS = (".wav", ".flac", ".aif", ".aiff", ".au", ".ogg")
Channels = Literal["mix", "keep"]
#: Samples decoded at a time where a file is only checked.
CHECK_FRAMES = 1 << 18
#: Half the length of the anti-aliasing filter, in periods of the lower of the two rates (that of
#: scipy.signal.resample_poly).
HALF_PERIODS = 10
#: Sampling rates are to each other as whole numbers up to this.
LARGEST_RATIO = 1 << 16


@dataclass(frozen=True)
class Listen:
    """How a recording becomes an array.

    Parameters
    ----------
    rate : sampling rate to resample to, Hz; None: the recordings' common one.
    channels : "mix" (their mean, a signal (N,)) or "keep" (a signal (channels, N)).
    length : samples (int) after resampling, or seconds (float), to cut or fill with zeros to, at the end;
        None: as long as the longest.
    """

    rate: float | None = None
    channels: Channels = "mix"
    length: int | float | None = None

    def __post_init__(self) -> None:
        if self.rate is not None and not (math.isfinite(self.rate) and self.rate > 0):
            raise ArgumentError(f"--sampling-rate {self.rate:g}: expected a positive number of Hz.")
        if self.length is not None and not (math.isfinite(self.length) and self.length > 0):
            raise ArgumentError(f"--length {self.length}: expected a positive duration.")

    def samples(self, rate: float) -> int | None:
        """``length`` in samples at ``rate``."""
        if self.length is None or isinstance(self.length, int):
            return self.length
        return max(1, round(self.length * rate))


@dataclass(frozen=True)
class Header:
    """Samples per channel, channels and sampling rate (Hz) of a recording."""

    frames: int
    channels: int
    rate: int


class AudioSource(Source):
    """Recordings of one length, (N,) or (channels, N), full scale ±1.

    Parameters
    ----------
    paths : the files, in order. listen : rate, channels and length.
    skip_bad : leave out files that cannot be used; without it all are decoded once beforehand, but not if
        they are ``checked`` already.

    Raises
    ------
    DataError : a file cannot be decoded, is cut off or empty, or the rates or channels differ.
    ImportError : soundfile is not installed; the message names the extra.
    """

    unit = "recording"

    def __init__(
        self,
        paths: Sequence[Path],
        listen: Listen | None = None,
        skip_bad: bool = False,
        progress: Progress | None = None,
        checked: bool = False,
    ) -> None:
        super().__init__(skip_bad)
        self._listen = listen = listen or Listen()
        soundfile()
        self.files = paths
        whole = not (skip_bad or checked)
        with ThreadPoolExecutor(self.threads) as pool:
            found = pool.map(lambda path: _check(path, whole), paths)
            headers = list((progress or Progress()).wrap(found, len(paths), "checking recordings"))
        self._leave_out(
            [Skipped(printable(p), h) for p, h in zip(paths, headers, strict=True) if isinstance(h, str)]
        )
        good = [(path, h) for path, h in zip(paths, headers, strict=True) if isinstance(h, Header)]
        if not good:
            raise DataError(
                f"None of the {len(paths)} recordings can be read, for example {self.skipped[0]}."
            )
        self.kept = [k for k, header in enumerate(headers) if isinstance(header, Header)]
        self._paths = [path for path, _ in good]
        self.names = tuple(printable(path) for path in self._paths)
        self.sampling_rate = listen.rate or _common(good, "rate", RATES)
        lengths = [_resampled(header, self.sampling_rate) for _, header in good]
        self._length = listen.samples(self.sampling_rate) or max(lengths)
        self.shape: tuple[int, ...] = (self._length,)
        if listen.channels == "keep":
            self.shape = (_common(good, "channels", CHANNELS), self._length)
        if listen.length is None and min(lengths) < max(lengths):
            self.notes.append(
                f"The recordings last {min(lengths) / self.sampling_rate:.3g} to "
                f"{max(lengths) / self.sampling_rate:.3g} s; all are filled with zeros to the longest, "
                f"{self._length} samples. --length sets another."
            )
        self.about |= {"channels": listen.channels, "samples": self._length, "rate": self.sampling_rate}

    def _read(self, span: range, dtype: str) -> Batch:
        signals, kept, bad = [], [], []
        with ThreadPoolExecutor(self.threads) as pool:
            futures = [pool.submit(self._load, row) for row in span]
            for row, future in zip(span, futures, strict=True):
                try:
                    signals.append(future.result().astype(dtype))
                    kept.append(row)
                except Exception as error:  # libsndfile's, and what its wrapper makes of broken headers
                    bad.append((row, _reason(error)))
        return Batch(np.stack(signals) if signals else np.empty((0, *self.shape)), kept, tuple(bad))

    def _load(self, row: int) -> NDArray[np.float64]:
        assert self.sampling_rate is not None
        signal = load_audio(self._paths[row], self.sampling_rate, self._listen.channels, self._length)
        if signal.shape != self.shape:
            raise DataError(f"has {signal.shape[0]} channels, not {self.shape[0]}")
        return signal


def load_audio(
    path: str | Path, rate: float | None = None, channels: Channels = "mix", length: int | None = None
) -> NDArray[np.float64]:
    """One recording as an array (N,) or (channels, N); see :class:`AudioSource` for the conventions.

    Raises
    ------
    DataError : it has no samples or fewer than it says.
    RuntimeError and others, as soundfile does for files that it cannot decode.
    """
    header = _header(Path(path))
    ratio = _ratio(header.rate, rate or header.rate)
    frames = header.frames
    if length is not None:  # no more than it takes, with what the filter at the end reaches for
        reach = HALF_PERIODS * max(Fraction(1), 1 / ratio)
        frames = min(frames, math.ceil(length / ratio) + math.ceil(reach) + 1)
    values, _ = soundfile().read(path, frames=frames, dtype="float64", always_2d=True)
    if len(values) < frames:
        raise DataError(f"is cut off: {len(values)} of {header.frames} samples can be read")
    signal = values.mean(axis=1)[None] if channels == "mix" else values.T
    if ratio != 1:
        from scipy.signal import resample_poly

        signal = resample_poly(signal, ratio.numerator, ratio.denominator, axis=-1)
    length = length or signal.shape[-1]
    signal = signal[:, :length]
    filled = np.pad(signal, [(0, 0), (0, length - signal.shape[-1])])
    return filled[0] if channels == "mix" else filled


def soundfile() -> Any:
    """The soundfile module.

    Raises
    ------
    ImportError : it is not installed, or its library is missing; the message names the extra.
    """
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise ImportError('Reading recordings needs soundfile: pip install "groupscat[audio]"') from error
    return soundfile


def _ratio(old: float, new: float) -> Fraction:
    """new/old as whole numbers, near enough that a recording of hours is out by less than a sample."""
    return (Fraction(new) / Fraction(old)).limit_denominator(LARGEST_RATIO)


def _resampled(header: Header, rate: float) -> int:
    return math.ceil(header.frames * _ratio(header.rate, rate))


def _header(path: Path) -> Header:
    with open(path, "rb"):  # for the system's own words where it cannot be opened
        pass
    with soundfile().SoundFile(path) as file:
        header = Header(file.frames, file.channels, file.samplerate)
    missing = _missing_bytes(path)
    if missing:
        raise DataError(f"is cut off: {missing} bytes of its samples are missing")
    if header.frames == 0:
        raise DataError("has no samples")
    return header


def _check(path: Path, whole: bool) -> Header | str:
    """The header, or why the file cannot be used; ``whole``: decode it to find out."""
    try:
        header = _header(path)
        if whole:
            with soundfile().SoundFile(path) as file:
                count = 0
                while block := len(file.read(CHECK_FRAMES, dtype="float32")):
                    count += block
            if count < header.frames:
                return f"is cut off: {count} of {header.frames} samples can be read"
    except Exception as error:  # as in _read
        return _reason(error)
    return header


def _missing_bytes(path: Path) -> int:
    """Bytes of samples that a WAV file promises and does not have: libsndfile takes what there is."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(12)
        if start[:4] != b"RIFF" or start[8:] != b"WAVE":
            return 0
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", head)
            if name == b"data":
                # Written to a pipe: the length was not known.
                return 0 if length == 0xFFFFFFFF else max(0, file.tell() + length - size)
            file.seek(length + length % 2, 1)
    return 0


RATES = (
    "The {count} recordings have {many} different sampling rates: {n} have {usual} Hz, but {path} has "
    "{other} Hz. Pass --sampling-rate HZ to resample them all, for example --sampling-rate {usual}."
)
CHANNELS = (
    "The {count} recordings have different numbers of channels: {n} have {usual}, but {path} has {other}. "
    "Leave out --channels keep, so that they are mixed to one."
)


def _common(good: Sequence[tuple[Path, Header]], what: str, message: str) -> int:
    values = Counter(getattr(header, what) for _, header in good)
    usual, n = values.most_common(1)[0]
    if len(values) > 1:
        path, other = next((p, getattr(h, what)) for p, h in good if getattr(h, what) != usual)
        raise DataError(
            message.format(
                count=len(good), many=len(values), n=n, usual=usual, path=printable(path), other=other
            )
        )
    return int(usual)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # libsndfile's errors begin with the path, which the report names anyway.
    return str(getattr(error, "error_string", error)).strip().rstrip(".") or type(error).__name__
