"""The data and the machine, as far as settings follow from them; measured, and written beside the settings."""

import os
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from algan_ad.data.recipe import Recipe
from algan_ad.detectors.shared.contract import Detector
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.features.alignment import Alignment
from algan_ad.features.likeness import alignment, nearly_copies, oddness, positions
from algan_ad.runtime.arrays import as_batch
from algan_ad.runtime.errors import MissingExtra
from algan_ad.runtime.images import Levels
from algan_ad.runtime.predictor import Rows
from algan_ad.runtime.schema import Schema
from algan_ad.workflows.framing import fit_of, sizes_of
from algan_ad.workflows.options import PictureFit
from algan_ad.workflows.samples import Prepared, open_images

COMPARED = 48  # images whose features are compared
COMPARABLE = 32  # with fewer, an AUROC of them is too uncertain to decide by
COPIES_AMONG = 1000  # images that are compared as pictures
ALIGNED = 0.15  # least alignment of an aligned object (docs/experiments/self-configuration.md)
GREY = 3  # levels of 255 by which the channels of a grey picture may differ, by compression

FLIPS = {"horizontal_flip": (2,), "vertical_flip": (1,)}  # axes of (N, H, W, d)


class Facts(Schema):
    """What settings follow from, and a few facts beside them. Of vectors, those of images are None."""

    input: Literal["image", "vector"]
    n_train: int = Field(description="good samples to train on")
    n_calibration: int = Field(description="good samples held out to set the threshold")
    recipe: Recipe | None = Field(None, description="the thesis's for this data set (5.2.5)")
    size: tuple[int, int] | None = Field(None, description="width and height of most pictures, in pixels")
    fit: PictureFit | None = Field(None, description="the way of pictures into what the method looks at")
    levels: Levels | None = Field(None, description="black and white of 16-bit grey pictures")
    colour: bool | None = Field(None, description="some picture is not grey")
    alignment: float | None = Field(None, description="0: texture, or parts that lie anywhere; 1: the parts lie alike")
    content: Literal["aligned object", "texture or loose object"] | None = None
    unlikeness_aligned: float | None = Field(
        None, description="how much good images differ at the same position when they are aligned; 1: as before"
    )
    flips: dict[str, float] = Field({}, description="AUROC of flipped good images against good ones; 0.5: the same")
    nearly_copies: int | None = Field(None, description="good images that nearly repeat another one")
    device: str
    cores: int
    memory_gb: float | None


def picture_size(source: str | Path | NDArray[Any], detector: Detector) -> tuple[int, int]:
    """Width and height of most pictures of a source, in pixels, from the headers of some files.

    Raises InputError for a source without images; (0, 0) where no header can be read.
    """
    if isinstance(source, np.ndarray):
        _, height, width, _ = as_batch(source).shape
        return width, height
    sizes = sizes_of([item.path for item in open_images(source, detector).items])
    return Counter(sizes).most_common(1)[0][0] if sizes else (0, 0)


def measure(prepared: Prepared, detector: Detector, size: tuple[int, int] | None) -> Facts:
    """The facts of data that is ready to be trained on. `size`: `picture_size`, None for vectors."""
    train = prepared.data.train
    facts: dict[str, Any] = {
        "input": detector.input, "n_train": prepared.n_train, "n_calibration": len(prepared.calibration),
        "recipe": prepared.published, "device": detector.device.type, "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, "memory_gb": _memory(),
    }  # fmt: skip
    if (framing := prepared.preprocessing) is not None:
        whole = len(framing.corners) == 1  # else the images are tiles, of which neighbours overlap
        facts |= {
            "size": size, "fit": fit_of(framing), "levels": framing.levels,
            "nearly_copies": nearly_copies(_spread(train, COPIES_AMONG)) if whole else None,
            **_of_images(train, detector),
        }  # fmt: skip
    return Facts(**facts)


def _of_images(train: Rows, detector: Detector) -> dict[str, Any]:
    some = _spread(train, COMPARED)
    colour = bool((some.amax(3).int() - some.amin(3).int()).amax() > GREY)
    facts: dict[str, Any] = {"colour": colour}
    if len(some) < COMPARABLE:
        return facts
    try:
        maps = positions(some)
    except MissingExtra:  # no packaged network
        return facts
    found = round(alignment(maps), 3)
    aligned = found >= ALIGNED
    content = "aligned object" if aligned else "texture or loose object"
    facts |= {"alignment": found, "content": content}
    if "align" in type(detector).Config.model_fields:
        facts["unlikeness_aligned"] = round(unlikeness_aligned(some, maps), 3)
    return facts | {"flips": _flips(some, maps, aligned) if detector.augments else {}}


def unlikeness_aligned(images: Tensor, maps: Tensor) -> float:
    """Difference at the same position of aligned images, as a share of before; the reference is that of others."""
    moved = Alignment().fit(images[::2])(images[1::2])[0]
    before, after = (1 - alignment(each) for each in (maps[1::2], positions(moved)))
    return after / before if before else 1.0


def _flips(images: Tensor, maps: Tensor, aligned: bool) -> dict[str, float]:
    """Each flip as a detector would judge it: flipped copies against the images themselves."""
    own = oddness(maps, maps, aligned)
    labels = np.repeat([0, 1], len(maps))
    found = {}
    for name, axes in FLIPS.items():
        flipped = oddness(positions(images.flip(axes)), maps, aligned)
        found[name] = round(float(image_auroc(labels, torch.cat([own, flipped]).double().numpy())), 3)
    return found


def _spread(images: Rows, n: int) -> Tensor:
    """At most n of the images, evenly over all, without marks."""
    chosen = np.linspace(0, len(images) - 1, min(n, len(images)), dtype=np.int64)
    return torch.from_numpy(np.asarray(images[chosen])[..., :3])


def _memory() -> float | None:
    """Of this machine, in GB."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, OSError, ValueError):  # not a POSIX system
        return None
