"""What the commands share: exit statuses, messages, types of arguments, progress."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import sys
from typing import NoReturn

import groupscat as gs
from groupscat.data.progress import Bars, Progress
from groupscat.errors import BackendError

#: Exit statuses; after a signal it is 128 plus its number, so 130 after Ctrl-C.
OK, BAD_DATA, BAD_ARGUMENT = 0, 1, 2
RAW = argparse.RawDescriptionHelpFormatter
#: Frameworks with gradients in the order in which they are tried.
FRAMEWORKS = ("torch", "jax", "tensorflow")


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line and the way to the help."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_ARGUMENT, f"groupscat: error: {message}\nSee {self.prog} --help.\n")


def say(message: str) -> None:
    """A line on stderr: what is not the result of a command."""
    print(message, file=sys.stderr)


def backend_named(name: str | None) -> gs.Backend:
    """The backend of ``--backend``; without it the default one."""
    return gs.default_backend() if name is None else gs.get_backend(name)


def differentiating(name: str | None) -> str:
    """The backend of ``--backend``; without it the default one or else the first that takes gradients.

    Raises
    ------
    BackendError : there is none.
    """
    if name is not None:
        return gs.get_backend(name).name
    if gs.default_backend().differentiates:
        return gs.default_backend().name
    for framework in FRAMEWORKS:
        if importlib.util.find_spec(framework) is not None:
            return framework
    raise BackendError(
        "This takes gradients, which NumPy has not. Install one of torch, jax and tensorflow, for "
        'example with: pip install "groupscat[torch]"'
    )


def progress(quiet: bool) -> Progress:
    """Bars where tqdm is installed, else a note that says what to install."""
    if not quiet:
        try:
            return Bars()
        except ImportError as error:
            say(f"note: {error}")
    return Progress()


def natural(text: str) -> int:
    return _integer(text, 0)


def positive(text: str) -> int:
    return _integer(text, 1)


def _integer(text: str, least: int) -> int:
    with contextlib.suppress(ValueError):
        if int(text) >= least:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: expected an integer >= {least}")


def averaging(text: str) -> int | str:
    return "global" if text == "global" else natural(text)
