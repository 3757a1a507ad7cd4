"""Division of labelled images by named parts (train, test ...): those to train on, calibrate with and test on."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from algan_ad.data.layouts.items import Contents, Item

Part = Literal["train", "calibration", "validation", "test"]

#: Words that people use for the parts.
PARTS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "calibration": "calibration",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


def part_named(text: str) -> Part | None:
    """The part that a file or folder is named by: "instances_train2017" belongs to train."""
    words = re.split(r"[^a-z]+", text.lower())
    return next((PARTS[word] for word in words if word in PARTS), None)


def divided(parts: Mapping[Part | None, Sequence[Item]], warnings: Iterable[str] = ()) -> Contents:
    """Contents of images in parts; the part of images without one is None.

    Good images of train are trained on, those of calibration and validation calibrate, and test is tested. If there is
    no test, validation is the test. If there is neither, good images are trained on and anomalous ones tested, as in a
    flat folder. Anomalous images outside of the test are left out, with a warning.
    """
    found = {part for part, items in parts.items() if items}
    if not found & {"calibration", "validation", "test"}:
        every = [item for items in parts.values() for item in items]
        return Contents(_of(0, every), _of(1, every), warnings=tuple(warnings))
    tests: Part = "validation" if "validation" in found and "test" not in found else "test"
    calibrate = [item for part in ("calibration", "validation") if part != tests for item in parts.get(part, ())]
    train = parts.get("train", ())
    left_out = _of(1, [*train, *calibrate])
    said = [
        f"{len(left_out)} anomalous images are left out because they lie outside of the test; "
        f"the first is {left_out[0].path}"
    ] if left_out else []  # fmt: skip
    return Contents(
        _of(0, train), parts.get(tests, ()), _of(0, calibrate), test_apart=True, warnings=[*warnings, *said]
    )


def _of(label: int, items: Iterable[Item]) -> list[Item]:
    return [item for item in items if item.label == label]
