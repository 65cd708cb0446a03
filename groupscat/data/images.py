"""Images as signals, decoded by Pillow in parallel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from groupscat.data.progress import Progress
from groupscat.data.source import Batch, Skipped, Source, printable
from groupscat.errors import ArgumentError, DataError

Colour = Literal["grey", "rgb", "yuv"]
LUMA = np.array([0.299, 0.587, 0.114])
#: Y, U, V of R, G, B as in ITU-R 601 (PAL): Y in [0, 1], U ∝ B − Y within ±.436, V ∝ R − Y within ±.615.
YUV = np.array(
    [LUMA, 0.436 / (1 - 0.114) * (np.eye(3)[2] - LUMA), 0.615 / (1 - 0.299) * (np.eye(3)[0] - LUMA)]
)
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
EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Look:
    """How an image becomes an array.

    Parameters
    ----------
    colour : "grey" (luma of ITU-R 601), "rgb", or "yuv" (:data:`YUV`).
    shape : (H, W) to resize to, bicubic, the aspect ratio is not kept. With ``crop`` it is kept: the image is
        scaled to just cover ``shape``.
    crop : (H, W) of the centre to cut out, after resizing.
    """

    colour: Colour = "grey"
    shape: tuple[int, int] | None = None
    crop: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        for option, value in (("--shape", self.shape), ("--crop", self.crop)):
            if value is not None and min(value) < 1:
                raise ArgumentError(f"{option} {value[0]} {value[1]}: expected a positive height and width.")
        if self.shape and self.crop and (self.crop[0] > self.shape[0] or self.crop[1] > self.shape[1]):
            raise ArgumentError(
                f"--crop {self.crop[0]} {self.crop[1]} is larger than --shape {self.shape[0]} "
                f"{self.shape[1]}, which images are resized to before."
            )

    def resized(self, size: tuple[int, int]) -> tuple[int, int]:
        """(H, W) after resizing an image of ``size`` (H, W).

        >>> Look(shape=(256, 256)).resized((300, 400))
        (256, 256)
        >>> Look(shape=(256, 256), crop=(224, 224)).resized((300, 400))
        (256, 341)
        """
        if self.shape is None:
            return size
        if self.crop is None:
            return self.shape
        scale = max(self.shape[0] / size[0], self.shape[1] / size[1])
        return max(self.shape[0], round(scale * size[0])), max(self.shape[1], round(scale * size[1]))

    @property
    def size(self) -> tuple[int, int] | None:
        """(H, W) of every image, if it does not depend on the file."""
        return self.crop or self.shape


class ImageSource(Source):
    """Images of one size, (H, W) in grey or (3, H, W) in colour, 8 and 16 bits scaled to [0, 1].

    Parameters
    ----------
    paths : the files, in order.
    look : colour and size; without a size, the images' common one.
    skip_bad : leave out files that cannot be decoded; without it all are decoded once beforehand, but not
        if they are ``checked`` already.

    Transparent pixels are laid on white, the camera's orientation is applied, of several frames the first
    is read. Floating-point and 32-bit integer images keep their values.

    Raises
    ------
    DataError : a file cannot be decoded or is smaller than the crop, or the sizes differ and none is given.
    """

    unit = "image"

    def __init__(
        self,
        paths: Sequence[Path],
        look: Look | None = None,
        skip_bad: bool = False,
        progress: Progress | None = None,
        checked: bool = False,
    ) -> None:
        super().__init__(skip_bad)
        self._look = look = look or Look()
        pillow()
        self.files = paths
        # A bad file is to stop a long run at its start, so all are decoded once; that is cheap next to the
        # transform. Where bad files are skipped they may as well show up later, and headers are enough.
        whole = not (skip_bad or checked)
        with ThreadPoolExecutor(self.threads) as pool:
            found = pool.map(lambda path: _check(path, look, whole), paths)
            headers = list((progress or Progress()).wrap(found, len(paths), "checking images"))
        good = [(path, size) for path, size in zip(paths, headers, strict=True) if isinstance(size, tuple)]
        bad = [(path, why) for path, why in zip(paths, headers, strict=True) if isinstance(why, str)]
        self._leave_out([Skipped(printable(path), why) for path, why in bad])
        if not good:
            raise DataError(f"None of the {len(paths)} images can be read, for example {self.skipped[0]}.")
        self._size = look.size or _common_size(good)
        self.about |= {"colour": look.colour, "shape": look.shape, "crop": look.crop}
        self.kept = [k for k, size in enumerate(headers) if isinstance(size, tuple)]
        self._paths = [path for path, _ in good]
        self.names = tuple(printable(path) for path in self._paths)
        self.shape = self._size if look.colour == "grey" else (3, *self._size)

    def _read(self, span: range, dtype: str) -> Batch:
        images, kept, bad = [], [], []
        with ThreadPoolExecutor(self.threads) as pool:
            futures = [pool.submit(self._load, row, dtype) for row in span]
            for row, future in zip(span, futures, strict=True):
                try:
                    images.append(future.result())
                    kept.append(row)
                except Exception as error:  # decoders of broken files raise nearly every kind of error
                    bad.append((row, _reason(error)))
        return Batch(np.stack(images) if images else np.empty((0, *self.shape)), kept, tuple(bad))

    def _load(self, row: int, dtype: str) -> NDArray[Any]:
        image = load_image(self._paths[row], self._look, dtype)
        if image.shape != self.shape:
            raise DataError(f"is {image.shape[-2]}x{image.shape[-1]}, not {self._size[0]}x{self._size[1]}")
        return image


def load_image(path: str | Path, look: Look | None = None, dtype: str = "float32") -> NDArray[Any]:
    """One image as an array (H, W) or (3, H, W); see :class:`ImageSource` for the conventions.

    Raises
    ------
    DataError : it is smaller than the crop.
    OSError and others, as Pillow does for files that it cannot decode.
    """
    look = look or Look()
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
            image = image.convert("L" if look.colour == "grey" else "RGB")
        size = (image.size[1], image.size[0])
        if look.resized(size) != size:
            height, width = look.resized(size)
            image = image.resize((width, height), Image.Resampling.BICUBIC)
        values: NDArray[Any] = np.asarray(image).astype(dtype) / np.dtype(dtype).type(top)
    if look.crop is not None:
        values = _centre(values, look.crop)
    if look.colour == "grey":
        return values
    values = np.stack([values] * 3) if values.ndim == 2 else np.ascontiguousarray(np.moveaxis(values, -1, 0))
    return values if look.colour == "rgb" else np.tensordot(YUV.astype(dtype), values, 1)


def _centre(values: NDArray[Any], crop: tuple[int, int]) -> NDArray[Any]:
    height, width = values.shape[:2]
    too_small = _too_small((height, width), crop)
    if too_small:
        raise DataError(too_small)
    top, left = (height - crop[0]) // 2, (width - crop[1]) // 2
    return values[top : top + crop[0], left : left + crop[1]]


def _too_small(size: tuple[int, int], crop: tuple[int, int]) -> str | None:
    if size[0] >= crop[0] and size[1] >= crop[1]:
        return None
    return (
        f"is {size[0]}x{size[1]}, smaller than --crop {crop[0]} {crop[1]}; "
        "--shape H W resizes to cover H x W before"
    )


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


def _check(path: Path, look: Look, whole: bool) -> tuple[int, int] | str:
    """(H, W) as the image will be shown, or why it cannot be used; ``whole``: decode it to find out."""
    try:
        size = _size(path, whole)
    except Exception as error:  # as in _read
        return _reason(error)
    return (_too_small(look.resized(size), look.crop) if look.crop else None) or size


def _size(path: Path, whole: bool) -> tuple[int, int]:
    Image, ImageOps = pillow()
    with open(path, "rb") as file, Image.open(file) as image:
        # What the header of a TIFF says of its orientation depends on the version of Pillow.
        if whole or image.format == "TIFF":
            width, height = ImageOps.exif_transpose(image).size
            return height, width
        width, height = image.size
        # Of a PNG without this entry, getexif would decode the whole image to look for it behind.
        known = image.format != "PNG" or "exif" in image.info
        turned = known and image.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
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
        f"Pass --shape H W to resize them all, for example --shape {usual[0]} {usual[1]}, or --crop H W."
    )


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if type(error).__name__ == "UnidentifiedImageError":
        return "not an image that Pillow can read"
    return str(error) or type(error).__name__
