"""Judgement of the anomaly maps that a method draws, by masks."""

from collections.abc import Sequence

from algan_ad.data.layouts import Item
from algan_ad.data.masks import Mask
from algan_ad.detectors.shared.contract import Detector
from algan_ad.evaluation.results import JudgedMaps
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.predictor import Rows, Scores
from algan_ad.workflows.masks import read_mask


def judged_masks(detector: Detector, items: Sequence[Item], preprocessing: Preprocessing | None) -> dict[int, Mask]:
    """Masks, bool (S, S), of the test images whose truth is known for every pixel, by their position among the items.

    Empty for a method that draws no maps, and where no defect is marked. An attribution explains a score and is
    never judged as a map.
    """
    if not detector.draws_maps or preprocessing is None or not any(item.masks for item in items):
        return {}
    masks = {i: mask for i, item in enumerate(items) if (mask := read_mask(item, preprocessing)) is not None}
    judgeable = any(mask.any() for mask in masks.values()) and not all(mask.all() for mask in masks.values())
    return masks if judgeable else {}


def score_and_judge(detector: Detector, images: Rows, masks: dict[int, Mask]) -> tuple[Scores, JudgedMaps | None]:
    """Scores (N,), and from the same pass the maps to judge by `judged_masks`; None where there are no masks."""
    if not masks:
        return detector.score(images), None
    scores, maps = detector.score_and_maps(images)
    return scores, (list(masks.values()), [maps[i] for i in masks])
