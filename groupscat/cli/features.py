"""``groupscat features``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from groupscat.cli.common import OK, RAW, averaging, backend_named, natural, positive, progress, say
from groupscat.errors import ArgumentError
from groupscat.features import TRANSFORMS
from groupscat.plan.geometry import PADDINGS

EPILOG = """examples:
  groupscat features photos/ -o photos.npz --shape 128 128 --rgb
  groupscat features a.png b.png -o two.npz -J 2 -L 6
  groupscat features signals.npy -o features.npz -J 6 -Q 8 --sampling-rate 16000
  groupscat features train.npz --key x -o features.npz --backend torch --device cuda
  groupscat features volumes.npy -o features.npz --transform harmonic3d

what the file holds (no pickles; read it with numpy.load):
  features          (n, channels..., paths, grid...): channels for --rgb and for arrays that have them
  names             one per row; 1-D arrays of the same length in an .npz input (labels) come along
  path_order, path_j, path_theta, path_xi, ...      the table of paths; -1 and NaN where there is nothing
  skipped, skipped_reasons                          what --skip-bad left out
  config, version                                   how it was computed, as JSON
"""


def add(commands: Any) -> None:
    """The parser of the command."""
    features = commands.add_parser(
        "features",
        help="scattering features of images or arrays",
        description="Scattering features of images or arrays, as one .npz file.",
        epilog=EPILOG,
        formatter_class=RAW,
    )
    _options(features)
    features.set_defaults(command=run)


def _options(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "inputs",
        nargs="+",
        type=Path,
        metavar="INPUT",
        help="folder of images (searched recursively), image files, or .npy/.npz arrays (n, ...)",
    )
    p.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.npz")
    p.add_argument("--overwrite", action="store_true", help="replace OUT.npz if it exists")
    p.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave out unreadable inputs and list them at the end (default: stop)",
    )
    p.add_argument("-q", "--quiet", action="store_true", help="no progress and no summary")
    g = p.add_argument_group("input")
    g.add_argument("--key", help="array to take from an .npz (default: the only one with two or more axes)")
    g.add_argument(
        "--shape",
        nargs=2,
        type=positive,
        metavar=("H", "W"),
        help="resize images (default: their own common size)",
    )
    colour = g.add_mutually_exclusive_group()
    colour.add_argument(
        "--grey", dest="colour", action="store_const", const="grey", help="one channel (default)"
    )
    colour.add_argument("--rgb", dest="colour", action="store_const", const="rgb", help="three channels")
    g = p.add_argument_group("transform")
    g.add_argument(
        "--transform",
        choices=list(TRANSFORMS),
        help="default: 2d for images; for arrays by the axes after the first: one 1d, two 2d, three 3d. "
        "With it, axes in between are channels",
    )
    g.add_argument(
        "-J",
        type=natural,
        help="log2 of the largest scale (default: the largest J <= 3 with 4*2^J <= shortest side; "
        "1d: the largest J <= 8 with 16*2^J <= length; at least 1)",
    )
    g.add_argument(
        "-L",
        type=natural,
        help="orientations (2d: 8, 3d: 6), or largest degree of the harmonics (harmonic3d: 3)",
    )
    g.add_argument("-Q", type=positive, help="wavelets per octave, 1d only (default: 1)")
    g.add_argument("--max-order", type=natural, help="wavelet layers (default: 2)")
    g.add_argument(
        "--T",
        type=averaging,
        metavar="T",
        help="averaging scale in samples, 0 for none (needs --stride), or 'global' "
        "(default: 2^J; harmonic3d: global)",
    )
    g.add_argument("--stride", type=positive, help="samples between outputs, a power of two (default: T)")
    g.add_argument("--padding", choices=PADDINGS, help="default: reflect")
    g.add_argument("--method", choices=("fourier", "cascade"), help="default: fourier")
    g.add_argument("--sampling-rate", type=float, metavar="HZ", help="adds path_hz, 1d only")
    g = p.add_argument_group("computing")
    g.add_argument(
        "--backend", metavar="NAME", help="framework that computes (default: GROUPSCAT_BACKEND, else numpy)"
    )
    g.add_argument("--device", help="where, for example cuda:1 (default: the backend's own)")
    g.add_argument("--batch-size", type=positive, metavar="N", help="default: by memory")
    g.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="default: float32")


def run(arguments: argparse.Namespace) -> int:
    from groupscat.data import NpzWriter, open_source
    from groupscat.data.source import printable
    from groupscat.features import Run, build_operator, write_features

    a = arguments
    begun = time.perf_counter()
    writer = NpzWriter(a.output, overwrite=a.overwrite)
    if a.output.exists() and any(path.exists() and path.samefile(a.output) for path in a.inputs):
        raise ArgumentError(
            f"{a.output} is also an input; the features would replace it. Name another output."
        )
    how = Run(backend_named(a.backend), a.device, a.dtype, a.batch_size)
    bars = progress(a.quiet)
    source = open_source(
        a.inputs,
        key=a.key,
        colour=a.colour,
        shape=tuple(a.shape) if a.shape else None,
        skip_bad=a.skip_bad,
        progress=bars,
    )
    names = ("J", "L", "Q", "T", "stride", "max_order", "padding", "method", "sampling_rate")
    operator = build_operator(source, a.transform, {name: getattr(a, name) for name in names})
    about = {"paths": [printable(path) for path in a.inputs], **source.about}
    with writer, bars.counter(len(source.names), source.unit) as advance:
        shape = write_features(operator, source, writer, how, about=about, advance=advance)
    for note in source.notes:
        say(f"note: {note}")
    if not a.quiet:
        seconds = time.perf_counter() - begun
        print(operator)
        print(
            f"{a.output}: features {shape} {a.dtype}, {a.output.stat().st_size / 1e6:.3g} MB, "
            f"{seconds:.1f} s on {how.backend.name}"
        )
    if source.skipped:
        say(f"skipped {len(source.skipped)} of {len(source.skipped) + shape[0]}:")
        for item in source.skipped:
            say(f"  {item}")
    return OK
