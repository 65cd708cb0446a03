"""``groupscat features``."""

from __future__ import annotations

import argparse
import contextlib
import math
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groupscat.cli import options
from groupscat.cli.common import OK, RAW, averaging, backend_named, natural, positive, progress, say
from groupscat.errors import ArgumentError
from groupscat.features import TRANSFORMS
from groupscat.features.transform import TAKES
from groupscat.plan.geometry import PADDINGS
from groupscat.plan.joint_paths import KINDS
from groupscat.scattering.time_frequency import FORMATS

if TYPE_CHECKING:
    from groupscat.data import FeatureWriter, Source
    from groupscat.scattering.operator import Operator

EPILOG = """examples:
  groupscat features photos/ -o photos.npz --shape 256 256 --crop 224 224 --rgb
  groupscat features recordings/ -o recordings.zarr --sampling-rate 16000 --length 1s -J 8 -Q 8
  groupscat features recordings/ -o recordings.zarr --sampling-rate 16000 --length 1s -J 8 -Q 8 --resume
  groupscat features recordings/ -o joint.zarr --transform jtfs --length 1s -J 11 -Q 12 --format joint
  groupscat features @train.txt -o train.npz -J 2 -L 6 --workers 4
  groupscat features @train.txt -o train.zarr -J 2 --scheduler tcp://node1:8786 --resume
  groupscat features signals.npy -o features.npz -J 6 -Q 8 --sampling-rate 16000
  groupscat features train.npz --key x -o features.npz --backend torch --device cuda
  groupscat features test.npz -o test-features.npz --config features.npz

what the output holds (groupscat.data.read_features reads it; an .npz has no pickles, numpy.load does too):
  features          (n, channels..., paths, grid...): channels for --rgb, --yuv, --channels keep, and for
                    arrays that have them
  names             one per row; 1-D arrays of the same length in an .npz or Zarr input (labels) come along;
                    folder: the first folder below the input, where there are several (classes)
  path_order, path_j, path_theta, path_xi, ...      the table of paths; -1 and NaN where there is nothing
  skipped, skipped_reasons                          what --skip-bad left out
  config, version                                   how it was computed, as JSON

An output appears under its name only when it is complete. What an interrupted run has done is kept beside it,
in a hidden folder (.OUT.part); --resume completes it to what an uninterrupted run gives.
"""
#: Options that say nothing about the result; a file has none of them.
OUTSIDE = ("help", "output", "overwrite", "resume", "quiet", "config")
ARGUMENTS = (
    *("J", "L", "Q", "T", "stride", "max_order", "padding", "method", "sampling_rate"),
    *("K", "group", "K_scale"),
    *("J_fr", "Q_fr", "F", "stride_fr", "format", "exclude", "separable"),
)


def add(commands: Any) -> None:
    """The parser of the command."""
    features = commands.add_parser(
        "features",
        help="scattering features of images, recordings or arrays",
        description="Scattering features of images, recordings or arrays, as an .npz file or a Zarr store.",
        epilog=EPILOG,
        formatter_class=RAW,
    )
    _files(features)
    add_input(features)
    add_transform(features)
    _computing(features)
    actions = [action for action in features._actions if action.dest not in OUTSIDE]
    features.set_defaults(command=run, actions=actions)


def _files(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "inputs",
        nargs="*",
        type=Path,
        metavar="INPUT",
        help="folder of images or of recordings (searched recursively), files of either, arrays (n, ...) as "
        ".npy, .npz or Zarr, or @LIST: a text file with one path a line",
    )
    p.add_argument("--files-from", type=Path, metavar="LIST", help="one path a line; - for standard input")
    p.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="OUT.npz, or OUT.zarr for a store"
    )
    p.add_argument("--overwrite", action="store_true", help="replace OUT, or what is left of its making")
    p.add_argument(
        "--resume",
        action="store_true",
        help="complete an interrupted run of the same command; without one, simply run",
    )
    p.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave out unreadable inputs and list them at the end (default: stop)",
    )
    p.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="options from a TOML or JSON file (batch-size = 16), or those of an earlier output; the command "
        "line wins",
    )
    p.add_argument("-q", "--quiet", action="store_true", help="no progress and no summary")


def add_input(p: argparse.ArgumentParser) -> None:
    """The options that say how images, recordings and arrays become signals."""
    g = p.add_argument_group("images")
    g.add_argument(
        "--shape",
        nargs=2,
        type=positive,
        metavar=("H", "W"),
        help="resize to H x W; with --crop: keep the aspect ratio and just cover H x W "
        "(default: their own common size)",
    )
    g.add_argument(
        "--crop", nargs=2, type=positive, metavar=("H", "W"), help="cut out the centre, after resizing"
    )
    colour = g.add_mutually_exclusive_group()
    for name, text in (("grey", "one channel (default)"), ("rgb", "three"), ("yuv", "three, ITU-R 601")):
        colour.add_argument(f"--{name}", dest="colour", action="store_const", const=name, help=text)
    g = p.add_argument_group("recordings")
    g.add_argument(
        "--channels", choices=("mix", "keep"), help="mix them to one, or transform each (default: mix)"
    )
    g.add_argument(
        "--length",
        type=duration,
        metavar="N",
        help="cut, or fill with zeros, at the end: 16000 is samples (after resampling), 1s or 1.0 seconds "
        "(default: the longest)",
    )
    g = p.add_argument_group("recordings and 1-D arrays")
    g.add_argument(
        "--sampling-rate",
        type=hertz,
        metavar="HZ",
        help="recordings: resample to it (default: their own common rate); arrays: declare it. Adds path_hz",
    )
    g = p.add_argument_group("arrays")
    g.add_argument(
        "--key", help="array to take from an .npz or Zarr group (default: the only one with two or more axes)"
    )


def add_transform(p: argparse.ArgumentParser) -> None:
    """The options that choose the operator."""
    g = p.add_argument_group("transform")
    g.add_argument(
        "--transform",
        choices=list(TRANSFORMS),
        help="default: 2d for images, 1d for recordings; for arrays by the axes after the first: one 1d, two "
        "2d, three 3d. With it, axes in between are channels",
    )
    g.add_argument(
        "-J",
        type=natural,
        help="log2 of the largest scale (default: the largest J <= 3 with 4*2^J <= shortest side; "
        "1d, jtfs: the largest J <= 8 with 16*2^J <= length; at least 1)",
    )
    g.add_argument(
        "-L",
        type=natural,
        help="orientations (in the plane 8, 3d: 6), or largest degree of the harmonics (harmonic3d: 3)",
    )
    g.add_argument("-Q", type=positive, help="wavelets per octave, 1d (default: 1) and jtfs (8)")
    g.add_argument("-K", type=positive, help="scales of the wavelets along angles, roto and scale-rotation")
    g.add_argument("--group", choices=("joint", "separable"), help="roto only (default: joint)")
    g.add_argument("--K-scale", type=positive, help="those along scales, scale-rotation only (default: 1)")
    g.add_argument("--max-order", type=natural, help="wavelet layers (default: 2)")
    g.add_argument(
        "-T",
        "--T",
        type=averaging,
        metavar="T",
        help="averaging scale in samples, 0 for none (needs --stride), or 'global' "
        "(default: 2^J; harmonic3d: global)",
    )
    g.add_argument("--stride", type=positive, help="samples between outputs, a power of two (default: T)")
    g.add_argument("--padding", choices=PADDINGS, help="default: reflect")
    g.add_argument("--method", choices=("fourier", "cascade"), help="default: fourier")
    _add_joint(p)


def _add_joint(p: argparse.ArgumentParser) -> None:
    g = p.add_argument_group("transform jtfs: joint time-frequency scattering, rows are first-order wavelets")
    g.add_argument(
        "--J-fr",
        type=positive,
        metavar="J",
        help="log2 of the largest scale along log-frequency, in rows (default: the largest <= 4 with "
        "2^J_fr <= (J+1)*Q)",
    )
    g.add_argument("--Q-fr", type=positive, metavar="Q", help="wavelets per octave along it (default: 1)")
    g.add_argument(
        "-F",
        "--F",
        type=averaging,
        metavar="F",
        help="averaging scale in rows, 0 for none, or 'global' (default: 2^J_fr)",
    )
    g.add_argument(
        "--stride-fr", type=positive, metavar="N", help="rows between outputs, a power of two (default: F)"
    )
    g.add_argument(
        "--format",
        choices=FORMATS,
        help="time: a path for each row, features (n, paths, time); joint: (n, paths, rows, time), without "
        "order 0 (default: time)",
    )
    g.add_argument("--exclude", nargs="+", choices=KINDS, metavar="KIND", help=f"leave out: {_quoted(KINDS)}")
    g.add_argument(
        "--separable",
        action="store_true",
        default=None,
        help="in time first, then along log-frequency, without spins",
    )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _computing(p: argparse.ArgumentParser) -> None:
    g = p.add_argument_group("computing")
    g.add_argument(
        "--backend", metavar="NAME", help="framework that computes (default: GROUPSCAT_BACKEND, else numpy)"
    )
    g.add_argument("--device", help="where, for example cuda:1 (default: the backend's own)")
    g.add_argument("--batch-size", type=positive, metavar="N", help="default: by memory")
    g.add_argument("--dtype", choices=("float32", "float64"), help="default: float32")
    where = g.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="processes that read and transform, each with its share of the cores (default: 1, this one)",
    )
    where.add_argument(
        "--scheduler",
        type=scheduler,
        metavar="ADDRESS",
        help="of a Dask cluster that reads and transforms, as tcp://host:8786; its workers must see the same "
        "files. local:N starts N processes here",
    )


def duration(text: str) -> int | float:
    """Samples (int) or seconds (float).

    >>> duration("16000"), duration("1.5s"), duration("2s"), duration("0.5")
    (16000, 1.5, 2.0, 0.5)
    """
    with contextlib.suppress(ValueError):
        value = int(text) if text.isdecimal() else float(text.removesuffix("s"))
        if 0 < value < math.inf:
            return value
    raise argparse.ArgumentTypeError(f"{text!r}: expected samples (16000) or seconds (1s, 1.5)")


def hertz(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) < math.inf:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r}: expected a positive number of Hz")


def scheduler(text: str) -> str:
    from groupscat.features.cluster import check_scheduler

    try:
        return check_scheduler(text)
    except ArgumentError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def run(arguments: argparse.Namespace) -> int:
    from groupscat.data import FeatureWriter, open_source
    from groupscat.features import Run, build_operator, write_features

    a = arguments
    begun = time.perf_counter()
    if a.config is not None:
        options.fill(a, a.config, a.actions)
    if not a.inputs and a.files_from is None:
        raise ArgumentError("There are no inputs: name folders or files, or a list of files (--files-from).")
    writer = FeatureWriter(a.output, overwrite=a.overwrite, resume=a.resume)
    if a.output.exists() and any(path.exists() and path.samefile(a.output) for path in a.inputs):
        raise ArgumentError(
            f"{a.output} is also an input; the features would replace it. Name another output."
        )
    if a.workers and a.scheduler:  # one of them from a file
        raise ArgumentError("--workers and --scheduler both say where to compute; give one of them.")
    backend, dtype = backend_named(a.backend), a.dtype or "float32"
    how = Run(backend, a.device, dtype, a.batch_size, a.workers or 1, a.scheduler)
    bars = progress(a.quiet)
    source = open_source(
        a.inputs,
        files_from=a.files_from,
        key=a.key,
        colour=a.colour,
        shape=tuple(a.shape) if a.shape else None,
        crop=tuple(a.crop) if a.crop else None,
        rate=a.sampling_rate,
        channels=a.channels,
        length=a.length,
        skip_bad=a.skip_bad,
        progress=bars,
        checked=a.resume and writer.begun,
    )
    given = {name: getattr(a, name) for name in ARGUMENTS}
    given["sampling_rate"] = a.sampling_rate or source.sampling_rate
    operator = build_operator(source, a.transform, given)
    bar = bars.counter(len(source.names), source.unit)
    with _saying_what_is_kept(writer, source), writer, bar as counter:
        shape = write_features(operator, source, writer, how, options=_chosen(a, operator), counter=counter)
    for note in source.notes:
        say(f"note: {note}")
    if shape is None:
        if not a.quiet:
            print(f"{a.output} is complete already.")
        return OK
    if not a.quiet:
        seconds = time.perf_counter() - begun
        print(operator)
        print(
            f"{a.output}: features {shape} {how.dtype}, {_size(a.output) / 1e6:.3g} MB, "
            f"{seconds:.1f} s on {how.backend.name}"
        )
    if source.skipped:
        say(f"skipped {len(source.skipped)} of {len(source.skipped) + shape[0]}:")
        for item in source.skipped:
            say(f"  {item}")
    return OK


def _chosen(a: argparse.Namespace, operator: Operator) -> dict[str, Any]:
    """Options that compute the same again, defaults included, but for ``options.APART``."""
    from groupscat.data.source import printable

    found: dict[str, Any] = {action.dest: getattr(a, action.dest) for action in a.actions}
    found["transform"] = next(key for key, (name, _) in TRANSFORMS.items() if name == type(operator).__name__)
    for name in {"J", "T", "stride"} | TAKES[found["transform"]]:
        found[name] = operator.config.get(name, found[name])
    found["inputs"] = [printable(path) for path in a.inputs]
    found["files_from"] = None if a.files_from is None else printable(a.files_from)
    apart = {"workers", "scheduler", *options.APART}
    return {name: value for name, value in found.items() if options.is_given(value) and name not in apart}


@contextlib.contextmanager
def _saying_what_is_kept(writer: FeatureWriter, source: Source) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if writer.kept:
            done = min(len(writer.entries) * writer.batch, len(source.names))
            say(
                f"note: {done} of {len(source.names)} {source.unit}s are done and kept for {writer.path}; "
                "the same command with --resume goes on from there."
            )
        raise


def _size(path: Path) -> int:
    """Bytes of a file, or of the files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
