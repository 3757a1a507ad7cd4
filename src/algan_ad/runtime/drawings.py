"""Small pictures for people, as PNG files in memory: sheets of images, thumbnails, maps laid over images."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

COLUMNS = 8
LINE = (64, 224, 255)  # around what lies above a level: a colour that no map has
THUMBNAIL = 192  # pixels, the longer side

# matplotlib's inferno (CC0), which rises evenly in lightness, at 17 places in between which colours are interpolated
_INFERNO = np.frombuffer(
    bytes.fromhex(
        "000004 0b0724 210c4a 3d0965 57106e 71196e 8a226a a32c61 bc3754 d04545 e35933 f1711f f98c0a fcaa0f f9c932 "
        "f2e865 fcffa4"
    ),
    np.uint8,
).reshape(-1, 3)


def sheet(images: NDArray[np.uint8]) -> bytes:
    """A sheet of images (N, S, S, 3), eight in a row, two pixels apart on white."""
    n, side = len(images), images.shape[1] + 2
    rows = -(-n // COLUMNS)
    canvas = np.full((rows * side, min(n, COLUMNS) * side, 3), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = i // COLUMNS * side, i % COLUMNS * side
        canvas[top : top + side - 2, left : left + side - 2] = image
    return png(canvas)


def thumbnail(image: NDArray[np.uint8]) -> bytes:
    """An image (H, W, 3) with its proportions, at most THUMBNAIL pixels on a side."""
    picture = Image.fromarray(image)
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return png(np.array(picture))


def overlay(image: NDArray[np.uint8], heat: NDArray[np.float32], highest: float, level: float | None = None) -> bytes:
    """A map (h, w) >= 0 over its image (H, W, 3), with a line around what lies above `level`.

    `highest` is the value drawn strongest, shared by a set of maps.
    """
    sized = Image.fromarray(heat.astype(np.float32)).resize((image.shape[1], image.shape[0]), Image.Resampling.BILINEAR)
    heat = np.asarray(sized)  # (H, W)
    shown = np.clip(heat / max(highest, 1e-12), 0, 1)
    alpha = 0.75 * shown[..., None]
    drawn = image * (1 - alpha) + _inferno(shown) * alpha
    if level is not None:
        drawn[_rim(heat > level)] = LINE
    return png(drawn.astype(np.uint8))


def _rim(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The marked pixels (H, W) beside which one is not marked, or the picture ends."""
    around = np.pad(marked, 1)
    inner = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return marked & ~inner


def _inferno(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Values (h, w) in [0, 1] as colours (h, w, 3) in [0, 255]."""
    places = np.linspace(0, 1, len(_INFERNO))
    return np.stack([np.interp(values, places, channel) for channel in _INFERNO.T], axis=-1)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels (H, W, 3), or grey ones (H, W), as a PNG file in memory."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "png", optimize=True)
    return buffer.getvalue()
