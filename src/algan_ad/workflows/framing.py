"""The way from pictures to what a method sees, as far as it follows from the pictures."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from algan_ad.data.masks import upright_size
from algan_ad.data.recipe import Recipe
from algan_ad.data.roi import read_region
from algan_ad.detectors.shared.contract import Detector
from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.images import DEEPEST, Levels, Preprocessing, deep_range
from algan_ad.runtime.placement import Size, placed, tiled_length
from algan_ad.workflows.options import DataOptions, PictureFit

LOOKED_AT = 256  # pictures whose headers are read
MEASURED = 32  # pictures whose range is measured, if they are of 16 bits
DARKEST, LIGHTEST = 0.001, 0.999  # shares of the pixels that may lie beyond the range of a picture
UNUSUAL = 0.05  # share of the pictures that may have a wider range, either way
HEADROOM = 0.25  # of the range, either way: a defect may be darker and lighter than any good picture
OBLONG = 1.1  # sides as unequal as this show when they are made equal
ALIKE = 0.9  # share of the pictures whose proportions differ by less than that
MOST_OBLONG = 8  # canvas
LEAST, STEP = 32, 8  # pixels: the least side of a canvas, and what the sides go by
COARSE = 4  # pixels of a picture that one of the method may stand for, before tiles are worth their time
MOST_TILES = 8  # along the longer side


def frame(
    detector: Detector, recipe: Recipe, options: DataOptions, sizes: Sequence[Size], levels: Levels | None = None
) -> Preprocessing:
    """The preprocessing of a method for pictures of these `sizes`: as asked for, else as suits method and pictures.

    `levels`: of `levels_of`.

    Raises InputError for a region of interest that cannot be used, and for options that contradict each other or the
    method.
    """
    base = detector.preprocessing(recipe)
    assert base is not None  # an image detector's
    usual = Counter(sizes).most_common(1)[0][0] if sizes else (1, 1)
    wanted = options.fit or derive_fit(detector, base, sizes)
    if wanted == "proportions" and not detector.by_position:
        raise InputError(
            Option("fit", wanted), f": {detector.name} takes squares; letterbox keeps the proportions, too"
        )
    values = base.model_dump() | {"fit": "letterbox" if wanted == "letterbox" else "stretch"}
    values |= {"levels": options.levels or levels, "draft": options.draft}
    n_tiles = _tiles(options, base.size, max(usual))
    if n_tiles > 1:
        values |= {"resize": None, "tiled": True, "canvas": _tiled_canvas(usual, n_tiles, base.size)}
    elif wanted != "stretch":
        values |= {"resize": None, "canvas": _canvas(usual, base.size) if detector.by_position else None}
    if options.roi is not None:
        box = placed(usual, values["canvas"] or (base.size, base.size), values["fit"])
        values["region"] = read_region(options.roi, usual, (box.width, box.height))
    values["marks"] = detector.by_position and (wanted == "letterbox" or options.roi is not None)
    return Preprocessing(**values)


def derive_fit(detector: Detector, base: Preprocessing, sizes: Sequence[Size]) -> PictureFit:
    """The canvas has the proportions of the pictures, if the method keeps them and they are oblong, nearly all alike.

    Of pictures with proportions of all kinds most would be padded and small: stretching finds more
    (docs/experiments/framing.md).
    """
    if not detector.keeps_proportions or base.resize is not None or not sizes:
        return "stretch"
    width, height = Counter(sizes).most_common(1)[0][0]
    unlike = np.abs([math.log(w * height / h / width) for w, h in sizes])
    oblong = max(width, height) / min(width, height) >= OBLONG
    return "proportions" if oblong and float((unlike < math.log(OBLONG)).mean()) >= ALIKE else "stretch"


def fit_of(preprocessing: Preprocessing) -> PictureFit:
    """The option that a preprocessing follows."""
    if preprocessing.fit == "letterbox":
        return "letterbox"
    return "stretch" if preprocessing.canvas is None else "proportions"


def sizes_of(paths: Sequence[Path]) -> list[Size]:
    """Widths and heights of at most LOOKED_AT pictures, evenly over all, from their headers."""
    return list(_readable([paths[i] for i in np.linspace(0, len(paths) - 1, min(LOOKED_AT, len(paths)), dtype=int)]))


def levels_of(paths: Sequence[Path]) -> Levels | None:
    """The values of 16-bit grey pictures that are to be black and white; None if there is no such picture.

    Cameras of 10 or 12 bits fill a small part of the 16; the upper 8 of these would be nearly black.
    """
    some = [paths[i] for i in np.linspace(0, len(paths) - 1, min(MEASURED, len(paths)), dtype=int)]
    ranges = [found for path in some if (found := deep_range(path, (DARKEST, LIGHTEST))) is not None]
    if not ranges:
        return None
    lows, highs = np.transpose(ranges)
    low, high = float(np.quantile(lows, UNUSUAL)), float(np.quantile(highs, 1 - UNUSUAL))
    beyond = max(HEADROOM * (high - low), 1.0)
    return max(0, math.floor(low - beyond)), min(DEEPEST, math.ceil(high + beyond))


def _readable(paths: Sequence[Path]) -> Iterator[Size]:
    for path in paths:
        try:
            yield upright_size(path)
        except InputError:  # reported when the picture is decoded
            continue


def _canvas(usual: Size, side: int) -> Size:
    """The proportions of a picture and the area of a square, in steps of pixels that a network halves evenly."""
    aspect = min(MOST_OBLONG, max(1 / MOST_OBLONG, usual[0] / usual[1]))
    width, height = side * math.sqrt(aspect), side / math.sqrt(aspect)
    return max(LEAST, round(width / STEP) * STEP), max(LEAST, round(height / STEP) * STEP)


def _tiles(options: DataOptions, side: int, longer: int) -> int:
    """Tiles along the longer side of a picture."""
    if options.tiles is None:
        return 1
    if options.protocol == "thesis":
        raise InputError(
            Option("tiles", options.tiles), ": a tile of a bad picture may be good, and ",
            Option("protocol", "thesis"), " selects by labels; leave out one of them",
        )  # fmt: skip
    if options.tiles != "auto":
        return options.tiles
    enough = (n for n in range(1, MOST_TILES) if tiled_length(n, side) * COARSE >= longer)
    return next(enough, MOST_TILES)


def _tiled_canvas(usual: Size, n_tiles: int, side: int) -> Size:
    """The proportions of a picture, so many tiles long, and a tile wide at least."""
    scale = tiled_length(n_tiles, side) / max(usual)
    return max(side, round(usual[0] * scale)), max(side, round(usual[1] * scale))
