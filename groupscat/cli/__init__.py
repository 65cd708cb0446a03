"""The command line: ``groupscat demo``, ``features``, ``classify`` …; a file each."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence

import groupscat as gs
from groupscat.cli import classify, demo, features, info, predict, reconstruct, symmetries, train
from groupscat.cli.common import BAD_ARGUMENT, BAD_DATA, OK, RAW, Parser, say
from groupscat.errors import ArgumentError, BackendError, DeviceError, GroupscatError

EPILOG = """examples:
  groupscat demo                                   classify handwritten digits, draw the pictures
  groupscat features photos/ -o photos.npz         scattering features of a folder of images
  groupscat classify photos.npz -o model.skops     train and test a classifier on them
  groupscat predict model.skops new_photos/        apply it
  groupscat train --model hcnn --data photos/ -o run   train a network in any framework
  groupscat reconstruct photo.jpg --shape 64 64    find a picture with the same coefficients
  groupscat symmetries hcnn.safetensors cifar10.npz -o symmetries.png
  groupscat info                                   versions, backends and devices

The environment variable GROUPSCAT_BACKEND names the backend where --backend is not given.
Exit status: 0 done, 1 bad data, 2 bad arguments, 130 interrupted.
"""


class Terminated(KeyboardInterrupt):
    """The process was asked to end by a signal other than Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit status; see ``EPILOG``.

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
        say(f"groupscat: error: {error}")
        return BAD_ARGUMENT if isinstance(error, ArgumentError | BackendError | DeviceError) else BAD_DATA
    except ImportError as error:  # an optional package; our own messages name the extra
        if "groupscat[" not in str(error):
            raise
        say(f"groupscat: error: {error}")
        return BAD_ARGUMENT
    except BrokenPipeError:  # the reader of our output has gone, as in `groupscat info | head -1`
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt as stop:
        say("groupscat: interrupted")
        return 128 + (stop.args[0] if isinstance(stop, Terminated) else signal.SIGINT)


def parser() -> Parser:
    """The parser of the whole command line; ``command`` of its result is the function to call."""
    top = Parser(
        prog="groupscat",
        description="Scattering transforms: the same numbers in every array framework.",
        epilog=EPILOG,
        formatter_class=RAW,
    )
    top.add_argument("--version", action="version", version=f"groupscat {gs.__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (demo, features, classify, train, predict, reconstruct, symmetries, info):
        command.add(commands)
    return top


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
