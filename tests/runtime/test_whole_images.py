"""Data that end early inside an intact file; `decode` is the door to `load_whole`."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import decode

NOISE = np.random.default_rng(0).integers(0, 256, (64, 80, 3), np.uint8)
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, rows: bytes, interlaced: bool = False, colour: int = 0) -> bytes:
    """Intact chunks around a whole stream of rows, however few."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, interlaced))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def passes(width: int, height: int, value: int) -> list[bytes]:
    """The passes of an interlaced grey PNG of one value; those without pixels are left out."""
    sizes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in ADAM7 if x < width and y < height]
    return [(b"\0" + bytes([value]) * columns) * rows for columns, rows in sizes]


def tiff(rows_per_strip: int, offsets: list[int]) -> bytes:
    """An uncompressed grey TIFF of 4 x 8, whose strips lie at the offsets; its pixels, all 200, begin at 8."""
    n = len(offsets)
    lists = 8 + 32
    tags = [
        (256, 4), (257, 8), (258, 8), (259, 1), (262, 1), (273, lists if n > 1 else offsets[0]), (277, 1),
        (278, rows_per_strip), (279, lists + 4 * n if n > 1 else 4 * rows_per_strip),
    ]  # fmt: skip
    entries = [struct.pack("<HHII", tag, 4, n if tag in (273, 279) else 1, value) for tag, value in tags]
    values = struct.pack(f"<{2 * n}I", *offsets, *[4 * rows_per_strip] * n)
    start = struct.pack("<I", lists + len(values))
    return b"II*\0" + start + b"\xc8" * 32 + values + struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4)


def jpeg(**options: Any) -> bytes:
    return encode(Image.fromarray(NOISE), "JPEG", **options)


def is_incomplete(data: bytes, path: Path) -> bool:
    """True if decoding refuses the data, from memory and from the disk, where Pillow takes other ways."""
    path.write_bytes(data)
    found = []
    for source in (data, path):
        try:
            decode(source)
            found.append(False)
        except InputError as error:
            found.append("its data end before the picture does" in str(error))
    assert found[0] == found[1]
    return found[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "part.bin"


@pytest.mark.parametrize("value", [0, 90, 200])  # 90 is the first mark, 0 the second
@pytest.mark.parametrize("colour", [0, 2])
def test_a_png_without_its_last_rows(value: int, colour: int, path: Path) -> None:
    row = b"\0" + bytes([value]) * (8 if colour == 0 else 24)
    np.testing.assert_array_equal(decode(png(8, 6, row * 6, colour=colour)), np.full((6, 8, 3), value))
    assert [is_incomplete(png(8, 6, row * n, colour=colour), path) for n in range(1, 7)] == [True] * 5 + [False]


@pytest.mark.parametrize("size", [(8, 8), (9, 9), (5, 1), (1, 5), (2, 2), (1, 1)])
@pytest.mark.parametrize("value", [0, 90, 200])
def test_an_interlaced_png_without_its_last_pass(size: tuple[int, int], value: int, path: Path) -> None:
    rows = passes(*size, value)
    assert not is_incomplete(png(*size, b"".join(rows), interlaced=True), path)
    if len(rows) > 1:
        assert is_incomplete(png(*size, b"".join(rows[:-1]), interlaced=True), path)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("value", [0, 90])
def test_whole_pngs_that_look_like_the_mark_are_read(mode: str, value: int) -> None:
    image = Image.fromarray(np.full((5, 7), value, np.uint8)).convert("I" if mode == "I;16" else mode).convert(mode)
    expected = Image.open(io.BytesIO(encode(image, "PNG"))).convert("RGBA")
    expected = Image.alpha_composite(Image.new("RGBA", image.size, "white"), expected).convert("RGB")
    if mode != "I;16":  # of which Pillow's own conversion keeps the lower bits
        np.testing.assert_array_equal(decode(encode(image, "PNG")), expected)
    assert decode(encode(image, "PNG")).shape == (5, 7, 3)


def test_an_uncompressed_tiff_without_all_strips(path: Path) -> None:
    whole = tiff(2, [8, 16, 24, 32])
    np.testing.assert_array_equal(decode(whole), np.full((8, 4, 3), 200))
    assert not is_incomplete(tiff(8, [8]), path)
    assert is_incomplete(tiff(2, [8, 16, 24]), path)
    assert is_incomplete(tiff(2, [8]), path)
    assert is_incomplete(tiff(2, [8, 16, 24, 0]), path)  # where the file begins there are no pixels


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"restart_marker_rows": 1}, {"progressive": True}])
def test_a_jpeg_whose_end_marker_comes_too_soon(mode: str, options: dict[str, Any], path: Path) -> None:
    data = encode(Image.fromarray(NOISE).convert(mode), "JPEG", **options)
    assert not is_incomplete(data, path)
    longest_scan = max(data.split(b"\xff\xda"), key=len)
    for share in (0.3, 0.5, 0.8):
        cut = data.index(longest_scan) + int(share * len(longest_scan))
        assert is_incomplete(data[:cut] + b"\xff\xd9", path)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_whole_jpeg_that_ends_in_mid_grey_is_read(mode: str) -> None:
    half = np.concatenate([NOISE, np.full_like(NOISE, 128)])
    pixels = decode(encode(Image.fromarray(half).convert(mode), "JPEG", quality=95))
    np.testing.assert_array_equal(pixels[-8:], np.full((8, 80, 3), 128))


def test_the_end_marker_of_a_thumbnail_is_not_the_end() -> None:
    grey = Image.new("L", (64, 64), 128)
    data = encode(grey, "JPEG")
    thumbnail = b"\xff\xe1" + struct.pack(">H", 2 + len(data)) + data
    np.testing.assert_array_equal(
        decode(data[:2] + thumbnail + data[2:] + b"trailing bytes"), np.full((64, 64, 3), 128)
    )


def test_several_pictures_in_a_jpeg(path: Path) -> None:
    data = encode(Image.new("L", (64, 64), 128), "MPO", save_all=True, append_images=[Image.fromarray(NOISE)])
    np.testing.assert_array_equal(decode(data), np.full((64, 64, 3), 128))
