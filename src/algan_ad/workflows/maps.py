"""Anomaly maps that a method draws, where its scorer can draw them, and their judgement by masks."""

from collections.abc import Sequence

from algan_ad.data.layouts import Item
from algan_ad.evaluation.results import JudgedMaps
from algan_ad.runtime.errors import MissingExtra
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.predictor import Maps, Rows, Scorer, Scores
from algan_ad.runtime.progress import log
from algan_ad.workflows.masks import Truth, read_mask

AT_ONCE = 32


def highest_values(scorer: Scorer, pictures: Rows) -> tuple[float, ...]:
    """The highest value of the map of each picture; the maps themselves would fill the memory."""
    parts = (pictures[start : start + AT_ONCE] for start in range(0, len(pictures), AT_ONCE))
    return tuple(float(heat.max()) for part in parts for heat in scorer.score_and_maps(part)[1])


def judged_masks(own_maps: bool, items: Sequence[Item], preprocessing: Preprocessing | None) -> dict[int, Truth]:
    """The marks of the test images whose truth is known for every pixel, by their position among the items.

    Empty for a method that draws no maps, and where no defect is marked. An attribution explains a score and is
    never judged as a map.
    """
    if not own_maps or preprocessing is None or not any(item.masks for item in items):
        return {}
    truths = {i: truth for i, item in enumerate(items) if (truth := read_mask(item, preprocessing)) is not None}
    marked = [truth.marked for truth in truths.values()]
    judgeable = any(each.any() for each in marked) and not all(each.all() for each in marked)
    return truths if judgeable else {}


def score_and_judge(scorer: Scorer, images: Rows, truths: dict[int, Truth]) -> tuple[Scores, JudgedMaps | None]:
    """Scores (N,), and from the same pass the maps to judge by `judged_masks`; None without masks or maps.

    What is no picture, and what surrounds the region of interest, takes no part.
    """
    if not truths:
        return scorer.score(images), None
    scores, maps = score_with_maps_if_any(scorer, images, "judged")
    if not maps:
        return scores, None
    return scores, (
        [truth.of(truth.marked) for truth in truths.values()], [truth.of(maps[i]) for i, truth in truths.items()]
    )  # fmt: skip


def score_with_maps_if_any(scorer: Scorer, images: Rows, use: str) -> tuple[Scores, Maps]:
    """Scores (N,) and maps; no maps, and a line that says why they are not used, where drawing them needs torch."""
    try:
        return scorer.score_and_maps(images)
    except MissingExtra as error:
        log(f"no maps are {use}: {error}")
        return scorer.score(images), []
