"""The command line: ``groupscat demo``, ``groupscat features`` and ``groupscat info``."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

import groupscat as gs
from groupscat.backend import registry
from groupscat.data.progress import Bars, Progress
from groupscat.errors import ArgumentError, BackendError, DeviceError, GroupscatError
from groupscat.features import TRANSFORMS
from groupscat.plan.geometry import PADDINGS

#: Exit statuses; after a signal it is 128 plus its number, so 130 after Ctrl-C.
OK, BAD_DATA, BAD_ARGUMENT = 0, 1, 2
OPTIONAL = {
    "pillow": "io",
    "tqdm": "io",
    "matplotlib": "plot",
    "scikit-learn": "sklearn",
    "pandas": "pandas",
}

MAIN_EPILOG = """examples:
  groupscat demo                                   classify handwritten digits, draw the pictures
  groupscat features photos/ -o photos.npz         scattering features of a folder of images
  groupscat info                                   versions, backends and devices

The environment variable GROUPSCAT_BACKEND names the backend where --backend is not given.
Exit status: 0 done, 1 bad data, 2 bad arguments, 130 interrupted.
"""
FEATURES_EPILOG = """examples:
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


class Terminated(KeyboardInterrupt):
    """The process was asked to end by a signal other than Ctrl-C."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(BAD_ARGUMENT, f"groupscat: error: {message}\nSee {self.prog} --help.\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit status; see ``MAIN_EPILOG``.

    >>> main(["--version"])  # doctest: +ELLIPSIS
    groupscat ...
    0
    """
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as done:  # --help, --version, a wrong option
        return done.code if isinstance(done.code, int) else OK
    try:
        with _signals():
            status: int = arguments.command(arguments)
            return status
    except GroupscatError as error:
        _say(f"groupscat: error: {error}")
        return BAD_ARGUMENT if isinstance(error, ArgumentError | BackendError | DeviceError) else BAD_DATA
    except ImportError as error:  # an optional package; our own messages name the extra
        if "groupscat[" not in str(error):
            raise
        _say(f"groupscat: error: {error}")
        return BAD_ARGUMENT
    except BrokenPipeError:  # the reader of our output has gone, as in `groupscat info | head -1`
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt as stop:
        _say("groupscat: interrupted")
        return 128 + (stop.args[0] if isinstance(stop, Terminated) else signal.SIGINT)


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; ``command`` of its result is the function to call."""
    raw = argparse.RawDescriptionHelpFormatter
    top = _Parser(
        prog="groupscat",
        description="Scattering transforms: the same numbers in every array framework.",
        epilog=MAIN_EPILOG,
        formatter_class=raw,
    )
    top.add_argument("--version", action="version", version=f"groupscat {gs.__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="classify handwritten digits with few training images",
        description="Scattering features against raw pixels on the handwritten digits that come "
        "with scikit-learn, with pictures.",
    )
    demo.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("groupscat-demo"),
        metavar="DIR",
        help="folder of the pictures (default: ./groupscat-demo)",
    )
    demo.add_argument("--backend", metavar="NAME", help="framework that computes (see groupscat info)")
    demo.add_argument(
        "--seed", type=_natural, default=0, help="of the split and of the training subsets (default: 0)"
    )
    demo.set_defaults(command=_demo)
    features = commands.add_parser(
        "features",
        help="scattering features of images or arrays",
        description="Scattering features of images or arrays, as one .npz file.",
        epilog=FEATURES_EPILOG,
        formatter_class=raw,
    )
    _features_options(features)
    features.set_defaults(command=_features)
    info = commands.add_parser(
        "info", help="versions, backends and devices", description="Versions, backends and devices."
    )
    info.set_defaults(command=_info)
    return top


def _features_options(p: argparse.ArgumentParser) -> None:
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
        type=_positive,
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
        type=_natural,
        help="log2 of the largest scale (default: the largest J <= 3 with 4*2^J <= shortest side; "
        "1d: the largest J <= 8 with 16*2^J <= length; at least 1)",
    )
    g.add_argument(
        "-L",
        type=_natural,
        help="orientations (2d: 8, 3d: 6), or largest degree of the harmonics (harmonic3d: 3)",
    )
    g.add_argument("-Q", type=_positive, help="wavelets per octave, 1d only (default: 1)")
    g.add_argument("--max-order", type=_natural, help="wavelet layers (default: 2)")
    g.add_argument(
        "--T",
        type=_averaging,
        metavar="T",
        help="averaging scale in samples, 0 for none (needs --stride), or 'global' "
        "(default: 2^J; harmonic3d: global)",
    )
    g.add_argument("--stride", type=_positive, help="samples between outputs, a power of two (default: T)")
    g.add_argument("--padding", choices=PADDINGS, help="default: reflect")
    g.add_argument("--method", choices=("fourier", "cascade"), help="default: fourier")
    g.add_argument("--sampling-rate", type=float, metavar="HZ", help="adds path_hz, 1d only")
    g = p.add_argument_group("computing")
    g.add_argument(
        "--backend", metavar="NAME", help="framework that computes (default: GROUPSCAT_BACKEND, else numpy)"
    )
    g.add_argument("--device", help="where, for example cuda:1 (default: the backend's own)")
    g.add_argument("--batch-size", type=_positive, metavar="N", help="default: by memory")
    g.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="default: float32")


def _demo(arguments: argparse.Namespace) -> int:
    from groupscat.demo import run_demo

    run_demo(arguments.output, backend=_backend(arguments.backend), seed=arguments.seed)
    return OK


def _features(arguments: argparse.Namespace) -> int:
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
    run = Run(_backend(a.backend), a.device, a.dtype, a.batch_size)
    progress = _progress(a.quiet)
    source = open_source(
        a.inputs,
        key=a.key,
        colour=a.colour,
        shape=tuple(a.shape) if a.shape else None,
        skip_bad=a.skip_bad,
        progress=progress,
    )
    names = ("J", "L", "Q", "T", "stride", "max_order", "padding", "method", "sampling_rate")
    operator = build_operator(source, a.transform, {name: getattr(a, name) for name in names})
    about = {"paths": [printable(path) for path in a.inputs], **source.about}
    with writer, progress.counter(len(source.names), source.unit) as advance:
        shape = write_features(operator, source, writer, run, about=about, advance=advance)
    for note in source.notes:
        _say(f"note: {note}")
    if not a.quiet:
        seconds = time.perf_counter() - begun
        print(operator)
        print(
            f"{a.output}: features {shape} {a.dtype}, {a.output.stat().st_size / 1e6:.3g} MB, "
            f"{seconds:.1f} s on {run.backend.name}"
        )
    if source.skipped:
        _say(f"skipped {len(source.skipped)} of {len(source.skipped) + shape[0]}:")
        for item in source.skipped:
            _say(f"  {item}")
    return OK


def _info(arguments: argparse.Namespace) -> int:
    print(f"groupscat {gs.__version__}")
    print(f"  python {platform.python_version()} on {platform.platform()}")
    for package in ("numpy", "scipy"):
        print(f"  {package} {_version(package)}")
    print("backends")
    for name in gs.backend_names():
        print(f"  {name}: {_backend_state(name)}")
    origin = (
        f"set by {registry.ENVIRONMENT_VARIABLE}"
        if registry.ENVIRONMENT_VARIABLE in os.environ
        else "the default"
    )
    known = "" if registry.DEFAULT_NAME in gs.backend_names() else ", which names no backend"
    print(f"  used where none is named: {registry.DEFAULT_NAME} ({origin}{known})")
    print("optional packages")
    for package, extra in OPTIONAL.items():
        missing = f'not installed: pip install "groupscat[{extra}]"'
        print(f"  {package} {_version(package) or missing}")
    return OK


def _backend_state(name: str) -> str:
    """Version and devices of a backend, or what is wrong with it."""
    try:
        if importlib.util.find_spec(name) is None:
            return f'not installed: pip install "groupscat[{name}]"'
        backend = gs.get_backend(name)
        version = getattr(sys.modules.get(name), "__version__", "of unknown version")
        return f"{version}, devices: {', '.join(backend.devices()) or _why_none(backend)}"
    except Exception as error:  # a broken framework may raise anything, and this is where one looks for it
        return f"broken: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def _why_none(backend: gs.Backend) -> str:
    """Why a backend has no device, in its own words."""
    try:
        backend.put(np.zeros(1), "float32")
    except DeviceError as error:
        return f"none. {error}"
    return "unknown"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _backend(name: str | None) -> gs.Backend:
    return gs.default_backend() if name is None else gs.get_backend(name)


def _progress(quiet: bool) -> Progress:
    if not quiet:
        try:
            return Bars()
        except ImportError as error:
            _say(f"note: {error}")
    return Progress()


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """Let a request to end (a scheduler's, a closed terminal's) unwind the stack, which cleans up files."""

    def stop(number: int, frame: object) -> None:
        raise Terminated(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    # What is ignored stays ignored: nohup relies on it.
    before = {n: signal.signal(n, stop) for n in numbers if signal.getsignal(n) is signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(message: str) -> None:
    print(message, file=sys.stderr)


def _natural(text: str) -> int:
    return _integer(text, 0)


def _positive(text: str) -> int:
    return _integer(text, 1)


def _integer(text: str, least: int) -> int:
    with contextlib.suppress(ValueError):
        if int(text) >= least:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: expected an integer >= {least}")


def _averaging(text: str) -> int | str:
    return "global" if text == "global" else _natural(text)


if __name__ == "__main__":
    sys.exit(main())
