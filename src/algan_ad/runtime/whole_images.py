"""Refusal of incomplete pictures, whose missing parts a decoder would leave black or grey without a word.

Pillow notices a file that is cut. It does not notice data that end early inside an intact file: a PNG whose stream
of pixels ends before the last row, a JPEG whose end marker comes too soon, a TIFF without all of its strips.
"""

import re
from io import BytesIO
from pathlib import Path

from PIL import Image, TiffImagePlugin
from PIL.ImageFile import ImageFile

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.placement import Size

_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # a marker of a JPEG; the bytes left out occur within coded pixels
_END_OF_IMAGE = b"\xff\xd9"
_MID_GREY = {"L": 128, "RGB": (128, 128, 128), "CMYK": (127, 127, 127, 127)}  # libjpeg's filling; CMYK is inverted


def load_whole(image: ImageFile, source: Path | bytes, least: Size | None = None) -> None:
    """Decode `image`, which was opened from `source`, in place. Raises InputError when its data end too soon.

    A JPEG is scaled down by its decoder as long as width and height stay above `least`.
    """
    if least is not None:
        image.draft(None, least)
    if image.format == "PNG":
        whole = _load_png(image, source)
    elif isinstance(image, TiffImagePlugin.TiffImageFile):
        whole = _has_all_strips(image)
        image.load()
    else:
        image.load()
        whole = image.format not in ("JPEG", "MPO") or _is_whole_jpeg(image, source, least)
    if not whole:
        raise InputError("its data end before the picture does; replace or remove it.")


def _load_png(image: ImageFile, source: Path | bytes) -> bool:
    """Decode over marks in place of the last pixels; a mark that survives, twice and with two values, is a gap."""
    gap = _surviving_marks(image, 90)
    if gap:  # or a pixel that equals the mark
        with Image.open(_file(source), formats=["PNG"]) as again:
            gap &= _surviving_marks(again, 0)
    return not gap


def _surviving_marks(image: ImageFile, value: int) -> set[tuple[int, int]]:
    """Decode over marks on the lower right 2 x 2 pixels, which hold the last of an interlaced PNG, too."""
    memory = image.im = Image.new(image.mode, image.size, None).im
    width, height = image.size
    corner = [(x, y) for x in range(max(0, width - 2), width) for y in range(max(0, height - 2), height)]
    bands = len(image.getbands())
    for place in corner:
        memory.putpixel(place, value if bands == 1 else (value,) * bands)
    mark = memory.getpixel(corner[0])
    image.load()
    return {place for place in corner if image.im.getpixel(place) == mark}


def _has_all_strips(image: TiffImagePlugin.TiffImageFile) -> bool:
    """Check uncompressed strips, of which Pillow reads those that there are; libtiff checks compressed ones."""
    if image.tile[0][0] != "raw":
        return True
    planes = len(image.getbands()) if image.tag_v2.get(TiffImagePlugin.PLANAR_CONFIGURATION) == 2 else 1
    boxes = [box for _, box, offset, _ in image.tile if box and offset > 0]  # the file's header lies at 0
    return sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in boxes) >= planes * image.width * image.height


def _is_whole_jpeg(image: ImageFile, source: Path | bytes, least: Size | None) -> bool:
    """Decode with other bytes in place of the end marker: only a picture that waits for more data changes.

    A gap within the last block of 16 x 16 pixels is not found, nor is a missing scan of a progressive JPEG.
    """
    last = image.getpixel((image.width - 1, image.height - 1))
    if last != _MID_GREY.get(image.mode) and "progressive" not in image.info:  # a progressive one is blurred instead
        return True
    data = source if isinstance(source, bytes) else source.read_bytes()
    coded = data[: _end_of_jpeg(data)].rstrip(b"\xff")
    with Image.open(BytesIO(coded + b"\x55" * 64 + _END_OF_IMAGE), formats=["JPEG"]) as longer:
        if least is not None:
            longer.draft(None, least)
        return longer.tobytes() == image.tobytes()


def _end_of_jpeg(data: bytes) -> int:
    """The position of the marker where decoding ends. Segments are skipped, because a thumbnail in them has its own."""
    position = 2
    while (found := _MARKER.search(data, position)) and found.group() != _END_OF_IMAGE:
        start = found.start() + 2
        position = start + int.from_bytes(data[start : start + 2])
    return found.start() if found else len(data)


def _file(source: Path | bytes) -> Path | BytesIO:
    return BytesIO(source) if isinstance(source, bytes) else source
