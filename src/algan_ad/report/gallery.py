"""Choice of the images that a report shows, and the pictures of them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from algan_ad.evaluation.results import Evaluation, ImageScore

SHOWN = 12


@dataclass(frozen=True)
class Gallery:
    """Pictures as PNG files in memory.

    thumbnails: by the `path` of the image; `pictured` lists the wanted ones.
    maps: by path, the image overlaid with its anomaly map, or with the attribution of its score.
    own_maps: True when the maps are the method's own and not attributions.
    outlined: True when a line surrounds what lies above the calibrated level of maps.
    made_up: a made-up defect of each kind and contrast.
    nearest: by path, the good images nearest to being flagged.
    fake_normal, fake_anomalous: a sheet of generated images each (thesis Fig. 4.4).
    """

    thumbnails: Mapping[str, bytes] = field(default_factory=dict)
    maps: Mapping[str, bytes] = field(default_factory=dict)
    fake_normal: bytes | None = None
    fake_anomalous: bytes | None = None
    own_maps: bool = False
    outlined: bool = False
    made_up: Mapping[tuple[str, int], bytes] = field(default_factory=dict)
    nearest: Mapping[str, bytes] = field(default_factory=dict)


class Group(NamedTuple):
    """Images under one heading: the first `SHOWN` of `total`. `mistakes` are those that were decided wrongly."""

    title: str
    explanation: str
    images: tuple[ImageScore, ...]
    total: int
    mistakes: bool = False


def groups(evaluation: Evaluation) -> list[Group]:
    """Misses and false alarms first, then the most and the least odd images; empty groups are left out."""
    return [
        group
        for group in (
            _group(
                evaluation,
                "Misses",
                "anomalous, but not above the threshold, the lowest score first",
                lambda image: image.label == 1 and image.anomalous is False,
                ascending=True,
                mistakes=True,
            ),
            _group(
                evaluation,
                "False alarms",
                "normal, but above the threshold, the highest score first",
                lambda image: image.label == 0 and image.anomalous is True,
                mistakes=True,
            ),
            _group(evaluation, "Most odd", "the highest scores of the whole test set", lambda _: True),
            _group(
                evaluation,
                "Least odd",
                "the lowest scores of the whole test set",
                lambda _: True,
                ascending=True,
            ),
        )
        if group.images
    ]


def pictured(evaluation: Evaluation) -> list[str]:
    """The paths of all images that a report shows, each once: they need a thumbnail and a map."""
    return _unique(image.path for group in groups(evaluation) for image in group.images)


def _group(
    evaluation: Evaluation,
    title: str,
    explanation: str,
    belongs: Callable[[ImageScore], bool],
    ascending: bool = False,
    mistakes: bool = False,
) -> Group:
    members = [image for image in evaluation.images if belongs(image)]
    members.sort(key=lambda image: (image.score if ascending else -image.score, image.path))
    return Group(title, explanation, tuple(members[:SHOWN]), len(members), mistakes)


def _unique(paths: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(paths))
