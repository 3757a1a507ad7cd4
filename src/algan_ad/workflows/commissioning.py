"""The smallest defect to expect: a model on held-out good images with made-up defects of graded size and contrast."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from algan_ad.data.fingerprint import divided, hash_files
from algan_ad.data.graded import KINDS, Canvas
from algan_ad.data.layouts import open_dataset
from algan_ad.data.masks import Mask
from algan_ad.data.outline import find_part
from algan_ad.evaluation.commissioning import (
    Commissioning,
    Near,
    Trial,
    count_found,
    expect_false_alarms,
    explain_misses,
    find_smallest,
)
from algan_ad.evaluation.results import Evaluation, ImageScore
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.images import Pixels, Preprocessing, decode
from algan_ad.runtime.predictor import Predictor
from algan_ad.runtime.progress import track
from algan_ad.runtime.schema import Schema
from algan_ad.runtime.seeding import seed_from
from algan_ad.workflows.maps import score_with_maps_if_any

CONTRASTS = (10, 25, 60)  # grey levels of 255
LARGEST, SMALLEST, N_SIZES = 1 / 4, 1 / 128, 6  # shares of the shorter side of the images
LEAST_SIZE = 2  # pixels
REPEATS = 6  # defects of each kind, contrast and size
MOST_IMAGES = 36  # to make up defects on
ENOUGH = 20  # good test images; where they are fewer, those that set the threshold help out
MOST_SCORED = 200  # of those
N_NEAREST = 6
RIM = 0.05  # of the sides of a picture

HeldOut = Literal["test", "calibration", "test and calibration"]


class Line(Schema):
    """What is known about the place where the model is to serve."""

    mm_per_pixel: float | None = Field(None, gt=0, description="of the original images")
    parts_per_shift: int | None = Field(None, ge=1, description="good parts that one shift makes")


class Order(NamedTuple):
    """One defect to make up."""

    kind: str
    contrast: int
    size: int


class Looks(NamedTuple):
    """What the good images look like.

    Attributes:
        sizes: of the defects to make up, pixels, rising.
        background: share of the picture that is not the part.
        scale: pixels of the original in one pixel of what the detector sees.
    """

    sizes: tuple[int, ...]
    background: float
    scale: float


def commission(
    model: Predictor, source: str | Path, evaluation: Evaluation, line: Line | None = None
) -> Commissioning | None:
    """Make up some 650 defects on good images that the model was not trained on, score them, and count.

    The images are the good ones of the evaluation. Where they are fewer than `ENOUGH`, those images of `source` that
    set the threshold help out. An image that is flagged as it is serves for nothing, because any defect on it would
    count as found. The seed of the model decides everything that is drawn.

    Returns:
        None for a model of vectors or without a threshold, and where there is no good image.
    """
    calibration, preprocessing = model.config.calibration, model.config.preprocessing
    if calibration is None or preprocessing is None:
        return None
    good, held_out = _good_images(model, source, evaluation)
    usable = sorted((each for each in good if not each.anomalous), key=lambda each: each.path)
    if not usable:
        return None
    line = line or Line()
    rng = np.random.default_rng(seed_from(model.config.seed, "commissioning"))
    chosen = [usable[i].path for i in rng.permutation(len(usable))[:MOST_IMAGES]]
    looks = _look_at(chosen, preprocessing)
    trials = list(_try_all(model, calibration, preprocessing, _assign(chosen, looks.sizes, rng), rng))
    nearest, outside = _find_nearest(model, preprocessing, usable)
    rates = count_found(trials)
    return Commissioning(
        method=model.config.method, dataset=evaluation.dataset, protocol=model.config.protocol, seed=model.config.seed,
        threshold=calibration.threshold, images=len(chosen), held_out=held_out, mm_per_pixel=line.mm_per_pixel,
        sizes=looks.sizes, contrasts=CONTRASTS, kinds=tuple(KINDS), rates=rates, smallest=find_smallest(rates),
        false_alarms=expect_false_alarms(calibration, line.parts_per_shift),
        misses=explain_misses(trials, calibration, outside, looks.background, looks.scale),
        nearest=nearest, trials=tuple(trials),
    )  # fmt: skip


def held_out_hashes(model: Predictor) -> set[str]:
    """SHA-256 of the images that a model was made with and not trained on."""
    trained_on, held_out = divided(model.config.fingerprint, model.config.training["n_train"])
    return set(held_out) - set(trained_on)


def _good_images(model: Predictor, source: str | Path, evaluation: Evaluation) -> tuple[list[ImageScore], HeldOut]:
    tested = [each for each in evaluation.images if each.label == 0]
    if len(tested) >= ENOUGH:
        return tested, "test"
    held_out = _calibrating_images(model, source)
    if not tested:
        return held_out, "calibration"
    return [*tested, *held_out], "test and calibration" if held_out else "test"


def _calibrating_images(model: Predictor, source: str | Path) -> list[ImageScore]:
    """Those good images of a data set that set the threshold, or some of them, scored."""
    wanted = held_out_hashes(model)
    paths = [item.path for item in open_dataset(source).items if item.label == 0]
    known = [path for path, digest in zip(paths, hash_files(paths), strict=True) if digest in wanted]
    rng = np.random.default_rng(seed_from(model.config.seed, "calibrating images"))
    known = [known[i] for i in np.sort(rng.permutation(len(known))[:MOST_SCORED])]
    return [
        ImageScore(path=str(p.source), label=0, defect="good", score=p.score, p_value=p.p_value, anomalous=p.anomalous)
        for p in (model.predict(known) if known else [])
    ]


def _look_at(paths: Sequence[str], preprocessing: Preprocessing) -> Looks:
    sides, scales, backgrounds = [], [], []
    for path in track(paths, "looking for the part"):
        image = decode(Path(path), preprocessing.levels)
        height, width = image.shape[:2]
        box, part = preprocessing.place((width, height)), find_part(image)
        sides.append((height, width))
        scales.append(math.sqrt(height * width / (box.height * box.width)))
        backgrounds.append(1 - part[_seen(part, preprocessing)].mean())
    shorter = float(np.median(np.min(sides, 1)))
    sizes = np.geomspace(max(LEAST_SIZE, SMALLEST * shorter), max(LEAST_SIZE, LARGEST * shorter), N_SIZES)
    rising = tuple(sorted(set(np.rint(sizes).astype(int).tolist())))
    return Looks(rising, float(np.mean(backgrounds)), float(np.median(scales)))


def _assign(paths: Sequence[str], sizes: Sequence[int], rng: np.random.Generator) -> dict[str, list[Order]]:
    """Image -> defects to make up on it: all kinds, contrasts and sizes, dealt out evenly by lot."""
    orders = [Order(*each) for each in product(KINDS, CONTRASTS, sizes) for _ in range(REPEATS)]
    dealt: defaultdict[str, list[Order]] = defaultdict(list)
    for place, i in enumerate(rng.permutation(len(orders))):
        dealt[paths[place % len(paths)]].append(orders[i])
    return dealt


def _try_all(
    model: Predictor, calibration: Calibration, preprocessing: Preprocessing, dealt: dict[str, list[Order]],
    rng: np.random.Generator,
) -> Iterator[Trial]:  # fmt: skip
    other: Pixels | None = None  # the image before
    for path, orders in track(dealt.items(), "making up defects", total=len(dealt)):
        image = decode(Path(path), preprocessing.levels)
        canvas = Canvas(image, _seen_part(image, preprocessing))
        pictures, facts = [], []
        seen = preprocessing.apply(image)
        for order in orders:
            altered, mask = canvas.draw(order.kind, order.size, order.contrast, rng, image if other is None else other)
            pictures.append(preprocessing.apply(altered))
            change, left = _change(altered[mask], image[mask]), _change(pictures[-1], seen)
            facts.append((int(mask.sum()), left / max(change, 1)))
        scores = model.whole.score(np.stack(pictures))
        for order, (area, kept), score, found in zip(orders, facts, scores, calibration.decide(scores), strict=True):
            yield Trial(path=path, **order._asdict(), area=area, kept=kept, score=float(score), found=bool(found))
        other = image


def _change(altered: Pixels, image: Pixels) -> int:
    """Grey levels, at the place that changes most."""
    return int(np.abs(altered.astype(np.int16) - image).max(initial=0))


def _seen_part(image: Pixels, preprocessing: Preprocessing) -> Mask:
    """The part, as far as the detector sees it; where it sees nothing of it, all that it sees."""
    part = find_part(image)
    seen = _seen(part, preprocessing)
    return part & seen if (part & seen).any() else seen


def _seen(part: Mask, preprocessing: Preprocessing) -> Mask:
    """Pixels of a coarse picture (h, w) that lie in the region, and in the centre if one is cut out."""
    height, width = part.shape
    cut = (1 - preprocessing.size / (preprocessing.resize or preprocessing.size)) / 2
    rows, columns = round(cut * height), round(cut * width)
    seen = np.zeros_like(part)
    seen[rows : height - rows, columns : width - columns] = True
    inside = seen if preprocessing.region is None else seen & preprocessing.region.at(width, height)
    return inside if inside.any() else seen  # a region of less than a coarse pixel


def _find_nearest(
    model: Predictor, preprocessing: Preprocessing, usable: Sequence[ImageScore]
) -> tuple[tuple[Near, ...], float | None]:
    """The good images with the highest scores, and the share of them whose peak lies off the part or at the rim."""
    nearest = sorted(usable, key=lambda each: (-each.score, each.path))[:N_NEAREST]
    if model.config.maps != "own":
        return tuple(Near(**dict(each)) for each in nearest), None
    images = model.samples([each.path for each in nearest])
    maps = score_with_maps_if_any(model.whole, images, "searched for the place of false alarms")[1]
    if not maps:
        return tuple(Near(**dict(each)) for each in nearest), None
    found, outside = [], []
    for each, heat in zip(nearest, maps, strict=True):
        image = decode(Path(each.path), preprocessing.levels)
        share = _peak(model.of_picture(heat, (image.shape[1], image.shape[0])), preprocessing)
        row, column = (share * image.shape[:2]).astype(int).tolist()
        found.append(Near(**dict(each), peak=(column, row)))
        part = find_part(image)
        at = tuple((share * part.shape).astype(int))
        outside.append(bool(share.min() < RIM or share.max() > 1 - RIM or not part[at]))
    return tuple(found), float(np.mean(outside))


def _peak(heat: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """The highest place of a map of the picture, or of its centre, in shares of the picture's height and width."""
    margin = ((preprocessing.resize or preprocessing.size) - preprocessing.size) // 2
    whole = preprocessing.resize or np.array(heat.shape)
    return (np.array(np.unravel_index(heat.argmax(), heat.shape)) + margin + 0.5) / whole
