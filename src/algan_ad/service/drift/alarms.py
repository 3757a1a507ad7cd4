"""The alarms of drift, in words: what has changed, since when, and what to do."""

from typing import Literal

from pydantic import JsonValue

from algan_ad.runtime.numbers import percent
from algan_ad.runtime.schema import Schema
from algan_ad.service.drift.rank_test import TAIL, Change

SCORES = "scores"
Kind = Literal["light", "focus", "picture size", "scores"]

KINDS: dict[str, Kind] = {
    "brightness": "light", "contrast": "light", "red": "light", "blue": "light", "sharpness": "focus",
    "width": "picture size", "height": "picture size", SCORES: "scores",
}  # fmt: skip
#: For a rise and for a fall.
_HEADLINES = {
    "brightness": ("The pictures have become brighter", "The pictures have become darker"),
    "contrast": ("The contrast of the pictures has risen", "The contrast of the pictures has fallen"),
    "red": ("The pictures have become redder", "The pictures have become less red"),
    "blue": ("The pictures have become bluer", "The pictures have become less blue"),
    "sharpness": ("The pictures have become sharper", "The pictures have become blurred"),
    "width": ("The pictures have become wider", "The pictures have become narrower"),
    "height": ("The pictures have become higher", "The pictures have become lower"),
    SCORES: ("More parts score high", "The scores have fallen"),
}
_ADVICE: dict[str, str] = {
    "light": "Check the lamp, the exposure and the white balance of the camera, and light from outside.",
    "focus": "Check the focus, the lens (dirt, oil, fog) and what shakes the camera.",
    "picture size": "Check the resolution of the camera and the region of interest.",
}
_PICTURES = (
    "Until this is put right, do not rely on the verdicts, because the model knows other pictures. If the change is to "
    "stay, train the model with new pictures, then accept the change as normal."
)
_SCORES_RISE = (
    "Look at the parts flagged since then. If they are bad, look for the cause in the production. If they are good, "
    "they look different from those of the training: propose a threshold from audited parts, or train again with such."
)
_SCORES_FALL = (
    "Make sure that the camera shows the whole part and that the model belongs to it: a detector that sees too little "
    "flags nothing."
)


class Alarm(Schema):
    """An alarm. since: the number of the first part of the change, an estimate. details: the figures of the message."""

    kind: Kind
    since: int
    message: str
    details: dict[str, JsonValue]


def alarm(figure: str, change: Change, others: tuple[str, ...], pictures_known: bool) -> Alarm:
    """The alarm of a figure.

    others: the figures that have changed besides. pictures_known: False while there is no reference for the pictures.
    """
    kind = KINDS[figure]
    if kind != "scores":
        also = [f"Changed as well: {', '.join(others)}."] if others else []
        advice = [*also, _ADVICE[kind], _PICTURES]
    else:
        unchanged = "The pictures themselves have not changed."
        unknown = "The pictures cannot be compared yet, because their reference is not complete: check the lamp, too."
        advice = [unchanged if pictures_known else unknown, _SCORES_RISE if change.rises else _SCORES_FALL]
    message = " ".join([_facts(figure, change), *advice])
    details = {"figure": figure, "also": list(others), **_numbers(change)}
    return Alarm(kind=kind, since=change.since, message=message, details=details)


def _facts(figure: str, change: Change) -> str:
    headline = _HEADLINES[figure][0 if change.rises else 1]
    side = "highest" if change.rises else "lowest"
    return (
        f"{headline} since inspection {change.since}: of {change.parts} parts since then, {percent(change.extreme)} "
        f"are among the {side} {percent(TAIL)} of the reference (expected: {percent(change.expected)}). Mean of "
        f"{figure} {change.now:.4g}, median of the reference {change.before:.4g}."
    )


def _numbers(change: Change) -> dict[str, JsonValue]:
    return {
        "parts": change.parts, "rises": change.rises, "extreme": change.extreme, "expected": change.expected,
        "before": change.before, "now": change.now,
    }  # fmt: skip
