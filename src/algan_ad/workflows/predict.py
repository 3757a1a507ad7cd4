"""Scores and decisions for images a user names: files, folders, or a table of vectors."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from algan_ad.data.scan import folders, images
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import replacing
from algan_ad.runtime.images import Pixels, Skipped
from algan_ad.runtime.prediction import Prediction
from algan_ad.workflows.model import Model
from algan_ad.workflows.pictures import overlay
from algan_ad.workflows.samples import report_skipped

CHUNK = 256  # images decoded at a time: memory stays bounded however large the folder


def predict_files(
    model: Model, sources: Sequence[Path], maps: Path | None = None, strict: bool = False
) -> tuple[list[Prediction], list[Skipped]]:
    """Predictions for every image among `sources` and below them, in order, and the files that cannot be read.

    With `maps`, the anomaly map of each image (or an attribution of its score) is laid over it and written there as
    PNG, in the sub-folder that the image lies in.
    Raises InputError when there is nothing to score, or with `strict` when one file cannot be read.
    """
    if model.config.input == "vector":
        if maps is not None:
            raise InputError("--maps: this model scores vectors, there is nothing to draw on")
        return [each for source in sources for each in _predict_table(model, source)], []
    found = [(path, source) for source in sources for path in ([source] if source.is_file() else _images_below(source))]
    paths = [path for path, _ in found]
    if not paths:
        raise InputError(f"{', '.join(map(str, sources))}: no images found; expected image files or folders of them")
    targets = _distinct([_place(path, source, len(sources) > 1) for path, source in found])
    predictions: list[Prediction] = []
    skipped: list[Skipped] = []
    for start in range(0, len(paths), CHUNK):
        loaded = model.read(paths[start : start + CHUNK], strict)
        kept = [start + i for i in loaded.kept]
        scored = model.predictions(loaded.images, [str(paths[i]) for i in kept], maps is not None)
        if maps is not None:
            for i, prediction, image in zip(kept, scored, loaded.images, strict=True):
                _draw(prediction, image, maps / targets[i])
            scored = [replace(each, anomaly_map=None) for each in scored]  # drawn: memory stays bounded
        predictions += scored
        skipped += loaded.skipped
    report_skipped(skipped, strict)
    if not predictions:
        raise InputError(f"none of {len(paths)} images can be read; the first: {skipped[0].reason}")
    return predictions, skipped


def _predict_table(model: Model, source: Path) -> list[Prediction]:
    vectors = model.samples(source)
    return model.predictions(vectors, [f"{source}: row {i + 1}" for i in range(len(vectors))])


def _images_below(folder: Path) -> list[Path]:
    """Every image in a folder and its sub-folders, sorted by name, a folder's own images first."""
    return [*images(folder), *(path for inner in folders(folder) for path in _images_below(inner))]


def _place(path: Path, source: Path, several: bool) -> Path:
    """Where an image lies in the folder it was found in; of several sources, below that folder's name."""
    if path == source:
        return Path(path.name)
    return Path(source.resolve().name if several else "", path.relative_to(source))


def _distinct(places: Sequence[Path]) -> list[Path]:
    """The file of each map: the image's own place as .png, numbered where it is taken."""
    taken: dict[Path, None] = {}  # in order
    for place in places:
        candidates = chain([place.stem], (f"{place.stem}-{n}" for n in count(2)))
        files = (place.with_name(f"{name}.png") for name in candidates)
        taken[next(file for file in files if file not in taken)] = None
    return list(taken)


def _draw(prediction: Prediction, image: Pixels, target: Path) -> None:
    """`image` as the detector sees it, which is where the map belongs."""
    heat = prediction.anomaly_map
    assert heat is not None
    with replacing(target) as temporary:
        temporary.write_bytes(overlay(image, heat, float(heat.max())))
