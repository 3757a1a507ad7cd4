"""What a path or an array becomes before training: divided, decoded once, fingerprinted."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from algan_ad.data.cache import DecodedImages
from algan_ad.data.fingerprint import fingerprint
from algan_ad.data.layouts import Dataset, Item, open_dataset
from algan_ad.data.overlap import copies_in_calibration, copies_in_test
from algan_ad.data.recipe import Recipe
from algan_ad.data.splits import Split, split
from algan_ad.data.vectors import SUFFIXES, read_labels, read_vectors
from algan_ad.detectors.shared.contract import Detector, Rows, TrainingData
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import sha256
from algan_ad.runtime.images import Preprocessing, Skipped, as_batch
from algan_ad.runtime.progress import log, track
from algan_ad.runtime.schema import Schema

MIN_SAMPLES = 3  # two to train on, one to calibrate
TEST_FRACTION = 0.2  # of the good rows of a table that holds bad ones, too


class DataSettings(Schema):
    """How the data is divided and prepared. What is None follows from the data set (5.2.5)."""

    protocol: Literal["normal-only", "thesis"] = Field(
        "normal-only",
        description="normal-only: no anomaly is seen; thesis: labels of half the test set select",
    )
    calibration_fraction: float = Field(
        0.2, gt=0, lt=1, description="share of the good samples held out to set the threshold"
    )
    horizontal_flip: bool | None = Field(None, description="mirror half of the training images")
    vertical_flip: bool | None = Field(None, description="turn half of the training images upside down")
    rotation_degrees: float | None = Field(None, ge=0, le=180, description="rotate by up to this, either way")
    grayscale: bool | None = Field(None, description="drop the colour")

    @property
    def wishes(self) -> dict[str, bool | float]:
        """What the user set of the recipe."""
        names = ("horizontal_flip", "vertical_flip", "rotation_degrees", "grayscale")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def recipe(self, default: Recipe) -> Recipe:
        """The data set's recipe with the user's wishes put in."""
        return Recipe(**default.model_dump() | self.wishes)


@dataclass(frozen=True)
class Prepared:
    """Samples ready to fit on, and what a model folder records of them. `n_test`: labelled ones left for a test."""

    name: str
    data: TrainingData
    calibration: Rows
    fingerprint: dict[str, Any]
    n_test: int = 0
    skipped: tuple[Skipped, ...] = ()
    notes: dict[str, list[str]] = field(default_factory=dict)


def prepare(
    source: str | Path | NDArray[Any], detector: Detector, settings: DataSettings, seed: int, strict: bool
) -> Prepared:
    """Read and divide `source`. Raises InputError for anything unusable; with strict, for one unreadable file too."""
    if detector.input == "vector":
        _refuse_folder(source, detector)
        return _prepare_vectors(source, settings, seed)
    unmet = set() if detector.augments else settings.wishes.keys() - {"grayscale"}
    for wish in sorted(unmet):
        raise InputError(f"--{wish.replace('_', '-')}: {detector.name} varies images in its own way; leave it out")
    if isinstance(source, np.ndarray):
        return _prepare_array(as_batch(source), detector, settings, seed)
    return _prepare_folder(Path(source), detector, settings, seed, strict)


def _prepare_folder(path: Path, detector: Detector, settings: DataSettings, seed: int, strict: bool) -> Prepared:
    if path.suffix.lower() in SUFFIXES:
        other = "leave out --backbone" if type(detector).input == "vector" else "add --method algan-vector"
        raise InputError(f"{path}: a table of vectors; {other} to train on it")
    dataset = open_dataset(path)
    parts = split(dataset, settings.protocol, seed, settings.calibration_fraction)
    return prepare_parts(dataset, parts, detector, settings, strict)


def prepare_parts(dataset: Dataset, parts: Split, detector: Detector, settings: DataSettings, strict: bool) -> Prepared:
    """Decode a folder that is divided already; see `prepare`."""
    warn(dataset, parts)
    recipe = settings.recipe(dataset.recipe)
    preprocessing = detector.preprocessing(recipe)
    assert preprocessing is not None  # an image detector's

    def decode(items: Sequence[Item], what: str) -> tuple[Rows, tuple[Item, ...], list[Skipped]]:
        images = DecodedImages([item.path for item in items], preprocessing, label=f"reading {what} images")
        return images, tuple(items[i] for i in images.kept), images.skipped

    train, train_items, skipped = decode(parts.train, "training")
    # Under protocol thesis the calibration images are the normals of the validation half.
    calibration, kept, more = decode(parts.calibration, "calibration")
    skipped += more
    seen, validation = (*train_items, *kept), None
    if parts.validation:
        images, kept, more = decode(parts.validation, "validation")
        skipped = [*skipped, *(s for s in more if s not in skipped)]
        seen, validation = (*train_items, *kept), (images, np.array([item.label for item in kept]))
    report_skipped(skipped, strict)
    data = TrainingData(train, recipe, calibration, validation)
    print_of = dict(fingerprint(seen, dataset.root))
    return Prepared(dataset.name, data, calibration, print_of, len(parts.test), tuple(skipped), dict(parts.notes))


def _refuse_folder(source: str | Path | NDArray[Any], detector: Detector) -> None:
    if isinstance(source, np.ndarray) or not Path(source).is_dir():
        return
    advice = "; add --backbone to train it on images" if "backbone" in type(detector.config).model_fields else ""
    raise InputError(
        f"{source}: {detector.name} takes vectors, expected a file ending in {', '.join(SUFFIXES)}{advice}"
    )


def _prepare_array(images: NDArray[np.uint8], detector: Detector, settings: DataSettings, seed: int) -> Prepared:
    _refuse_thesis(settings)
    recipe = settings.recipe(Recipe())
    preprocessing = detector.preprocessing(recipe)
    assert preprocessing is not None
    train, calibration = _hold_out("array", len(images), settings.calibration_fraction, seed)
    ready = resized(images, preprocessing)
    data = TrainingData(ready[train], recipe, ready[calibration])
    return Prepared("array", data, ready[calibration], {"n_images": len(images), "files": hash_rows(images)})


def _prepare_vectors(source: str | Path | NDArray[Any], settings: DataSettings, seed: int) -> Prepared:
    """Rows labelled anomalous (`y` of an .npz) are left for the test, with a fifth of the normal rows beside them."""
    _refuse_thesis(settings)
    for wish in settings.wishes:
        raise InputError(f"--{wish.replace('_', '-')} is for images; leave it out for vectors")
    vectors = read_vectors(source).astype(np.float32)
    labels = read_labels(source)
    name = Path("array" if isinstance(source, np.ndarray) else source)
    normal = np.arange(len(vectors)) if labels is None else np.flatnonzero(labels == 0)
    if labels is not None and labels.any():
        normal = normal[_hold_out(str(name), len(normal), TEST_FRACTION, seed, stage="test")[0]]
    train, calibration = (
        normal[part] for part in _hold_out(str(name), len(normal), settings.calibration_fraction, seed)
    )
    print_of = {
        "n_vectors": len(normal),
        "n_features": vectors.shape[1],
        "files": hash_rows(vectors[np.concatenate([train, calibration])]),
    }
    data = TrainingData(vectors[train], Recipe(), vectors[calibration])
    n_test = 0 if labels is None else len(vectors) - len(normal)
    return Prepared(name.stem, data, vectors[calibration], print_of, n_test)


def _refuse_thesis(settings: DataSettings) -> None:
    if settings.protocol == "thesis":
        raise InputError(
            "--protocol thesis needs a folder of labelled images; arrays and vectors are trained by normal-only"
        )


def _hold_out(
    what: str, n: int, fraction: float, seed: int, stage: str = "calibration"
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions to keep and positions to hold out, each in order."""
    if n < MIN_SAMPLES:
        raise InputError(
            f"{what}: {n} good samples: too few to train and to calibrate; expected at least {MIN_SAMPLES}"
        )
    n_out = max(1, round(fraction * n))
    if n - n_out < MIN_SAMPLES - 1:
        raise InputError(
            f"--calibration-fraction {fraction}: leaves {n - n_out} of {n} good samples to "
            "train on; choose a smaller one"
        )
    order = np.random.default_rng([seed, len(stage)]).permutation(n)
    return np.sort(order[n_out:]), np.sort(order[:n_out])


def resized(images: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """uint8 (N, H, W, 3) -> uint8 (N, S, S, 3)."""
    ready = np.empty((len(images), preprocessing.size, preprocessing.size, 3), np.uint8)
    for i, image in enumerate(images):
        ready[i] = preprocessing.apply(image)
    return ready


def hash_files(paths: Sequence[Path]) -> list[str]:
    """sha256 of each file."""
    return [sha256(path) for path in track(paths, "looking for known images")]


def hash_rows(rows: NDArray[Any]) -> dict[str, str]:
    """sha256 of each sample, by its position."""
    return {str(i): hashlib.sha256(row.tobytes()).hexdigest() for i, row in enumerate(rows)}


def warn(dataset: Dataset, parts: Split) -> None:
    """Say what is odd about the data; none of it ends a run."""
    for warning in dataset.warnings:
        log(f"warning: {warning}")
    if copies := {second: first for first, second in copies_in_calibration(parts)}:
        second, first = next(iter(copies.items()))
        log(
            f"warning: {len(copies)} calibration images are also training images, the first is {second} (= {first}); "
            "remove copies, or more good parts are flagged than the threshold promises"
        )
    if known := {test: other for other, test in copies_in_test(parts)}:
        test, other = next(iter(known.items()))
        log(
            f"warning: {len(known)} test images are also training images, the first is {test} (= {other}); "
            "they are left out of every evaluation"
        )


def report_skipped(skipped: Sequence[Skipped], strict: bool) -> None:
    """Unreadable files: counted and listed, or fatal."""
    if skipped and strict:
        raise InputError(f"--strict: {len(skipped)} unreadable files, the first: {skipped[0].reason}")
    if skipped:
        log(f"warning: {len(skipped)} unreadable files were skipped:")
        for each in skipped:
            log(f"  {each.reason}")
