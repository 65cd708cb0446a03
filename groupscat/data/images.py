"""Images as signals: found in folders, decoded by Pillow in parallel, one batch ahead of the transform."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from groupscat.data.progress import Progress
from groupscat.data.source import Batch, Skipped, Source, printable
from groupscat.errors import ArgumentError, DataError

Colour = Literal["grey", "rgb"]
EXTENSIONS = (
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".webp",
    ".ppm",
    ".pgm",
    ".pbm",
    ".jp2",
)
#: Threads that decode; Pillow lets the interpreter go while it does.
WORKERS = min(8, os.cpu_count() or 1)
EXIF_ORIENTATION = 0x0112


def find_images(folder: Path) -> list[Path]:
    """The images below a folder, sorted by path; hidden files and folders are left out.

    Raises
    ------
    DataError : there is none.
    """
    found = []
    for parent, folders, files in os.walk(folder, onerror=_unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [
            Path(parent, name)
            for name in files
            if name.lower().endswith(EXTENSIONS) and not name.startswith(".")
        ]
    if not found:
        raise DataError(
            f"There are no images below {printable(folder)} (looked for {', '.join(EXTENSIONS)})."
        )
    return sorted(found, key=lambda path: path.as_posix())


class ImageSource(Source):
    """Images of one size, (H, W) in grey or (3, H, W) in colour, 8 and 16 bits scaled to [0, 1].

    Parameters
    ----------
    paths : the files, in order.
    colour : "grey" (luma of ITU-R 601) or "rgb".
    shape : (H, W) to resize to (bicubic, the aspect ratio is not kept); None: the images' common size.
    skip_bad : leave out files that cannot be decoded; without it all are decoded once beforehand.

    Transparent pixels are laid on white, the camera's orientation is applied, of several frames the first
    is read. Floating-point and 32-bit integer images keep their values.

    Raises
    ------
    DataError : a file cannot be decoded, or the sizes differ and there is no ``shape``.
    """

    unit = "image"

    def __init__(
        self,
        paths: Sequence[Path],
        colour: Colour = "grey",
        shape: tuple[int, int] | None = None,
        skip_bad: bool = False,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(skip_bad)
        if shape is not None and min(shape) < 1:
            raise ArgumentError(f"--shape {shape[0]} {shape[1]}: expected a positive height and width.")
        pillow()
        # A bad file is to stop a long run at its start, so all are decoded once; that is cheap next to the
        # transform. Where bad files are skipped they may as well show up later, and headers are enough.
        with ThreadPoolExecutor(WORKERS) as pool:
            found = pool.map(lambda path: _check(path, whole=not skip_bad), paths)
            headers = list((progress or Progress()).wrap(found, len(paths), "checking images"))
        good = [(path, size) for path, size in zip(paths, headers, strict=True) if isinstance(size, tuple)]
        self._all_bad(
            [Skipped(printable(p), h) for p, h in zip(paths, headers, strict=True) if isinstance(h, str)]
        )
        if not good:
            raise DataError(f"None of the {len(paths)} images can be read, for example {self.skipped[0]}.")
        self._size = _common_size(good) if shape is None else shape
        self._resize = shape is not None
        self._colour: Colour = colour
        self.about |= {"colour": colour, "resized": self._resize}
        self._paths = [path for path, _ in good]
        self.names = tuple(printable(path) for path in self._paths)
        self.shape = self._size if colour == "grey" else (3, *self._size)

    def _read(self, size: int, dtype: str) -> Iterator[Batch]:
        chunks = [range(k, min(k + size, len(self.names))) for k in range(0, len(self.names), size)]
        waiting: deque[list[Future[NDArray[Any]]]] = deque()
        pool = ThreadPoolExecutor(WORKERS)
        try:
            for k, rows in enumerate(chunks):
                for ahead in chunks[k + len(waiting) : k + 2]:
                    waiting.append([pool.submit(self._load, row, dtype) for row in ahead])
                batch = self._collect(rows, waiting.popleft())
                if batch.rows:
                    yield batch
        finally:
            pool.shutdown(cancel_futures=True)

    def _collect(self, rows: range, futures: list[Future[NDArray[Any]]]) -> Batch:
        images, kept = [], []
        for row, future in zip(rows, futures, strict=True):
            try:
                images.append(future.result())
                kept.append(row)
            except Exception as error:  # decoders of broken files raise nearly every kind of error
                self._bad(self.names[row], _reason(error))
        return Batch(np.stack(images) if images else np.empty((0, *self.shape)), kept)

    def _load(self, row: int, dtype: str) -> NDArray[Any]:
        image = load_image(self._paths[row], self._colour, self._size if self._resize else None, dtype)
        if image.shape != self.shape:
            raise DataError(f"is {image.shape[-2]}x{image.shape[-1]}, not {self._size[0]}x{self._size[1]}")
        return image


def load_image(
    path: str | Path, colour: Colour = "grey", shape: tuple[int, int] | None = None, dtype: str = "float32"
) -> NDArray[Any]:
    """One image as an array (H, W) or (3, H, W); see :class:`ImageSource` for the conventions.

    Raises
    ------
    OSError and others, as Pillow does for files that it cannot decode.
    """
    Image, ImageOps = pillow()
    # From an open file: given a name, Pillow maps uncompressed TIFFs and scrambles turned ones.
    with open(path, "rb") as file, Image.open(file) as opened:
        image = ImageOps.exif_transpose(opened)
        image.load()
        deep = image.mode.startswith(("I", "F"))
        if deep:  # convert("L") would clip these at 255
            sixteen = image.mode.startswith("I;16") or (image.mode == "I" and opened.format == "PNG")
            top = 65535 if sixteen else 1
            image = Image.fromarray(np.asarray(image).astype(np.float32))
        else:
            top = 255
            if image.has_transparency_data:
                image = image.convert("RGBA")
                ground = Image.new("RGBA", image.size, "white")
                image = Image.alpha_composite(ground, image)
            image = image.convert("L" if colour == "grey" else "RGB")
        if shape is not None and image.size != (shape[1], shape[0]):
            image = image.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)
        values: NDArray[Any] = np.asarray(image).astype(dtype) / np.dtype(dtype).type(top)
    if colour == "grey":
        return values
    return np.stack([values] * 3) if values.ndim == 2 else np.ascontiguousarray(np.moveaxis(values, -1, 0))


def pillow() -> tuple[Any, Any]:
    """Pillow's Image and ImageOps modules.

    Raises
    ------
    ImportError : Pillow is not installed; the message names the extra.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError('Reading images needs Pillow: pip install "groupscat[io]"') from error
    return Image, ImageOps


def _check(path: Path, whole: bool) -> tuple[int, int] | str:
    """(H, W) as the image will be shown, or why the file cannot be read; ``whole``: decode it to find out."""
    Image, ImageOps = pillow()
    try:
        with open(path, "rb") as file, Image.open(file) as image:
            # What the header of a TIFF says of its orientation depends on the version of Pillow.
            if whole or image.format == "TIFF":
                width, height = ImageOps.exif_transpose(image).size
                return height, width
            width, height = image.size
            # Of a PNG without this entry, getexif would decode the whole image to look for it behind.
            known = image.format != "PNG" or "exif" in image.info
            turned = known and image.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
    except Exception as error:  # as in _collect
        return _reason(error)
    return (width, height) if turned else (height, width)


def _common_size(good: Sequence[tuple[Path, tuple[int, int]]]) -> tuple[int, int]:
    sizes = Counter(size for _, size in good)
    if len(sizes) == 1:
        return good[0][1]
    usual = sizes.most_common(1)[0][0]
    path, other = next((p, s) for p, s in good if s != usual)
    raise DataError(
        f"The {len(good)} images have {len(sizes)} different sizes: {sizes[usual]} are {usual[0]}x{usual[1]} "
        f"(height x width), but {printable(path)} is {other[0]}x{other[1]}. "
        f"Pass --shape H W to resize them all, for example --shape {usual[0]} {usual[1]}."
    )


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if type(error).__name__ == "UnidentifiedImageError":
        return "not an image that Pillow can read"
    return str(error) or type(error).__name__


def _unreadable(error: OSError) -> None:
    raise DataError(f"Cannot list the folder {printable(error.filename)}: {error.strerror}.") from error
