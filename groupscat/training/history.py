"""What was measured: a table of epochs, as CSV, as events of TensorBoard, as a line to read."""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from groupscat.nn.files import write

Row = Mapping[str, Any]
#: Between two pictures: epochs may be much shorter than drawing one.
SECONDS = 10.0


def as_csv(rows: Iterable[Row]) -> bytes:
    """Columns in the order in which they first appear; what a row does not have is empty.

    >>> as_csv([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25, "test_error": 0.1}]).decode().split()
    ['epoch,loss,test_error', '1,0.5,', '2,0.25,0.1']
    """
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def described(row: Row) -> str:
    """A row in words.

    >>> described({"epoch": 2, "loss": 0.25, "error": 0.125, "test_error": 0.5, "seconds": 3.0})
    'epoch 2: loss 0.2500, error 12.50 %, test error 50.00 %'
    """
    shown = [f"loss {row['loss']:.4f}"] if "loss" in row else []
    for name, value in row.items():
        if name.endswith("error"):
            shown.append(f"{name.replace('_', ' ')} {100 * value:.2f} %")
    return f"epoch {row['epoch']}: {', '.join(shown)}"


class Log(Protocol):
    """What is told of every epoch."""

    def __call__(self, rows: tuple[dict[str, Any], ...]) -> None: ...


class CSV:
    """The table as a file, written anew after every epoch: no row is there twice after a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, rows: tuple[dict[str, Any], ...]) -> None:
        write(self._path, as_csv(rows))


class TensorBoard:
    """Events in a folder, for ``tensorboard --logdir FOLDER``.

    Raises
    ------
    ImportError : TensorBoard is not installed; the message names the extra.
    """

    def __init__(self, folder: Path, done: int) -> None:
        try:
            from tensorboard.summary import Writer
        except ImportError as error:
            raise ImportError('Events need TensorBoard: pip install "groupscat[tensorboard]"') from error
        self._writer: Any = Writer(str(folder))
        # Of the last epoch before an interruption nobody knows whether it was written; twice is no harm.
        self._done = max(0, done - 1)

    def __call__(self, rows: tuple[dict[str, Any], ...]) -> None:
        for row in rows[self._done :]:
            for name, value in row.items():
                if name != "epoch" and isinstance(value, int | float):
                    self._writer.add_scalar(name, value, row["epoch"])
        self._done = len(rows)
        self._writer.flush()


class Curve:
    """The learning curve as a picture, drawn anew after epochs, but not more often than every few seconds.

    ``epochs``: of the whole training; after the last one it is drawn in any case.

    Raises
    ------
    ImportError : matplotlib is not installed; the message names the extra.
    """

    def __init__(self, path: Path, title: str, epochs: int) -> None:
        from groupscat.plot.learning import learning_curve

        self._path, self._title, self._epochs, self._draw = path, title, epochs, learning_curve
        self._drawn = -math.inf

    def __call__(self, rows: tuple[dict[str, Any], ...]) -> None:
        if time.monotonic() - self._drawn < SECONDS and len(rows) < self._epochs:
            return
        self._drawn = time.monotonic()
        buffer = io.BytesIO()
        self._draw(rows, self._title).savefig(buffer, format="png")
        write(self._path, buffer.getvalue())
