"""Decoding and scoring of some parts together, without the record."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Pixels, decode, media_type
from algan_ad.runtime.placement import Size
from algan_ad.service.drift.pictures import figures
from algan_ad.service.inspection.causes import ERROR, IMAGE, NotInspected
from algan_ad.service.inspection.maps import MapPicture, picture_of
from algan_ad.service.inspection.part import Part
from algan_ad.service.models import Served
from algan_ad.service.settings import Settings


@dataclass(frozen=True)
class Decoded:
    """A part as its model sees it, uint8 (H, W, C). size, figures: of the picture as it came."""

    pixels: Pixels
    size: Size
    media_type: str
    figures: dict[str, float]
    timing_ms: dict[str, float]


@dataclass(frozen=True)
class Scored:
    """A decoded part with its score, raw and finite."""

    score: float
    map: MapPicture | None
    media_type: str
    figures: dict[str, float]
    timing_ms: dict[str, float]


def score_parts(served: Served, parts: Sequence[Part], settings: Settings) -> list[Scored | NotInspected]:
    """The score of each part, or the reason why it has none. The parts that can be decoded are scored together."""
    decoded = [_decoded(part, served, settings) for part in parts]
    scored = iter(_scored(served, [each for each in decoded if isinstance(each, Decoded)]))
    return [each if isinstance(each, NotInspected) else next(scored) for each in decoded]


def _decoded(part: Part, served: Served, settings: Settings) -> Decoded | NotInspected:
    if len(part.image) > settings.max_image_bytes:
        return NotInspected(IMAGE, f"image data: larger than {settings.max_image_bytes} bytes; scale it down first.")
    start = perf_counter()
    try:
        kind = media_type(part.image)
        picture = decode(part.image, served.preprocessing.levels, settings.max_pixels)
    except InputError as error:
        return NotInspected(IMAGE, str(error))
    pixels, decode_ms, start = served.preprocessing.apply(picture), _ms_since(start), perf_counter()
    measured = figures(picture)
    timing_ms = {"decode": decode_ms, "measure": _ms_since(start)}
    return Decoded(pixels, (picture.shape[1], picture.shape[0]), kind, measured, timing_ms)


def _scored(served: Served, decoded: Sequence[Decoded]) -> list[Scored | NotInspected]:
    if not decoded:
        return []
    start = perf_counter()
    samples = np.stack([each.pixels for each in decoded])
    if served.draws_maps:
        scores, maps = served.predictor.whole.score_and_maps(samples)
        shown = zip(maps, decoded, strict=True)
        pictures = [picture_of(served.predictor.of_picture(heat, each.size)) for heat, each in shown]
    else:
        scores, pictures = served.predictor.whole.score(samples), [None] * len(decoded)
    score_ms = _ms_since(start) / len(decoded)
    return [
        Scored(float(score), picture, each.media_type, each.figures, {**each.timing_ms, "score": score_ms})
        if np.isfinite(score)
        else NotInspected(ERROR, f"the model {served.name} gives the score {score}; train it again")
        for score, picture, each in zip(scores, pictures, decoded, strict=True)
    ]


def _ms_since(start: float) -> float:
    return round(1000 * (perf_counter() - start), 3)
