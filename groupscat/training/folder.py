"""The folder of a training: its checkpoint, its networks, what it has measured."""

from __future__ import annotations

from pathlib import Path

from groupscat.data.lock import Lock
from groupscat.errors import ArgumentError, DataError
from groupscat.nn import Model
from groupscat.nn.files import save
from groupscat.training.checkpoint import Checkpoint, Place
from groupscat.training.history import CSV, Curve, Log, TensorBoard

CHECKPOINT, MODEL, BEST = "checkpoint.safetensors", "model.safetensors", "best.safetensors"
METRICS, CURVE, EVENTS = "metrics.csv", "curve.png", "events"
#: What another training may have left.
FILES = (CHECKPOINT, MODEL, BEST, METRICS, CURVE)


class Folder:
    """One training at a time writes in it.

    Parameters
    ----------
    overwrite : begin anew, whatever is there.

    Raises
    ------
    ArgumentError : another run works in it, or it holds a model without a checkpoint to go on from.
    DataError : it cannot be made or written.
    """

    def __init__(self, path: Path, overwrite: bool) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(path / ".lock")
            free = self._lock.acquire()
        except OSError as error:
            raise DataError(f"{path} cannot be a folder of a training: {error}.") from error
        if not free:
            raise ArgumentError(f"Another run trains in {path}. Wait for it, or choose another folder.")
        if overwrite:
            for name in FILES:
                (path / name).unlink(missing_ok=True)
            for file in (path / EVENTS).glob("events.out.tfevents.*"):
                file.unlink()
        elif (path / MODEL).exists() and not (path / CHECKPOINT).exists():
            self.release()
            raise ArgumentError(
                f"{path / MODEL} exists, and no checkpoint to go on from. Choose another folder, or "
                "overwrite."
            )

    def release(self) -> None:
        """Let others in."""
        self._lock.release()

    def keep(self, checkpoint: Checkpoint, model: Model) -> None:
        """Write the checkpoint; the network at the end of an epoch, under another name if it is the best.

        The checkpoint first: what a kill leaves unwritten can be written again from there.
        """
        checkpoint.save(self.path / CHECKPOINT)
        if checkpoint.place.step == 0:
            save(model, self.path / MODEL)
            if checkpoint.place.is_best:
                save(model, self.path / BEST)

    def logs(self, place: Place, epochs: int, tensorboard: bool, curve: bool, title: str) -> list[Log]:
        """What is told of every epoch.

        Raises
        ------
        ImportError : TensorBoard or matplotlib is not installed; the message names the extra.
        """
        logs: list[Log] = [CSV(self.path / METRICS)]
        if tensorboard:
            logs.append(TensorBoard(self.path / EVENTS, len(place.rows)))
        if curve:
            logs.append(Curve(self.path / CURVE, title, epochs))
        return logs


def checkpoint_in(path: Path) -> Checkpoint | None:
    """The checkpoint in a folder, if there is one.

    Raises
    ------
    DataError : it is truncated, or none.
    """
    file = path / CHECKPOINT
    return Checkpoint.load(file) if file.exists() else None
