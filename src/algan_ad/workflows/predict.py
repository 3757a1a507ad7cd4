"""What `algan predict` does: predictions as they come, the overlays of maps, and nothing that is written over."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from algan_ad.runtime.bulk import Found, Scored, find_images, predict_files, predict_images
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import refuse_to_replace, replacing
from algan_ad.runtime.images import Skipped
from algan_ad.runtime.prediction import Prediction
from algan_ad.runtime.predictor import Predictor


def predict_to_files(
    model: Predictor, sources: Sequence[Path], out: Path | None = None, maps: Path | None = None,
    strict: bool = False, overwrite: bool = False,
) -> Iterator[Prediction | Skipped]:  # fmt: skip
    """Predictions for every image among `sources` and below them, as they come; a `Skipped` for a bad file.

    Args:
        out: file that the caller will write; checked here, before anything is scored.
        maps: folder for the map of each image, laid over it, as PNG, in the sub-folder that the image lies in.
        overwrite: replace files that are there already. An input is never replaced.

    Raises InputError when there is nothing to score, a file would be replaced, or with `strict` one cannot be read.
    """
    if model.config.input == "vector":
        if maps is not None:
            raise InputError("maps: this model scores vectors, there is nothing to draw on; leave it out")
        refuse_to_replace([out] if out else [], sources, overwrite)
        return predict_files(model, sources, strict)
    found = find_images(sources)
    targets = [] if maps is None else [maps / place for place in _distinct(found, len(sources) > 1)]
    refuse_to_replace([*targets, *([out] if out else [])], [each.path for each in found], overwrite)
    paths = [each.path for each in found]
    return (
        each if isinstance(each, Skipped) else _drawn(each, targets)
        for each in predict_images(model, paths, maps is not None, strict)
    )


def _drawn(scored: Scored, targets: Sequence[Path]) -> Prediction:
    """The prediction without its map, which is laid over the image as the detector sees it, where the map belongs."""
    heat = scored.prediction.anomaly_map
    if heat is not None:
        from algan_ad.workflows.pictures import overlay  # matplotlib, which scoring does without

        with replacing(targets[scored.position]) as temporary:
            temporary.write_bytes(overlay(scored.image, heat, float(heat.max())))
    return replace(scored.prediction, anomaly_map=None)


def _place(found: Found, several: bool) -> Path:
    """The place of an image in the folder it was found in; of several sources, below that folder's name."""
    if found.path == found.source:
        return Path(found.path.name)
    return Path(found.source.resolve().name if several else "", found.path.relative_to(found.source))


def _distinct(found: Sequence[Found], several: bool) -> list[Path]:
    """The file of each map: the image's own place as .png, numbered where it is taken."""
    taken: dict[Path, None] = {}  # in order
    for place in (_place(each, several) for each in found):
        candidates = chain([place.stem], (f"{place.stem}-{n}" for n in count(2)))
        files = (place.with_name(f"{name}.png") for name in candidates)
        taken[next(file for file in files if file not in taken)] = None
    return list(taken)
