"""Predictions and models as HTML for a notebook: styles inline, no script, readable on light and on dark paper."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.drawings import overlay, thumbnail
from algan_ad.runtime.environment import render
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Pixels, decode
from algan_ad.runtime.model_folder import ModelConfig
from algan_ad.runtime.prediction import Prediction

WIDTH, HEIGHT = 360, 72  # of the bars, in units of the drawing
Drawn = tuple[tuple[str, bytes], ...]  # (what it shows, PNG)


class Bar(NamedTuple):
    """One bar of the histogram, in units of the drawing, from its upper left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Histogram:
    """Held-out scores as bars, the threshold and a score on the same axis.

    beyond: the score lies outside the axis, which ends at one range of the held-out scores beyond them; it is drawn at
    that end.
    """

    bars: tuple[Bar, ...]
    threshold: float
    score: float | None = None
    beyond: bool = False


def histogram(calibration: Calibration, score: float | None = None) -> Histogram:
    """The held-out scores of a calibration, with the place of a score among them."""
    least, most = calibration.scores[0], calibration.scores[-1]
    room = most - least or max(abs(most), 1.0)
    marked = None if score is None else min(max(score, least - room), most + room)
    ends = [least, most] if marked is None else [least, most, marked]
    low, high = min(ends) - 0.04 * room, max(ends) + 0.04 * room

    def place(value: float) -> float:
        return round(WIDTH * (value - low) / (high - low), 1)

    counts, edges = np.histogram(calibration.scores, min(24, math.ceil(2 * math.sqrt(calibration.n))), (least, most))
    tops = (HEIGHT * counts / counts.max()).round(1).tolist()
    lefts = [place(edge) for edge in edges.tolist()]
    bars = tuple(
        Bar(left, HEIGHT - top, max(right - left - 0.5, 0.5), top)
        for left, right, top in zip(lefts[:-1], lefts[1:], tops, strict=True)
        if top
    )
    return Histogram(
        bars, place(calibration.threshold), None if marked is None else place(marked), beyond=marked != score
    )


def prediction_html(prediction: Prediction) -> str:
    """The picture, its map, the verdict, and the score against the held-out ones, where they are known."""
    calibration = prediction.calibration
    drawn = None if calibration is None else histogram(calibration, prediction.score)
    return _shown(
        "prediction.html.j2", prediction=prediction, calibration=calibration, histogram=drawn,
        pictures=_pictures(prediction),
    )  # fmt: skip


def model_html(config: ModelConfig) -> str:
    """Method, origin and promise of a model, and its held-out scores."""
    calibration = config.calibration
    drawn = None if calibration is None else histogram(calibration)
    return _shown("model.html.j2", config=config, calibration=calibration, histogram=drawn)


def _shown(template: str, **values: Any) -> str:
    html = render(template, width=WIDTH, height=HEIGHT, **values)
    return html.encode("utf-8", "xmlcharrefreplace").decode("utf-8")  # file names need not be valid Unicode


def _pictures(prediction: Prediction) -> Drawn:
    heat, image = prediction.anomaly_map, prediction.image
    if heat is not None and image is not None:
        return ("picture", thumbnail(image)), ("map", overlay(image, heat, float(heat.max())))
    image = _of_file(prediction)
    return () if image is None else (("picture", thumbnail(image)),)


def _of_file(prediction: Prediction) -> Pixels | None:
    """The picture that was scored, if its file can still be read."""
    if prediction.source is None or prediction.size is None:
        return None
    try:
        return decode(Path(prediction.source))
    except InputError:
        return None
