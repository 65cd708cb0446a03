"""``groupscat reconstruct``."""

from __future__ import annotations

import argparse
import io
import math
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import groupscat as gs
from groupscat.cli.common import FRAMEWORKS, OK, RAW, differentiating, natural, positive, progress, say
from groupscat.cli.features import ARGUMENTS, add_input, add_transform

if TYPE_CHECKING:
    from groupscat.inversion import Reconstruction
    from groupscat.inversion.files import Task

EPILOG = """examples:
  groupscat reconstruct photo.jpg --shape 64 64 -J 3                 photo-reconstructed.png, .npy, -error.png
  groupscat reconstruct photo.jpg --shape 64 64 --rgb --compare      order 1 beside orders 1 and 2
  groupscat reconstruct speech.wav --sampling-rate 8000 --length 1s -J 8 -Q 8 -o speech-back
  groupscat reconstruct features.npz --row 3 --steps 1000            of coefficients computed before
  groupscat reconstruct signal.npy --backend jax --tolerance 0.01

The descent starts from white noise (--seed) and minimises the distance of the coefficients to those of INPUT.
What they do not determine, as shifts by less than the averaging scale, is left to chance. Ctrl-C ends it
and writes the best signal so far (exit status 130).
"""


def add(commands: Any) -> None:
    """The parser of the command."""
    p = commands.add_parser(
        "reconstruct",
        help="find a signal with given coefficients",
        description="Find, from white noise and by gradient descent, a signal whose coefficients are those "
        "of an image, a recording, an array, or a row of features. Writes it as .npy and, of images, as "
        ".png, of recordings as .wav; and a picture of it with the error against the steps.",
        epilog=EPILOG,
        formatter_class=RAW,
    )
    p.add_argument(
        "input",
        type=Path,
        metavar="INPUT",
        help="image, recording, .npy or .npz, or what groupscat features wrote",
    )
    p.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="writes OUT.npy, … (default: INPUT-reconstructed, here)",
    )
    p.add_argument(
        "--row",
        type=natural,
        metavar="K",
        help="which signal of an array (n, ...) or row of features, from 0 (default: the first; a .npy is "
        "one signal unless --row is given)",
    )
    p.add_argument("--compare", action="store_true", help="also from order 1 alone, in the same picture")
    p.add_argument("--no-figure", action="store_true", help="no picture of the error (needs matplotlib)")
    p.add_argument("--overwrite", action="store_true", help="replace outputs that exist")
    p.add_argument("-q", "--quiet", action="store_true", help="no progress and no summary")
    g = p.add_argument_group("descent")
    g.add_argument("--steps", type=natural, default=300, metavar="N", help="at most (default: 300)")
    g.add_argument(
        "--tolerance",
        type=fraction,
        default=0.01,
        metavar="E",
        help="end at this error of the coefficients, relative to their norm (default: 0.01)",
    )
    g.add_argument("--optimizer", choices=("lbfgs", "adam"), default="lbfgs", help="default: lbfgs")
    g.add_argument(
        "--patience",
        type=positive,
        default=50,
        metavar="N",
        help="end when the error fell by less than 0.1 %% in N steps (default: 50)",
    )
    g.add_argument(
        "--bounds", nargs=2, type=float, metavar=("LOW", "HIGH"), help="of every sample (default: none)"
    )
    g.add_argument("--seed", type=natural, default=0, help="of the noise it starts from (default: 0)")
    add_input(p)
    add_transform(p)
    g = p.add_argument_group("computing")
    g.add_argument(
        "--backend",
        metavar="NAME",
        help=f"framework with gradients (default: GROUPSCAT_BACKEND if it has, else the first installed of "
        f"{', '.join(FRAMEWORKS)})",
    )
    g.add_argument("--device", help="where, for example cuda:1 (default: the backend's own)")
    g.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="default: float32")
    p.set_defaults(command=run)


def fraction(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number >= 0")
    return value


def run(arguments: argparse.Namespace) -> int:
    from groupscat.classify.model import check_output, write_file
    from groupscat.inversion.files import files_of, read_task

    a = arguments
    backend = differentiating(a.backend)
    stem = a.output or Path(f"{a.input.stem}-reconstructed")
    stem = stem.with_suffix("") if stem.suffix in (".npy", ".png", ".wav") else stem
    for suffix in (".npy", ".png", ".wav", "-error.png"):
        check_output(_with(stem, suffix), a.overwrite)
    task = read_task(
        a.input,
        a.row,
        a.dtype,
        a.transform,
        {name: getattr(a, name) for name in ARGUMENTS},
        progress(True),
        key=a.key,
        colour=a.colour,
        shape=tuple(a.shape) if a.shape else None,
        crop=tuple(a.crop) if a.crop else None,
        rate=a.sampling_rate,
        channels=a.channels,
        length=a.length,
    )
    S = task.operator
    tasks = {"": task}
    if a.compare:
        tasks = {"-order-1": task.of_order(1), **tasks}
    found: dict[str, Reconstruction] = {}
    written = []
    for name, each in tasks.items():
        found[name] = gs.reconstruct(
            each.operator,
            each.target,
            backend=backend,
            device=a.device,
            method=a.optimizer,
            steps=a.steps,
            tolerance=a.tolerance,
            patience=a.patience,
            bounds=a.bounds,
            seed=a.seed,
            progress=progress(a.quiet),
        )
        for suffix, data in files_of(found[name], each).items():
            written.append(_with(stem, name + suffix))
            write_file(written[-1], data)
        if found[name].stopped == "interrupted":
            break
    if not a.no_figure:
        picture = _draw(found, task)
        if picture is not None:
            written.append(_with(stem, "-error.png"))
            write_file(written[-1], picture)
    if not a.quiet:
        print(S)
        for name, result in found.items():
            print(f"{name.lstrip('-').replace('-', ' ') or 'all orders'}: {result}")
        print(", ".join(map(str, written)))
    return 128 + signal.SIGINT if any(r.stopped == "interrupted" for r in found.values()) else OK


def _with(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)


def _draw(found: dict[str, Reconstruction], task: Task) -> bytes | None:
    """The picture as a PNG: signals side by side where they can be drawn, and the error against the steps."""
    try:
        from groupscat.plot.reconstruction import errors, reconstructions

        names = {"-order-1": "order 1", "": "all orders" if len(found) > 1 else "reconstruction"}
        named = {names[name]: result for name, result in found.items()}
        try:
            figure = reconstructions(named, task.original, sampling_rate=task.sampling_rate)
        except gs.ShapeError:  # volumes, several channels
            figure = errors(named)
    except ImportError as error:
        say(f"note: no picture. {error}")
        return None
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
