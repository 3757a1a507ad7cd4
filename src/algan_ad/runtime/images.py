"""The one way from a file to pixels, for training, evaluation and prediction alike."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from pydantic import Field, model_validator

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.placement import Box, Fit, Size, placed, tile_starts
from algan_ad.runtime.progress import track
from algan_ad.runtime.regions import Region
from algan_ad.runtime.schema import Schema
from algan_ad.runtime.whole_images import load_whole

Pixels = NDArray[np.uint8]
T = TypeVar("T", bound=np.generic)

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"}
)
Levels = tuple[int, int]
DEEPEST = 0xFFFF  # value of a 16-bit pixel
MAX_PIXELS = 100_000_000
MAX_SIDE = 65_535  # the largest of a JPEG; each row and column of pixels costs memory of its own
# A PNG, however blank, holds at most 8,256 pixels a byte (deflate's 1,032 to 1, at 8 pixels a byte).
MAX_PIXELS_PER_BYTE = 10_000
# Listed, because Pillow would otherwise also try formats that start other programs (EPS).
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
SPARE = 2  # pixels, each way, that a picture keeps for one of the output while a JPEG decoder scales it down
OUTSIDE = 128  # the grey of what lies outside the region of interest
_THREADS = min(8, os.cpu_count() or 1)


def decode(source: Path | bytes, levels: Levels | None = None, max_pixels: int | None = None) -> Pixels:
    """The pixels of an image file, or of the bytes of one: uint8 (H, W, 3), RGB.

    Grey becomes three equal channels; transparency is composited on white; 16-bit grey keeps its upper 8 bits, or is
    spread from `levels` to 0..255; float images hold 0..1 or 0..255; EXIF orientation is applied; only the first of
    several pages is read.
    Raises InputError, naming the file, for anything that is not a whole image of at most `max_pixels` pixels (None:
    MAX_PIXELS), which is checked before memory is taken for them, for sides beyond MAX_SIDE, for headers that
    promise more than MAX_PIXELS_PER_BYTE, and when the memory does not suffice.
    """
    image, _ = _explained(source, levels, max_pixels=max_pixels)
    return np.array(image.convert("RGB"))


def _explained(
    source: Path | bytes,
    levels: Levels | None,
    enough: Callable[[Size], Size] | None = None,
    name: str | None = None,
    max_pixels: int | None = None,
) -> tuple[Image.Image, Size]:
    name = name or ("image data" if isinstance(source, bytes) else str(source))
    try:
        return _decode(source, levels, enough, MAX_PIXELS if max_pixels is None else max_pixels)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{name}: {_too_large(MAX_PIXELS)}") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{name}: not an image ({_EXPECTED}), or damaged; replace or remove it.") from error
    except MemoryError as error:
        raise InputError(f"{name}: too large for the memory that is free; scale it down first.") from error
    except Exception as error:  # on damaged bytes the decoders of Pillow raise almost anything
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{name}: cannot be read as an image ({reason}); replace or remove it.") from error


def _too_large(max_pixels: int) -> str:
    return f"larger than {max_pixels / 1_000_000:g} million pixels; scale it down first."


_EXPECTED = "expected " + ", ".join(_FORMATS)


def media_type(content: bytes) -> str:
    """The media type of image data, from its header, as in "image/png". Raises InputError for other data."""
    try:
        with Image.open(BytesIO(content), formats=_FORMATS) as image:
            return Image.MIME[image.format or ""]
    except Exception as error:  # as in `decode`
        raise InputError(f"image data: not an image ({_EXPECTED})") from error


def _decode(
    source: Path | bytes, levels: Levels | None, enough: Callable[[Size], Size] | None, max_pixels: int
) -> tuple[Image.Image, Size]:
    """The picture as a Pillow image of mode L or RGB, and its width and height as it was.

    A JPEG decoder may leave the picture smaller than it was, but not than what is `enough` for its width and height.
    """
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size == 0:
        raise InputError("empty (0 bytes); replace or remove it.")
    with Image.open(BytesIO(source) if isinstance(source, bytes) else source, formats=_FORMATS) as image:
        _check_size(image.width, image.height, size, max_pixels)
        drafted = enough is not None and image.format in ("JPEG", "MPO")
        lying = drafted and image.getexif().get(ExifTags.Base.Orientation) in _LYING
        upright = (image.height, image.width) if lying else image.size
        least = enough(upright) if enough is not None and drafted else None
        load_whole(image, source, least[::-1] if least and lying else least)
        ImageOps.exif_transpose(image, in_place=True)
        return _flat(image, levels), upright if drafted else image.size


_LYING = (5, 6, 7, 8)  # values of the EXIF orientation: on its side


def _check_size(width: int, height: int, file_bytes: int, max_pixels: int) -> None:
    """Raise InputError for a size that cannot be decoded, before memory is taken for it."""
    if width * height > max_pixels:
        raise InputError(_too_large(max_pixels))
    if max(width, height) > MAX_SIDE:
        raise InputError(f"{width} x {height}, a side longer than {MAX_SIDE:,} pixels; cut it into parts first.")
    if width * height > MAX_PIXELS_PER_BYTE * file_bytes:
        raise InputError(
            f"{width} x {height} pixels promised in {file_bytes} bytes, too few for any picture; replace or remove it."
        )


def _flat(image: Image.Image, levels: Levels | None) -> Image.Image:
    """Grey of 8 bits (L) where the picture is grey, for one channel is resized in a third of the time; else RGB."""
    if _is_deep(image):
        return Image.fromarray(_from_16_bit(np.asarray(image), levels))
    if image.mode == "F":
        return Image.fromarray(_from_float(np.asarray(image)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _is_deep(image: Image.Image) -> bool:
    """True for grey of more than 8 bits. Pillow opens 16 bits as 16 or 32, depending on its version."""
    return image.mode.startswith("I")


def _from_16_bit(values: NDArray[np.integer], levels: Levels | None) -> Pixels:
    if values.min() < 0 or values.max() > DEEPEST:
        raise InputError("its integers are not within 0..65535; save it as 8-bit or 16-bit.")
    if levels is None:
        return np.asarray(values >> 8, dtype=np.uint8)  # as Pillow does with 16-bit colour
    low, high = levels
    spread = (values.astype(np.float32) - low) * (255 / (high - low))
    return np.asarray(np.rint(spread.clip(0, 255)), dtype=np.uint8)


def deep_range(path: Path, shares: tuple[float, float]) -> tuple[float, float] | None:
    """The values, 0..65535, below which these shares of the pixels of a 16-bit grey image lie; None for other files."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if not _is_deep(image):
                return None
            _check_size(image.width, image.height, path.stat().st_size, MAX_PIXELS)
            low, high = np.quantile(np.asarray(image), shares)
    except Exception:  # as in `decode`, which reports it
        return None
    return float(low), float(high)


def _from_float(values: NDArray[np.floating]) -> Pixels:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 255):  # also true of NaN
        raise InputError("its decimal values are not within 0..1 or 0..255; save it as 8-bit or 16-bit.")
    return np.asarray(np.rint(values * (255 if high <= 1 else 1)), dtype=np.uint8)


class Preprocessing(Schema):
    """Preparation of decoded pixels for a detector. By default the picture is resized to a square (thesis 5.2.5).

    A picture is laid on a canvas, the same for all pictures of a model. Large canvases can be cut into overlapping
    squares (`tiles.py`).
    """

    size: int = Field(ge=1, le=4096, description="side of the square output, in pixels")
    resize: int | None = Field(
        default=None, ge=1, le=4096, description="side resized to before the centre is cut out; None = size"
    )
    grayscale: bool = Field(default=False, description="drop the colour: three equal channels")
    levels: Levels | None = Field(
        default=None, description="of 16-bit grey: the values that become 0 and 255; None = its upper 8 bits"
    )
    draft: bool = Field(
        default=False, description="a JPEG may be scaled down while it is decoded, by 2, 4 or 8, to twice the size"
    )
    fit: Fit = Field(default="stretch", description="stretch the picture onto the canvas, or keep its proportions")
    canvas: Size | None = Field(default=None, description="width and height of the output; None = size x size")
    tiled: bool = Field(default=False, description="cut the canvas into overlapping squares of size")
    region: Region | None = Field(default=None, description="the part of a picture that counts; None = all")
    marks: bool = Field(default=False, description="a fourth channel: 255 where a pixel counts, 0 where it does not")

    @model_validator(mode="after")
    def _parts_agree(self) -> "Preprocessing":
        if self.resize is not None and self.resize < self.size:
            raise ValueError(f"resize ({self.resize}) must be at least size ({self.size})")
        if self.resize is not None and (self.fit == "letterbox" or self.canvas):
            raise ValueError("a cut centre (resize) takes stretched pictures in one piece")
        if self.levels is not None and not 0 <= self.levels[0] < self.levels[1] <= DEEPEST:
            raise ValueError(f"levels {self.levels} must rise within 0 and {DEEPEST}")
        least = self.size if self.tiled else 1
        if self.canvas is not None and not least <= min(self.canvas) <= max(self.canvas) <= MAX_SIDE:
            raise ValueError(f"canvas {self.canvas} must have sides of {least} to {MAX_SIDE}")
        return self

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a prepared image."""
        width, height = self.canvas or (self.size, self.size)
        return height, width, 4 if self.marks else 3

    @property
    def corners(self) -> tuple[tuple[int, int], ...]:
        """Top and left of each tile of the canvas, row by row; one alone if it is not cut."""
        if not self.tiled:
            return ((0, 0),)
        height, width, _ = self.shape
        return tuple((top, left) for top in tile_starts(height, self.size) for left in tile_starts(width, self.size))

    def place(self, picture: Size) -> Box:
        """The box that a picture takes on the canvas, or on the larger square whose centre is cut out."""
        return placed(picture, self._whole, self.fit)

    def cut(self, canvas: NDArray[T], picture: Size) -> NDArray[T]:
        """The part of a canvas (H, W, ...) that shows the picture; of a picture whose centre was cut out, all of it."""
        return canvas if self.resize else self.place(picture).cut(canvas)

    def counts(self, picture: Size) -> NDArray[np.bool_]:
        """Pixels of the canvas (H, W) that show the picture, and of it the region."""
        box = self.place(picture)
        inside = np.ones((box.height, box.width), np.bool_) if self.region is None else self._inside(box)
        return self.laid(inside, picture)

    def laid(self, pixels: NDArray[T], picture: Size, **how: Any) -> NDArray[T]:
        """Pixels (h, w, ...) of the box of a picture on the canvas; `how` the rest is filled is np.pad's, or zeros."""
        laid = self.place(picture).on(self._whole, pixels, **how)
        if self.resize is None:
            return laid
        margin = (self.resize - self.size) // 2
        return np.ascontiguousarray(laid[margin : margin + self.size, margin : margin + self.size])

    def apply(self, pixels: Pixels) -> Pixels:
        """uint8 (H, W, 3) -> uint8 of `shape`, antialiased; pixels of the right size are unchanged.

        Beyond its edges the picture goes on as its mirror image; what lies outside the region has one grey.
        """
        return self.apply_to(Image.fromarray(pixels), (pixels.shape[1], pixels.shape[0]))

    def enough(self, picture: Size) -> Size:
        """Width and height below which a picture must not be scaled down while it is decoded."""
        box = self.place(picture)
        return SPARE * box.width, SPARE * box.height

    def apply_to(self, image: Image.Image, size: Size) -> Pixels:
        """The same for a Pillow image of mode L or RGB, whose width and height were `size` in the file."""
        if self.grayscale:
            image = image.convert("L")
        box = self.place(size)
        small = np.array(image.resize((box.width, box.height), Image.Resampling.BILINEAR).convert("RGB"))
        if self.region is not None:
            small[~self._inside(box)] = OUTSIDE
        laid = self.laid(small, size, mode="symmetric")
        return np.dstack([laid, np.where(self.counts(size), np.uint8(255), np.uint8(0))]) if self.marks else laid

    @property
    def _whole(self) -> Size:
        side = self.resize or self.size
        return self.canvas or (side, side)

    def _inside(self, box: Box) -> NDArray[np.bool_]:
        assert self.region is not None
        return self.region.at(box.width, box.height)


@dataclass(frozen=True)
class Skipped:
    """A file that could not be used, and the reason."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Loaded:
    """Images of some paths, uint8 (N, H, W, C).

    Attributes:
        kept: their N positions among the paths.
        skipped: the others.
        sizes: width and height of the N pictures as they were, in pixels.
    """

    images: Pixels
    kept: list[int]
    skipped: list[Skipped]
    sizes: list[Size]


Read = Callable[[Path, Preprocessing], tuple[Pixels, Size]]  # as `prepare`


def load(source: Path | bytes, preprocessing: Preprocessing) -> Pixels:
    """Decode and preprocess one image: uint8 (H, W, C). Raises InputError as `decode` does."""
    return prepare(source, preprocessing)[0]


def prepare(
    source: Path | bytes | Pixels, preprocessing: Preprocessing, name: str | None = None
) -> tuple[Pixels, Size]:
    """Decode and preprocess one image: uint8 (H, W, C), and the width and height of the picture as it was.

    Pixels, uint8 (H, W, 3), are decoded already. Errors of `decode` call the image by `name`, or by its path.
    """
    if isinstance(source, np.ndarray):
        return preprocessing.apply(source), (source.shape[1], source.shape[0])
    image, size = open_image(source, preprocessing, name)
    return preprocessing.apply_to(image, size), size


def open_image(source: Path | bytes, preprocessing: Preprocessing, name: str | None = None) -> tuple[Image.Image, Size]:
    """A decoded picture as `Preprocessing.apply_to` takes it: a Pillow image, and its width and height as it was."""
    return _explained(source, preprocessing.levels, preprocessing.enough if preprocessing.draft else None, name)


def load_many(
    paths: Sequence[Path],
    preprocessing: Preprocessing,
    strict: bool = False,
    label: str | None = "reading images",
    read: Read = prepare,
) -> Loaded:
    """Decode and preprocess many images in threads, in the order of `paths`; a progress bar unless `label` is None.

    Files that cannot be used are skipped and listed; with `strict` the first of them raises its InputError. `read` is
    called in the place of `prepare`, from several threads.
    """
    images = np.empty((len(paths), *preprocessing.shape), np.uint8)
    kept: list[int] = []
    skipped: list[Skipped] = []
    sizes: list[Size] = []
    results = _load_in_threads(paths, preprocessing, strict, read)
    for position, result in enumerate(results if label is None else track(results, label, total=len(paths))):
        if isinstance(result, InputError):
            skipped.append(Skipped(paths[position], str(result)))
        else:
            images[len(kept)], size = result
            kept.append(position)
            sizes.append(size)
    return Loaded(images[: len(kept)], kept, skipped, sizes)


def _load_in_threads(
    paths: Sequence[Path], preprocessing: Preprocessing, strict: bool, read: Read
) -> Iterator[tuple[Pixels, Size] | InputError]:
    def attempt(path: Path) -> tuple[Pixels, Size] | InputError:
        try:
            return read(path, preprocessing)
        except InputError as error:
            if strict:
                raise
            return error

    with ThreadPoolExecutor(_THREADS) as pool:
        yield from pool.map(attempt, paths)


def check(path: Path) -> str | None:
    """The reason why a file cannot be used as an image, or None. The file is decoded in full."""
    try:
        decode(path)
    except InputError as error:
        return str(error)
    return None
