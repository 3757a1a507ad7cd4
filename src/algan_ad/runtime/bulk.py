"""Any number of files, scored part by part: what is read, is scored, and is handed on before the next part is read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Pixels, Skipped
from algan_ad.runtime.listing import images_below
from algan_ad.runtime.prediction import Prediction
from algan_ad.runtime.predictor import Predictor
from algan_ad.runtime.progress import bar, log

CHUNK = 64  # images decoded at a time: memory stays bounded however many there are


@dataclass(frozen=True)
class Scored:
    """A prediction and the image it is about, uint8 (S, S, 3) as the scorer sees it. `position`: among the files."""

    prediction: Prediction
    image: Pixels
    position: int


@dataclass(frozen=True)
class Found:
    """An image file, and the source, a folder or the file itself, that it was found by."""

    path: Path
    source: Path


def find_images(sources: Sequence[str | Path]) -> list[Found]:
    """Every image among the sources and below them, in order. Raises InputError when there is none."""
    places = [Path(source) for source in sources]
    found = [Found(path, place) for place in places for path in ([place] if place.is_file() else images_below(place))]
    if not found:
        raise InputError(f"{', '.join(map(str, sources))}: no images found; expected image files or folders of them")
    return found


def predict_images(
    predictor: Predictor, paths: Sequence[Path], maps: bool = False, strict: bool = False
) -> Iterator[Scored | Skipped]:
    """A `Scored` for each image file, in order, or a `Skipped` where it cannot be read.

    Raises InputError with `strict`, when one file cannot be read.
    """
    with bar("scoring", len(paths)) as advance:
        for start in range(0, len(paths), CHUNK):
            loaded = predictor.read(paths[start : start + CHUNK], strict)
            yield from loaded.skipped
            kept = [start + position for position in loaded.kept]
            predictions = predictor.predictions(loaded.images, [str(paths[i]) for i in kept], maps)
            for i, prediction, image in zip(kept, predictions, loaded.images, strict=True):
                yield Scored(prediction, image, i)
            for path in paths[start : start + CHUNK]:
                advance(f"scoring {path.name}")


def predict_files(
    predictor: Predictor, sources: Sequence[str | Path], strict: bool = False
) -> Iterator[Prediction | Skipped]:
    """Predictions for images, folders of images and tables of vectors, as they come; a `Skipped` for a bad file.

    Raises InputError when there is nothing to score, or with `strict` when one file cannot be read.
    """
    if predictor.config.input == "vector":
        for source in sources:
            yield from predictor.predict(Path(source))
        return
    paths = [each.path for each in find_images(sources)]
    for each in predict_images(predictor, paths, strict=strict):
        yield each if isinstance(each, Skipped) else replace(each.prediction, anomaly_map=None)


def list_skipped(skipped: Sequence[Skipped]) -> None:
    """Count and list unreadable files on standard error."""
    if skipped:
        log(f"warning: {len(skipped)} unreadable files were skipped:")
    for each in skipped:
        log(f"  {each.reason}")
