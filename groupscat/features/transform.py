"""Which transform the signals of a source get."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import groupscat as gs
from groupscat.data import AudioSource, ImageSource, Source
from groupscat.errors import ArgumentError, DataError
from groupscat.scattering.operator import Operator

Transform = Literal["1d", "2d", "3d", "harmonic3d", "jtfs", "roto", "scale-rotation"]
#: Operator and number of signal axes of each transform; both are attributes of ``groupscat``.
TRANSFORMS: dict[str, tuple[str, int]] = {
    "1d": ("Scattering1D", 1),
    "2d": ("Scattering2D", 2),
    "3d": ("Scattering3D", 3),
    "harmonic3d": ("HarmonicScattering3D", 3),
    "jtfs": ("TimeFrequencyScattering", 1),
    "roto": ("RotoTranslationScattering2D", 2),
    "scale-rotation": ("ScaleRotationTranslationScattering2D", 2),
}
#: Constructor arguments that a transform takes from the command line, besides J, shape, T and stride.
TAKES = {
    "1d": {"Q", "max_order", "padding", "method", "sampling_rate"},
    "2d": {"L", "max_order", "padding", "method"},
    "3d": {"L", "max_order", "padding", "method"},
    "harmonic3d": {"L", "max_order"},
    "jtfs": {
        *("J_fr", "Q", "Q_fr", "F", "stride_fr", "format", "exclude", "separable"),
        *("padding", "sampling_rate"),
    },
    "roto": {"L", "K", "group", "max_order", "padding"},
    "scale-rotation": {"L", "K", "K_scale", "max_order", "padding"},
}
#: Transforms of real signals only, and what these are.
REAL = {"harmonic3d": "volumes", "jtfs": "sounds"}
#: Wavelets per octave of a scalogram on which others act.
DEFAULT_Q = 8
#: Memory that one batch may take unless a batch size is given, bytes.
BATCH_BYTES = 256 << 20


def choose_transform(source: Source) -> Transform:
    """Images → 2d; recordings → 1d; arrays by the axes of one signal: (N,) → 1d, (H, W) → 2d, (M, N, O) → 3d.

    Raises
    ------
    ArgumentError : a signal has more than three axes, so that only the user knows which are channels.
    """
    if isinstance(source, ImageSource):
        return "2d"
    if isinstance(source, AudioSource):
        return "1d"
    by_axes: dict[int, Transform] = {1: "1d", 2: "2d", 3: "3d"}
    if len(source.shape) not in by_axes:
        raise ArgumentError(
            f"A signal of shape {source.shape} has {len(source.shape)} axes; say with --transform "
            "how many of the last ones are to be transformed (the others are channels)."
        )
    return by_axes[len(source.shape)]


def default_J(transform: str, shape: Sequence[int]) -> int:
    """The largest useful scale: 2^J at most a quarter of the shortest side and J ≤ 3; in one dimension at
    most a sixteenth of the length and J ≤ 8; at least 1.

    >>> default_J("2d", (32, 48)), default_J("2d", (8, 8)), default_J("1d", (8192,))
    (3, 1, 8)
    """
    part, most = (16, 8) if transform in ("1d", "jtfs") else (4, 3)
    return max(1, min(most, (min(shape) // part).bit_length() - 1))


def defaults(transform: str, shape: Sequence[int], given: Mapping[str, Any]) -> dict[str, Any]:
    """``given`` with the scales that it leaves open: J by :func:`default_J`; for jtfs Q = 8, and J_fr ≤ 4
    with 2^J_fr at most the (J+1)·Q rows of log-frequency.

    >>> defaults("jtfs", (8192,), {"Q": 1})
    {'Q': 1, 'J': 8, 'J_fr': 3}
    """
    found = {**given, "J": given.get("J", default_J(transform, shape))}
    if transform == "jtfs":
        Q = found.setdefault("Q", DEFAULT_Q)
        rows = (found["J"] + 1) * (Q[0] if isinstance(Q, tuple) else Q)
        found.setdefault("J_fr", max(1, min(4, rows.bit_length() - 1)))
    return found


def build_operator(source: Source, transform: str | None, arguments: Mapping[str, Any]) -> Operator:
    """The operator for the signals of ``source``.

    Parameters
    ----------
    transform : a key of ``TRANSFORMS``; None: by :func:`choose_transform`.
    arguments : constructor arguments; None stands for the default.

    Raises
    ------
    ArgumentError : an argument that this transform does not take, or a value it cannot have.
    DataError : the signals have too few axes.
    """
    transform = transform or choose_transform(source)
    name, d = TRANSFORMS[transform]
    given = {key: value for key, value in arguments.items() if value is not None}
    stray = given.keys() - {"J", "T", "stride"} - TAKES[transform]
    if stray:
        takes = ", ".join(["J", "T", "stride", *sorted(TAKES[transform])])
        raise ArgumentError(f"The {transform} transform has no {sorted(stray)[0]}; it takes {takes}.")
    if len(source.shape) < d:
        raise DataError(
            f"The {transform} transform needs signals of {d} axes; these have shape {source.shape}."
        )
    shape = source.shape[-d:]
    if transform == "3d" and "J" not in given and min(shape) < 8:
        raise ArgumentError(
            f"Signals of shape {shape} are thin for volumes. If an axis holds channels, put it first and "
            "pass --transform 2d; if not, choose -J."
        )
    if given.get("T", "global" if transform == "harmonic3d" else None) == 0 and "stride" not in given:
        raise ArgumentError(
            "--T 0 leaves each path at its own sampling rate; give all the same one, for example --stride 1."
        )
    if given.get("F") == 0 and given.get("format") == "joint" and "stride_fr" not in given:
        raise ArgumentError(
            "-F 0 leaves each path with its own number of rows; give all the same, for example --stride-fr 1."
        )
    given = defaults(transform, shape, given)
    if source.is_complex:
        if transform in REAL:
            raise DataError(f"The {transform} transform is for real {REAL[transform]}; these are complex.")
        given["complex_input"] = True
    operator: Operator = getattr(gs, name)(shape=shape, **given)
    return operator


def batch_size(operator: Operator, channels: int, itemsize: int) -> int:
    """Signals whose transform takes about ``BATCH_BYTES``, at least 1, at most 512."""
    output = math.prod(operator.output_shape)
    per_signal = channels * itemsize * (operator.plan.peak_floats + output)
    return max(1, min(512, BATCH_BYTES // per_signal))
