"""Predictions for any number of files: each part is read, scored and handed on before the next part is read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.files import refuse_to_replace
from algan_ad.runtime.images import Pixels, Skipped
from algan_ad.runtime.listing import images_below
from algan_ad.runtime.prediction import Prediction
from algan_ad.runtime.predictor import Predictor
from algan_ad.runtime.progress import bar, log

CHUNK = 64  # images decoded at a time: memory stays bounded however many there are
CHUNK_BYTES = 256 * 2**20  # and however large


@dataclass(frozen=True)
class Found:
    """An image file, and its path inside its source; with several sources, that begins with the source's name."""

    path: Path
    place: Path


class Overlays(Protocol):
    """A place for the pictures of the anomaly maps (`workflows/overlays.py`)."""

    def targets(self, found: Sequence[Found]) -> list[Path]:
        """The file for each image."""

    def draw(self, prediction: Prediction, image: Pixels, target: Path) -> None:
        """Write the map of a prediction (h, w), laid over its image, uint8 (h, w, 3) as the scorer sees it."""


def predict_files(
    predictor: Predictor, sources: Sequence[str | Path], *, strict: bool = False, out: Path | None = None,
    overlays: Overlays | None = None, overwrite: bool = False,
) -> Iterator[Prediction | Skipped]:  # fmt: skip
    """Predictions for images, folders of images and tables of vectors, as they come; a `Skipped` for a bad file.

    Args:
        sources: files, and folders with everything below them.
        out: file that the caller will write; it is checked here, before anything is scored.
        overlays: place for the anomaly maps; the predictions come without maps.
        overwrite: replace files that are there already. An input is never replaced.

    Raises InputError at once when there is nothing to score or a file would be replaced; with `strict`, also when a
    file cannot be read.
    """
    if predictor.config.input == "vector":
        if overlays is not None:
            raise InputError("this model scores vectors, so there is no image to draw on; leave the maps out")
        refuse_to_replace([out] if out else [], map(Path, sources), overwrite)
        return (each for source in sources for each in predictor.predict(Path(source)))
    found = find_images(sources)
    targets = overlays.targets(found) if overlays else []
    refuse_to_replace([*targets, *([out] if out else [])], [each.path for each in found], overwrite)
    return _predict_images(predictor, [each.path for each in found], strict, overlays, targets)


def find_images(sources: Sequence[str | Path]) -> list[Found]:
    """Images among the sources and below them, in order. Raises InputError when there is none."""
    found = []
    for source in map(Path, sources):
        above = Path(source.resolve().name if len(sources) > 1 else "")
        if source.is_file():
            found.append(Found(source, Path(source.name)))
        else:
            found += [Found(path, above / path.relative_to(source)) for path in images_below(source)]
    if not found:
        raise InputError(f"{', '.join(map(str, sources))}: no images found; expected image files or folders of them")
    return found


def _predict_images(
    predictor: Predictor, paths: Sequence[Path], strict: bool, overlays: Overlays | None, targets: Sequence[Path]
) -> Iterator[Prediction | Skipped]:
    chunk = max(1, min(CHUNK, CHUNK_BYTES // predictor.image_bytes))
    with bar("scoring", len(paths)) as advance:
        for start in range(0, len(paths), chunk):
            loaded = predictor.read(paths[start : start + chunk], strict, label=None)  # one bar for all
            yield from loaded.skipped
            kept = [start + position for position in loaded.kept]
            names, maps = [str(paths[i]) for i in kept], overlays is not None
            predictions = predictor.predictions(loaded.images, names, maps, loaded.sizes)
            for i, prediction, image, size in zip(kept, predictions, loaded.images, loaded.sizes, strict=True):
                if overlays is not None:
                    overlays.draw(prediction, predictor.of_picture(image, size)[..., :3], targets[i])
                yield replace(prediction, anomaly_map=None)  # thousands of maps would fill the memory
            for path in paths[start : start + chunk]:
                advance(f"scoring {path.name}")


def list_skipped(skipped: Sequence[Skipped]) -> None:
    """Count and list unreadable files on standard error."""
    if skipped:
        log(f"warning: {len(skipped)} unreadable files were skipped:")
    for each in skipped:
        log(f"  {each.reason}")


def report_skipped(skipped: Sequence[Skipped], strict: bool) -> None:
    """Count and list unreadable files; with `strict`, raise InputError for them."""
    if skipped and strict:
        raise InputError(Option("strict"), f": {len(skipped)} unreadable files, the first: {skipped[0].reason}")
    list_skipped(skipped)
