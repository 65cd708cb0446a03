"""A file of features that appears under its name only when it is complete, and survives interruptions."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from groupscat.data.npz import NpzRows
from groupscat.data.part import Entry, Layout, Part, differing_keys, sync_folder
from groupscat.data.source import printable
from groupscat.data.store import read_features
from groupscat.data.stored import zarr_module
from groupscat.data.zarr_store import ZarrRows
from groupscat.errors import ArgumentError, DataError


class Rows(Protocol):
    """What writes the rows of one format: :class:`NpzRows`, :class:`ZarrRows`."""

    path: Path

    @property
    def rows(self) -> int: ...
    def append(self, values: NDArray[Any]) -> None: ...
    def sync(self) -> dict[str, Any]: ...
    def finish(self, arrays: Mapping[str, NDArray[Any]]) -> None: ...
    def close(self) -> None: ...


class FeatureWriter:
    """Writes features batch by batch; :meth:`commit` puts the file or store in place.

    Until then everything is in a hidden folder beside it. If the ``with`` block ends without a commit, that
    folder is kept where a batch is done already (``kept``), and removed where none is.

    Parameters
    ----------
    path : the output, a Zarr store if it ends in ``.zarr``, else an ``.npz`` file.
    overwrite : replace what is there, or begin anew where a run was interrupted.
    resume : complete an interrupted run.

    Raises
    ------
    ArgumentError : the output exists, is of the wrong kind, its folder does not exist, or a run that makes it
        was interrupted and it is not said what to do. DataError : it cannot be written.
    ImportError : it is a Zarr store and zarr is not installed.

    >>> import tempfile, numpy as np
    >>> folder = tempfile.TemporaryDirectory()
    >>> with FeatureWriter(folder.name + "/y.npz") as out:
    ...     out.open({"J": 2}, ["first input", "second input"])
    ...     out.begin(Layout((3,), "float32", rows=2, batch=2))
    ...     out.append(np.zeros((2, 3)))
    ...     out.commit({"names": np.array(["a", "b"])})
    >>> np.load(folder.name + "/y.npz")["features"].shape
    (2, 3)
    >>> folder.cleanup()
    """

    def __init__(self, path: str | Path, overwrite: bool = False, resume: bool = False) -> None:
        self.path = Path(path)
        self.overwrite, self.resume = overwrite, resume
        self.is_zarr = self.path.suffix.lower() == ".zarr"
        self.complete = False
        self.kept = False
        self._part = Part(self.path)
        self._rows: Rows | None = None
        self._config: dict[str, Any] = {}
        self._inputs: Sequence[str] = ()
        if self.is_zarr:
            zarr_module()
        self._check()
        if self._part.exists() and not (resume or overwrite):
            self._refuse_part()

    def _check(self) -> None:
        name = printable(self.path)
        if not self.path.parent.is_dir():
            raise ArgumentError(f"There is no folder {printable(self.path.parent)} to write to.")
        if not self.is_zarr and self.path.is_dir():
            raise ArgumentError(f"{name} is a folder; name a file in it, or a Zarr store: {name}.zarr.")
        # Never remove somebody's folder because of how it is called.
        if self.is_zarr and self.path.exists() and not (self.path / "zarr.json").is_file():
            raise ArgumentError(f"{name} exists and is no Zarr store; name another output.")
        if self.path.exists() and not (self.overwrite or self.resume):
            raise ArgumentError(f"{name} exists; pass --overwrite to replace it.")

    def _refuse_part(self) -> None:
        raise ArgumentError(
            f"An interrupted run of {printable(self.path)} is kept in {printable(self._part.folder)}. "
            "Complete it by the same command with --resume, or begin anew with --overwrite."
        )

    @property
    def begun(self) -> bool:
        """Whether an interrupted run left some batches that are done."""
        return self._part.exists()

    @property
    def batch(self) -> int:
        """Signals per batch."""
        return 0 if self._part.layout is None else self._part.layout.batch

    @property
    def entries(self) -> Sequence[Entry]:
        """The batches that are done."""
        return self._part.entries

    def __enter__(self) -> Self:
        with self._writing():
            locked = self._part.acquire()
        if not locked:
            raise ArgumentError(f"Another run is making {printable(self.path)} at this moment.")
        replaced = self._part.folder / "replaced"
        if replaced.is_dir() and not self.path.exists():  # killed between the two steps of commit
            with self._writing():
                os.rename(replaced, self.path)
        return self

    def open(self, config: dict[str, Any], inputs: Sequence[str]) -> None:
        """Look for what is done already (``entries``), or find the output ``complete``.

        Parameters
        ----------
        config : of this run. inputs : a line for each file, as JSON [size, time, name].

        Raises
        ------
        ArgumentError : what is there was made otherwise.
        """
        self._config, self._inputs = config, inputs
        self._part.load()
        begun = bool(self._part.entries)
        if self.resume and not begun and self.path.exists() and not self.overwrite:
            before = read_features(self.path).config
            self._compare(before, f"{printable(self.path)} is complete, but of another run")
            self.complete = True
        elif self.resume and begun:
            changed = self._part.differing_input(inputs)
            if changed:
                self._refuse(f"the inputs differ: {changed}")
            self._compare(self._part.config, "the interrupted run was another")
            if self.path.exists() and not self.overwrite:
                raise ArgumentError(f"{printable(self.path)} exists; pass --overwrite too to replace it.")
            self._reopen()
        else:
            if begun and not self.overwrite:  # it has appeared after the check at the beginning
                self._refuse_part()
            with self._writing():
                self._part.clear()

    def _reopen(self) -> None:
        layout, last = self._part.layout, self._part.entries[-1]
        assert layout is not None
        with self._writing():
            self._part.reopen()
            try:
                self._rows = self._writer()(self._part.folder, layout, last.state)
            except (FileNotFoundError, KeyError, DataError) as error:
                raise DataError(
                    f"What the interrupted run left in {printable(self._part.folder)} is damaged: {error} "
                    "Begin anew with --overwrite."
                ) from error

    def _compare(self, before: dict[str, Any], what: str) -> None:
        differences = list(differing_keys(_comparable(before), _comparable(self._config)))
        other_inputs = "the inputs differ in names, sizes or modification times"
        words = [other_inputs if text.startswith("inputs.digest") else text for text in differences]
        if words:
            self._refuse(f"{what}: {'; '.join(words[:5])}")

    def _refuse(self, why: str) -> None:
        raise ArgumentError(
            f"Cannot resume {printable(self.path)}: {why}. Give the same inputs and options as before, or "
            "begin anew with --overwrite instead of --resume."
        )

    def _writer(self) -> Callable[..., Rows]:
        return ZarrRows if self.is_zarr else NpzRows

    def begin(self, layout: Layout) -> None:
        """Start the array.

        Raises
        ------
        DataError : there is not enough room on the disk.
        """
        need = layout.rows * int(np.prod(layout.shape)) * np.dtype(layout.dtype).itemsize
        free = shutil.disk_usage(self.path.parent).free
        if need > free:
            raise DataError(
                f"{printable(self.path)} will take {need / 1e9:.3g} GB, but its disk has "
                f"{free / 1e9:.3g} GB left."
            )
        with self._writing():
            self._part.begin(self._config, self._inputs, layout)
            self._rows = self._writer()(self._part.folder, layout)

    def append(self, values: NDArray[Any], bad: Sequence[tuple[int, str]] = ()) -> None:
        """Write a batch, shape (b, *shape); on return it is on the disk.

        Parameters
        ----------
        bad : positions of signals that were left out of the batch, and why.
        """
        assert self._rows is not None
        layout = self._part.layout
        assert layout is not None
        if values.shape[1:] != layout.shape or self._rows.rows + len(values) > layout.rows:
            raise ValueError(
                f"{len(values)} rows of shape {values.shape[1:]} do not fit: "
                f"{layout.rows - self._rows.rows} of shape {layout.shape} are left to write"
            )
        with self._writing():
            self._rows.append(values)
            state = self._rows.sync()
            self._part.note(Entry(self._rows.rows, [list(item) for item in bad], state))

    def commit(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Add the small arrays, complete the output and give it its name, in place of what was there.

        Raises
        ------
        ArgumentError : meanwhile a file of that name has appeared, and ``overwrite`` is off.
        """
        assert self._rows is not None
        with self._writing():
            self._rows.finish(arrays)
            if self.path.exists() and not self.overwrite:
                raise ArgumentError(f"{printable(self.path)} exists; pass --overwrite to replace it.")
            if self.is_zarr and self.path.exists():
                # Nothing replaces a folder in one step; what was there comes back if this is the last one.
                os.rename(self.path, self._part.folder / "replaced")
            os.replace(self._rows.path, self.path)
            sync_folder(self.path.parent)
        self.complete = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rows is not None:
            self._rows.close()
        self.kept = bool(self._part.entries) and not self.complete
        self._part.release(remove=not self.kept)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(f"Cannot write {printable(self.path)}: {error.strerror or error}.") from error


def _comparable(config: dict[str, Any]) -> dict[str, Any]:
    """What decides the values of the features."""
    kept = {key: value for key, value in config.items() if key != "options"}
    inputs = {key: value for key, value in dict(config.get("inputs", {})).items() if key != "paths"}
    return kept | {"inputs": inputs}
