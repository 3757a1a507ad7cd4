import errno
import io
import struct
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from algan_ad.runtime import images
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import (
    IMAGE_SUFFIXES,
    MAX_SIDE,
    Loaded,
    Preprocessing,
    Skipped,
    check,
    decode,
    load,
    load_many,
    media_type,
    prepare,
)
from algan_ad.runtime.regions import Region

RGB = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[10, 20, 30], [255, 255, 255], [0, 0, 0]]], np.uint8)
ORIENTATION = 0x0112


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def grey(values: object) -> np.ndarray:
    return np.repeat(np.array(values, np.uint8)[..., None], 3, axis=-1)


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG by hand, for what Pillow does not write; each of the rows starts with a zero byte."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class TestDecode:
    @pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
    def test_colour_is_exact_in_lossless_formats(self, kind: str) -> None:
        pixels = decode(encode(Image.fromarray(RGB), kind))
        np.testing.assert_array_equal(pixels, RGB)
        assert pixels.dtype == np.uint8
        assert pixels.flags.writeable

    @pytest.mark.parametrize("kind", ["JPEG", "WEBP", "GIF"])
    def test_the_other_formats_are_read(self, kind: str) -> None:
        pixels = decode(encode(Image.new("RGB", (20, 10), (200, 100, 50)), kind))
        assert pixels.shape == (10, 20, 3)
        np.testing.assert_allclose(pixels.astype(int), np.broadcast_to((200, 100, 50), (10, 20, 3)), atol=4)

    @pytest.mark.parametrize("name", ["with space.png", "größe-日本.png", "no suffix", "wrong.jpg", "#%20'\".png"])
    def test_paths_of_any_name(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_bytes(encode(Image.fromarray(RGB)))
        np.testing.assert_array_equal(decode(tmp_path / name), RGB)

    def test_grey(self) -> None:
        values = [[0, 1, 254], [7, 128, 255]]
        np.testing.assert_array_equal(decode(encode(Image.fromarray(np.array(values, np.uint8)))), grey(values))

    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
    def test_one_bit(self, kind: str) -> None:
        bits = np.array([[True, False, True]])
        np.testing.assert_array_equal(decode(encode(Image.fromarray(bits), kind)), grey([[255, 0, 255]]))

    def test_transparency_is_composited_on_white(self) -> None:
        rgba = np.array([[[255, 0, 0, 128], [9, 9, 9, 0], [1, 2, 3, 255]]], np.uint8)
        # 255 + (0 - 255) * 128 / 255 = 127
        expected = [[[255, 127, 127], [255, 255, 255], [1, 2, 3]]]
        np.testing.assert_array_equal(decode(encode(Image.fromarray(rgba))), expected)

    def test_grey_with_alpha(self) -> None:
        la = Image.fromarray(np.array([[[0, 0], [100, 255], [0, 128]]], np.uint8), "LA")
        np.testing.assert_array_equal(decode(encode(la)), grey([[255, 100, 127]]))

    def palette(self) -> Image.Image:
        image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
        image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
        return image

    def test_palette(self) -> None:
        expected = [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]
        np.testing.assert_array_equal(decode(encode(self.palette())), expected)

    @pytest.mark.parametrize("kind", ["PNG", "GIF"])
    def test_palette_with_a_transparent_entry(self, kind: str) -> None:
        expected = [[[10, 20, 30], [255, 255, 255], [70, 80, 90]]]
        np.testing.assert_array_equal(decode(encode(self.palette(), kind, transparency=1)), expected)

    def test_palette_with_degrees_of_transparency(self) -> None:
        # 255 + (40 - 255) * 51 / 255 = 212, likewise 214 and 216
        expected = [[[255, 255, 255], [212, 214, 216], [70, 80, 90]]]
        data = encode(self.palette(), transparency=bytes([0, 51, 255]))
        np.testing.assert_array_equal(decode(data), expected)

    def test_one_transparent_colour(self) -> None:
        data = encode(Image.fromarray(np.array([[5, 6, 7]], np.uint8)), transparency=6)
        np.testing.assert_array_equal(decode(data), grey([[5, 255, 7]]))
        data = encode(Image.fromarray(RGB), transparency=(10, 20, 30))
        expected = RGB.copy()
        expected[1, 0] = 255
        np.testing.assert_array_equal(decode(data), expected)

    @pytest.mark.parametrize("kind", ["PNG", "TIFF"])
    def test_sixteen_bit_grey_is_scaled_by_the_same_factor_everywhere(self, kind: str) -> None:
        values = np.array([[0, 255, 256, 257, 0x8000, 65535]], np.uint16)
        expected = grey([[0, 0, 1, 1, 128, 255]])
        np.testing.assert_array_equal(decode(encode(Image.fromarray(values), kind)), expected)
        dark = (values // 16).astype(np.uint16)  # no stretching by the content of an image
        np.testing.assert_array_equal(decode(encode(Image.fromarray(dark), kind)).max(), 15)

    @pytest.mark.parametrize("values", [[0, 255, 0x80FF], [256, 0x7FFF, 65535]])
    def test_sixteen_bit_grey_and_colour_agree(self, values: list[int]) -> None:
        as_grey = png(3, 1, 16, 0, b"\0" + b"".join(struct.pack(">H", v) for v in values))
        as_colour = png(3, 1, 16, 2, b"\0" + b"".join(struct.pack(">HHH", v, v, v) for v in values))
        np.testing.assert_array_equal(decode(as_grey), decode(as_colour))

    def test_integers_beyond_sixteen_bits_are_refused(self) -> None:
        for values in ([[0, 70_000]], [[-1, 5]]):
            with pytest.raises(InputError, match=r"not within 0\.\.65535"):
                decode(encode(Image.fromarray(np.array(values, np.int32)), "TIFF"))
        small = encode(Image.fromarray(np.array([[0, 65535]], np.int32)), "TIFF")
        np.testing.assert_array_equal(decode(small), grey([[0, 255]]))

    def test_float_tiff(self) -> None:
        def tiff(values: list[float]) -> bytes:
            return encode(Image.fromarray(np.array([values], np.float32)), "TIFF")

        np.testing.assert_array_equal(decode(tiff([0, 0.5, 1])), grey([[0, 128, 255]]))  # 127.5 to even
        np.testing.assert_array_equal(decode(tiff([0, 0.5, 127.4, 255])), grey([[0, 0, 127, 255]]))
        for bad in ([-0.1, 1], [0, 256], [0, float("nan")], [0, float("inf")]):
            with pytest.raises(InputError, match=r"not within 0\.\.1"):
                decode(tiff(bad))

    def test_cmyk_jpeg(self) -> None:
        # No cyan, full magenta and yellow: red.
        pixels = decode(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95))
        np.testing.assert_allclose(pixels.astype(int), np.broadcast_to((255, 0, 0), (16, 16, 3)), atol=4)

    @pytest.mark.parametrize(
        ("orientation", "shown"),
        [
            (1, RGB), (2, RGB[:, ::-1]), (3, RGB[::-1, ::-1]), (4, RGB[::-1]),
            (5, RGB.transpose(1, 0, 2)), (6, np.rot90(RGB, -1)),
            (7, RGB[::-1, ::-1].transpose(1, 0, 2)), (8, np.rot90(RGB)),
        ],
    )  # fmt: skip
    def test_exif_orientation_is_applied(self, orientation: int, shown: np.ndarray) -> None:
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        np.testing.assert_array_equal(decode(encode(Image.fromarray(RGB), exif=exif)), shown)

    def test_exif_orientation_of_a_jpeg(self) -> None:
        exif = Image.Exif()
        exif[ORIENTATION] = 6  # the camera was turned: the stored left is shown on top
        stored = Image.new("L", (64, 32), 255)
        stored.paste(0, (0, 0, 32, 32))
        pixels = decode(encode(stored, "JPEG", exif=exif))
        assert pixels.shape == (64, 32, 3)
        assert pixels[:30].max() < 10
        assert pixels[34:].min() > 245

    def test_sixteen_bit_with_orientation(self) -> None:
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        data = encode(Image.fromarray(np.array([[0, 65535]], np.uint16)), exif=exif)
        np.testing.assert_array_equal(decode(data), grey([[0], [255]]))

    def test_the_first_of_several_pages_counts(self) -> None:
        pages = [Image.new("L", (3, 2), value) for value in (10, 20)]
        data = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
        np.testing.assert_array_equal(decode(data), grey(np.full((2, 3), 10)))

    def test_a_large_image_is_read(self) -> None:
        assert decode(encode(Image.new("1", (4000, 3000), 1))).shape == (3000, 4000, 3)

    @pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
    def test_extreme_shapes(self, size: tuple[int, int]) -> None:
        assert decode(encode(Image.new("L", size))).shape == (size[1], size[0], 3)


class TestBadFiles:
    @pytest.fixture
    def bad(self, tmp_path: Path) -> Path:
        return tmp_path / "bad ü.png"

    def test_empty(self, bad: Path) -> None:
        bad.write_bytes(b"")
        with pytest.raises(InputError, match=r"bad ü\.png: empty \(0 bytes\)"):
            decode(bad)
        with pytest.raises(InputError, match=r"image data: empty"):
            decode(b"")

    def test_text_named_png(self, bad: Path) -> None:
        bad.write_text("I am no image\n" * 100)
        with pytest.raises(InputError, match=r"bad ü\.png: not an image \(expected BMP, .*PNG"):
            decode(bad)

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "PPM", "WEBP", "GIF"])
    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_truncated(self, bad: Path, kind: str, share: float) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
        data = encode(Image.fromarray(noise), kind)
        bad.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(InputError, match=r"bad ü\.png"):
            decode(bad)

    def test_corrupt(self, bad: Path) -> None:
        data = bytearray(encode(Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8))))
        data[len(data) // 2] ^= 0xFF
        bad.write_bytes(data)
        with pytest.raises(InputError, match=r"bad ü\.png: cannot be read as an image"):
            decode(bad)

    @pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
    @pytest.mark.parametrize("side", [10_001, 20_000, 2**31 - 1])
    def test_decompression_bomb(self, bad: Path, side: int) -> None:
        bad.write_bytes(png(side, 10_000, 8, 0, b"\0" * 1000))
        with pytest.raises(InputError, match=r"bad ü\.png: larger than 100 million pixels"):
            decode(bad)

    def test_missing_folder_and_unreadable(self, bad: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(InputError, match=r"bad ü\.png: cannot be read .*No such file"):
            decode(bad)
        with pytest.raises(InputError, match=r"cannot be read as an image"):
            decode(bad.parent)
        bad.write_bytes(encode(Image.fromarray(RGB)))

        def denied(*_: object, **__: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied", str(bad))

        monkeypatch.setattr(Image, "open", denied)
        with pytest.raises(InputError, match=r"bad ü\.png: cannot be read as an image \(Permission denied\)"):
            decode(bad)

    def test_formats_that_run_programs_are_not_even_tried(self) -> None:
        with pytest.raises(InputError, match="not an image"):
            decode(encode(Image.fromarray(RGB), "EPS"))

    @pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
    @pytest.mark.parametrize("shape", [(100_000_000, 1), (1, 100_000_000), (MAX_SIDE + 1, 1)])
    @pytest.mark.parametrize("kind", ["PNG", "BMP", "PPM"])
    def test_a_side_that_no_picture_has(self, bad: Path, shape: tuple[int, int], kind: str) -> None:
        headers = {
            "PNG": png(*shape, 8, 2, b"\0" * 50),
            "BMP": b"BM"
            + struct.pack("<IHHIIiiHHIIiiII", 74, 0, 0, 54, 40, *shape, 1, 24, 0, 0, 0, 0, 0, 0)
            + bytes(20),
            "PPM": b"P6 %d %d 255 " % shape + bytes(50),
        }
        bad.write_bytes(headers[kind])
        with pytest.raises(InputError, match=r"bad ü\.png: \d+ x \d+, a side longer than 65,535 pixels"):
            decode(bad)

    def test_the_longest_side_is_read(self) -> None:
        assert decode(encode(Image.new("L", (MAX_SIDE, 1)))).shape == (1, MAX_SIDE, 3)

    def test_a_header_with_hardly_anything_behind_it(self, bad: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        bad.write_bytes(png(2000, 2000, 8, 2, b"\0" * 50))
        monkeypatch.setattr(images, "load_whole", None)  # refused before memory is taken
        with pytest.raises(InputError, match=r"bad ü\.png: 2000 x 2000 pixels promised in \d+ bytes"):
            decode(bad)

    def test_running_out_of_memory_is_a_matter_of_one_file(self, bad: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def out_of_memory(*_: object, **__: object) -> None:
            raise MemoryError

        bad.write_bytes(encode(Image.fromarray(RGB)))
        monkeypatch.setattr(images, "load_whole", out_of_memory)
        loaded = load_many([bad], Preprocessing(size=2))
        assert "too large for the memory that is free" in loaded.skipped[0].reason

    @pytest.mark.filterwarnings("ignore")
    @given(
        st.sampled_from(["PNG", "JPEG", "TIFF", "BMP", "PPM", "WEBP", "GIF"]),
        st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4),
    )
    def test_damaged_bytes_give_an_image_or_an_input_error(self, kind: str, damage: list[tuple[float, int]]) -> None:
        data = bytearray(encode(Image.fromarray(RGB), kind))
        for place, value in damage:
            data[int(place * len(data))] = value
        try:
            pixels = decode(bytes(data))
        except InputError:
            return
        assert pixels.dtype == np.uint8
        assert pixels.ndim == 3
        assert pixels.shape[2] == 3


class TestPreprocessing:
    def test_the_whole_image_is_resized(self) -> None:
        wide = np.zeros((10, 40, 3), np.uint8)
        wide[:, 20:] = 200
        out = Preprocessing(size=8).apply(wide)
        assert out.shape == (8, 8, 3)
        assert (out[:, :3] == 0).all()
        assert (out[:, 5:] == 200).all()

    def test_an_image_of_the_right_size_is_unchanged(self) -> None:
        image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
        np.testing.assert_array_equal(Preprocessing(size=16).apply(image), image)

    def test_shrinking_averages(self) -> None:
        board = grey(np.indices((64, 64)).sum(0) % 2 * 255)
        out = Preprocessing(size=8).apply(board)
        assert out.min() >= 126
        assert out.max() <= 129

    def test_the_centre_is_cut_out(self) -> None:
        image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
        out = Preprocessing(size=4, resize=8).apply(image)
        np.testing.assert_array_equal(out, image[2:6, 2:6])
        odd = Preprocessing(size=3, resize=8).apply(image)
        np.testing.assert_array_equal(odd, image[2:5, 2:5])

    def test_grey(self) -> None:
        out = Preprocessing(size=1, grayscale=True).apply(np.array([[[255, 0, 0]]], np.uint8))
        np.testing.assert_array_equal(out, [[[76, 76, 76]]])  # 0.299 * 255 (ITU-R BT.601)

    @given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.integers(0, 20), st.booleans())
    def test_shape_and_range(self, height: int, width: int, size: int, extra: int, grayscale: bool) -> None:
        image = np.random.default_rng(height * width).integers(50, 200, (height, width, 3), np.uint8)
        out = Preprocessing(size=size, resize=size + extra, grayscale=grayscale).apply(image)
        assert out.shape == (size, size, 3)
        assert out.dtype == np.uint8
        assert out.min() >= image.min() - 1  # the resampling does not overshoot
        assert out.max() <= image.max() + 1
        assert not grayscale or (out == out[..., :1]).all()

    @pytest.mark.parametrize("bad", [{"size": 0}, {"size": 10**6}, {"size": 8, "resize": 7}, {"size": "big"}, {}])
    def test_bad_options(self, bad: dict[str, Any]) -> None:
        with pytest.raises(InputError, match="size"):
            Preprocessing(**bad)

    def test_json_round_trip(self) -> None:
        preprocessing = Preprocessing(size=64, resize=72, grayscale=True)
        assert Preprocessing.model_validate_json(preprocessing.model_dump_json()) == preprocessing

    def test_load_is_decode_then_apply(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(encode(Image.fromarray(RGB)))
        preprocessing = Preprocessing(size=5)
        np.testing.assert_array_equal(load(tmp_path / "a.png", preprocessing), preprocessing.apply(RGB))

    @given(
        st.sampled_from(
            ["1 PNG", "L PNG", "L JPEG", "LA PNG", "P PNG", "RGB PNG", "RGB JPEG", "RGBA PNG", "CMYK JPEG", "CMYK TIFF",
             "YCbCr TIFF", "I;16 PNG", "F TIFF"]
        ),
        st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3, 6, 8]),
        st.sampled_from(
            [Preprocessing(size=16), Preprocessing(size=16, grayscale=True), Preprocessing(size=16, resize=20),
             Preprocessing(size=16, fit="letterbox", marks=True), Preprocessing(size=16, levels=(9, 40_000)),
             Preprocessing(size=8, canvas=(24, 8), tiled=True)]
        ),
    )  # fmt: skip
    def test_the_short_way_has_the_same_bits(
        self, kind: str, width: int, height: int, turn: int, preprocessing: Preprocessing
    ) -> None:
        """Files are resized as Pillow has decoded them, grey ones in one channel; arrays as RGB."""
        mode, suffix = kind.split()
        noise = np.random.default_rng(width * height).integers(0, 256, (height, width, 4), np.uint8)
        deep = {"I;16": noise[..., 0] * np.uint16(257), "F": noise[..., 0].astype(np.float32)}
        image = Image.fromarray(deep[mode]) if mode in deep else Image.fromarray(noise).convert(mode)
        exif = Image.Exif()
        exif[ORIENTATION] = turn
        data = encode(image, suffix, exif=exif)
        np.testing.assert_array_equal(
            load(data, preprocessing), preprocessing.apply(decode(data, preprocessing.levels))
        )


class TestDraft:
    """JPEG's own down-scaling."""

    def photograph(self, width: int, height: int, **options: Any) -> bytes:
        shades = np.random.default_rng(0).integers(60, 200, (6, 8, 3), np.uint8)
        return encode(Image.fromarray(shades).resize((width, height), Image.Resampling.BICUBIC), "JPEG", **options)

    @pytest.mark.parametrize(
        "options", [{}, {"fit": "letterbox", "marks": True}, {"resize": 20}, {"canvas": (24, 16)}, {"grayscale": True}]
    )
    @pytest.mark.parametrize("turn", [1, 3, 6, 8])
    def test_pixels_are_nearly_the_same_and_lie_at_the_same_place(self, options: dict[str, Any], turn: int) -> None:
        exif = Image.Exif()
        exif[ORIENTATION] = turn
        data = self.photograph(407, 301, exif=exif)
        whole, size = prepare(data, Preprocessing(size=16, **options))
        quick, same_size = prepare(data, Preprocessing(size=16, draft=True, **options))
        assert size == same_size == ((301, 407) if turn > 4 else (407, 301))
        assert whole.shape == quick.shape
        assert (whole != quick).any()  # it was scaled down
        assert np.abs(quick.astype(int) - whole).mean() < 2

    def test_less_is_decoded_but_twice_the_size_is_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = []
        monkeypatch.setattr(Preprocessing, "apply_to", lambda _, image, size: seen.append((image.size, size)))
        for side in (64, 65, 16, 1):
            prepare(self.photograph(512, 1024), Preprocessing(size=side, draft=True))
        assert seen == [((w, 2 * w), (512, 1024)) for w in (128, 256, 64, 64)]

    def test_other_formats_keep_their_bits(self) -> None:
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        for kind in ("PNG", "TIFF", "WEBP"):
            data = encode(
                Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)), kind, exif=exif
            )
            plain, draft = (prepare(data, Preprocessing(size=8, draft=each)) for each in (False, True))
            np.testing.assert_array_equal(plain[0], draft[0])
            assert plain[1] == draft[1]

    def test_incomplete_pictures_are_refused_all_the_same(self) -> None:
        draft = Preprocessing(size=8, draft=True)
        data = self.photograph(512, 512)
        with pytest.raises(InputError):
            load(data[: len(data) // 2], draft)
        with pytest.raises(InputError, match="its data end before the picture does"):
            load(data[: len(data) // 2] + b"\xff\xd9", draft)
        grey_at_its_end = encode(Image.new("L", (500, 500), 128), "JPEG")
        assert (load(grey_at_its_end, draft) == 128).all()


class TestLoadMany:
    @pytest.fixture
    def paths(self, tmp_path: Path) -> list[Path]:
        """40 images whose grey value is their position; those at 3, 17 and 20 are damaged or missing."""
        paths = [tmp_path / f"part {i} ü.png" for i in range(40)]
        for i, path in enumerate(paths):
            path.write_bytes(encode(Image.new("L", (4 + i, 6), i)))
        paths[3].write_text("text")
        paths[17].write_bytes(b"")
        paths[20].unlink()
        return paths

    def test_the_order_is_kept_and_bad_files_are_listed(self, paths: list[Path]) -> None:
        loaded = load_many(paths, Preprocessing(size=2))
        assert loaded.kept == [i for i in range(40) if i not in {3, 17, 20}]
        assert loaded.images.dtype == np.uint8
        np.testing.assert_array_equal(
            loaded.images, np.broadcast_to(np.array(loaded.kept)[:, None, None, None], (37, 2, 2, 3))
        )
        assert [skip.path for skip in loaded.skipped] == [paths[3], paths[17], paths[20]]
        assert [str(skip.path) in skip.reason for skip in loaded.skipped] == [True] * 3
        assert "empty" in loaded.skipped[1].reason

    def test_strict_raises_the_first(self, paths: list[Path]) -> None:
        with pytest.raises(InputError, match=r"part 3 ü\.png: not an image"):
            load_many(paths, Preprocessing(size=2), strict=True)

    def test_strict_does_not_read_the_rest(self, paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
        read = []

        def slow(path: Path, _: Preprocessing) -> tuple[np.ndarray, tuple[int, int]]:
            read.append(path)
            if path == paths[3]:
                raise InputError("bad")
            time.sleep(0.002)
            return np.zeros((2, 2, 3), np.uint8), (2, 2)

        monkeypatch.setattr(images, "prepare", slow)
        with pytest.raises(InputError):
            load_many(paths * 20, Preprocessing(size=2), strict=True)
        assert len(read) < 400

    def test_without_a_label_there_is_no_bar(self, paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(images, "track", None)
        assert load_many(paths[:2], Preprocessing(size=2), label=None).kept == [0, 1]

    def test_nothing_to_read(self) -> None:
        loaded = load_many([], Preprocessing(size=2))
        assert (loaded.images.shape, loaded.kept, loaded.skipped) == ((0, 2, 2, 3), [], [])

    def test_nothing_readable(self, paths: list[Path]) -> None:
        loaded = load_many([paths[3]] * 2, Preprocessing(size=2))
        assert isinstance(loaded, Loaded)
        assert loaded.images.shape == (0, 2, 2, 3)
        assert loaded.skipped == [Skipped(paths[3], loaded.skipped[0].reason)] * 2

    def test_images_are_decoded_side_by_side(self, paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
        both = threading.Barrier(2, timeout=10)

        def meet(*_: object) -> tuple[np.ndarray, tuple[int, int]]:
            both.wait()
            return np.zeros((2, 2, 3), np.uint8), (2, 2)

        monkeypatch.setattr(images, "prepare", meet)
        monkeypatch.setattr(images, "_THREADS", 2)
        assert load_many(paths[:2], Preprocessing(size=2)).kept == [0, 1]


def test_check_says_why_or_nothing(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(encode(Image.fromarray(RGB)))
    bad.write_bytes(good.read_bytes()[:-30])  # only a full decode tells
    assert check(good) is None
    assert str(bad) in (check(bad) or "")


def test_suffixes_are_lower_case_and_dotted() -> None:
    assert {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"} <= IMAGE_SUFFIXES
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in IMAGE_SUFFIXES)


class TestCanvas:
    def test_the_defaults_are_the_square_of_the_thesis(self) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
        resized = Image.fromarray(pixels).resize((12, 12), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(Preprocessing(size=12).apply(pixels), np.asarray(resized))
        cut = Image.fromarray(pixels).resize((16, 16), Image.Resampling.BILINEAR).crop((2, 2, 14, 14))
        np.testing.assert_array_equal(Preprocessing(size=12, resize=16).apply(pixels), np.asarray(cut))

    def test_beyond_its_edges_a_picture_goes_on_as_its_mirror_image(self) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 3), dtype=np.uint8)
        laid = Preprocessing(size=8, fit="letterbox", marks=True).apply(pixels)
        np.testing.assert_array_equal(laid[2:6, :, :3], pixels)
        np.testing.assert_array_equal(laid[[1, 0, 7, 6], :, :3], pixels[[0, 1, 2, 3]])
        assert (laid[..., 3] == 255).all(1).tolist() == [False, False, True, True, True, True, False, False]
        assert set(laid[..., 3].ravel()) == {0, 255}

    @pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 1), (9, 300)])
    def test_any_picture_finds_its_place(self, shape: tuple[int, int]) -> None:
        pixels = np.full((*shape, 3), 77, np.uint8)
        laid = Preprocessing(size=8, canvas=(12, 8), fit="letterbox", marks=True).apply(pixels)
        assert laid.shape == (8, 12, 4)
        assert (laid[..., :3] == 77).all()
        assert laid[..., 3].any()

    def test_what_lies_outside_the_region_is_grey_and_does_not_count(self) -> None:
        inside = np.zeros((2, 4), np.bool_)
        inside[:, 2:] = True
        laid = Preprocessing(size=8, region=Region.of(inside), marks=True).apply(np.zeros((16, 32, 3), np.uint8))
        assert (laid[:, :4] == (128, 128, 128, 0)).all()
        assert (laid[:, 4:] == (0, 0, 0, 255)).all()

    @pytest.mark.parametrize(
        "wrong",
        [
            {"resize": 10, "fit": "letterbox"}, {"resize": 10, "canvas": (8, 8)}, {"canvas": (7, 20), "tiled": True},
            {"canvas": (0, 8)},
        ],
    )  # fmt: skip
    def test_what_contradicts_itself_is_refused(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(InputError, match=r"resize|canvas"):
            Preprocessing(size=8, **wrong)


def test_a_smaller_limit_of_pixels_and_the_media_type() -> None:
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "jpeg")
    assert media_type(buffer.getvalue()) == "image/jpeg"
    assert decode(buffer.getvalue(), max_pixels=64).shape == (8, 8, 3)
    with pytest.raises(InputError, match=r"larger than 6.3e-05 million pixels"):
        decode(buffer.getvalue(), max_pixels=63)
    with pytest.raises(InputError, match="not an image"):
        media_type(b"nonsense")
