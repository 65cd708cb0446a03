"""How far a long run is: bars on stderr, where tqdm is installed."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any

#: Seconds between updates on a terminal, and in a log, which is to get a line now and then.
INTERVAL, LOG_INTERVAL = 0.1, 10.0


class Counter:
    """Shows nothing of a number of signals."""

    def begin(self, done: int) -> None:
        """So many were done before, by an interrupted run: they do not count for the rate."""

    def advance(self, count: int) -> None:
        """So many more are done."""

    def say(self, text: str) -> None:
        """Something to read beside the number."""


class Progress:
    """Shows nothing; the base of what does."""

    def wrap(self, items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
        """``items``, with a bar that says ``what`` is done to them while they are drawn."""
        return items

    @contextlib.contextmanager
    def counter(self, total: int, unit: str, what: str = "scattering") -> Iterator[Counter]:
        """What is to be told of the signals (or steps) that are done."""
        yield Counter()


class Bars(Progress):
    """Bars with rate and time left.

    Raises
    ------
    ImportError : tqdm is not installed; the message names the extra.
    """

    def __init__(self) -> None:
        try:
            from tqdm import tqdm
        except ImportError as error:
            raise ImportError('Progress bars need tqdm: pip install "groupscat[io]"') from error
        self._tqdm: Any = tqdm
        interval = INTERVAL if sys.stderr.isatty() else LOG_INTERVAL
        self._options = {"file": sys.stderr, "mininterval": interval}

    def wrap(self, items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
        bar: Iterable[Any] = self._tqdm(items, total=total, desc=what, leave=False, **self._options)
        return bar

    @contextlib.contextmanager
    def counter(self, total: int, unit: str, what: str = "scattering") -> Iterator[Counter]:
        with self._tqdm(total=total, desc=what, unit=f" {unit}s", **self._options) as bar:
            yield _Bar(bar)


class _Bar(Counter):
    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def begin(self, done: int) -> None:
        self._bar.initial = self._bar.n = done
        self._bar.refresh()

    def advance(self, count: int) -> None:
        self._bar.update(count)

    def say(self, text: str) -> None:
        self._bar.set_postfix_str(text, refresh=False)
