"""Preparation of a path or an array for training: division, decoding, fingerprint."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algan_ad.data.cache import DecodedImages
from algan_ad.data.fingerprint import fingerprint, hash_rows
from algan_ad.data.layouts import Dataset, Item, is_list, open_dataset
from algan_ad.data.overlap import copies_in_calibration, copies_in_test
from algan_ad.data.recipe import Recipe
from algan_ad.data.splits import Split, hold_out, split
from algan_ad.detectors.shared.contract import Detector, TrainingData
from algan_ad.runtime.arrays import as_batch
from algan_ad.runtime.bulk import report_skipped
from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.images import Preprocessing, Read, Skipped
from algan_ad.runtime.images import prepare as read_image
from algan_ad.runtime.predictor import Rows, prepared
from algan_ad.runtime.progress import log
from algan_ad.runtime.tiles import samples_of
from algan_ad.runtime.vectors import SUFFIXES, read_labels, read_table
from algan_ad.workflows.framing import frame, levels_of, sizes_of
from algan_ad.workflows.options import FRAMING, DataOptions

TEST_FRACTION = 0.2  # of the good rows of a table that holds bad ones, too


@dataclass(frozen=True)
class Prepared:
    """Samples ready to fit on, and the facts that a model folder records of them.

    calibration: whole pictures, where the samples to fit on may be tiles of them. n_test: labelled samples left for a
    test. columns: the names of a vector's numbers, None if the source has none. preprocessing: None for vectors.
    published: the thesis's recipe for this data set (5.2.5).
    """

    name: str
    data: TrainingData
    calibration: Rows
    fingerprint: dict[str, Any]
    n_test: int = 0
    skipped: tuple[Skipped, ...] = ()
    notes: dict[str, list[str]] = field(default_factory=dict)
    columns: tuple[str, ...] | None = None
    preprocessing: Preprocessing | None = None
    published: Recipe | None = None

    @property
    def n_train(self) -> int:
        """Vectors or whole pictures to fit on."""
        return len(self.data.train) // (len(self.preprocessing.corners) if self.preprocessing else 1)


def prepare(
    source: str | Path | NDArray[Any], detector: Detector, options: DataOptions, seed: int, strict: bool
) -> Prepared:
    """Read and divide `source`. Raises InputError for unusable data; with `strict`, also for one unreadable file."""
    if detector.input == "vector":
        _refuse_folder(source, detector)
        return _prepare_vectors(source, options, seed)
    unmet = set() if detector.augments else options.wishes.keys() - {"grayscale"}
    for wish in sorted(unmet):
        raise InputError(Option(wish), f": {detector.name} varies images in its own way; leave it out")
    if isinstance(source, np.ndarray):
        return _prepare_array(as_batch(source), detector, options, seed)
    return _prepare_folder(Path(source), detector, options, seed, strict)


def open_images(path: str | Path, detector: Detector) -> Dataset:
    """The data set of images at `path`. Raises InputError for a table of vectors, as for any other."""
    path = Path(path)
    if path.suffix.lower() in SUFFIXES and not path.is_dir() and not is_list(path):
        other = ("leave out ", Option("backbone")) if type(detector).input == "vector" else (
            "set ", Option("method", "algan-vector"))  # fmt: skip
        raise InputError(f"{path}: is a table of vectors; ", *other, " to train on it")
    return open_dataset(path)


def _prepare_folder(path: Path, detector: Detector, options: DataOptions, seed: int, strict: bool) -> Prepared:
    dataset = open_images(path, detector)
    parts = split(dataset, options.protocol, seed, options.calibration_fraction)
    return prepare_parts(dataset, parts, detector, options, strict)


def prepare_parts(
    dataset: Dataset, parts: Split, detector: Detector, options: DataOptions, strict: bool, read: Read = read_image
) -> Prepared:
    """Decode a folder that is divided already; see `prepare`. `read`: as in `load_many`."""
    warn(dataset, parts)
    recipe = options.recipe(dataset.recipe)
    paths = [item.path for item in parts.train]
    preprocessing = frame(detector, recipe, options, sizes_of(paths), levels_of(paths))

    def decode(items: Sequence[Item], what: str) -> tuple[Rows, tuple[Item, ...], list[Skipped]]:
        images = DecodedImages([item.path for item in items], preprocessing, label=f"reading {what} images", read=read)
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
    data = TrainingData(samples_of(train, preprocessing), recipe, samples_of(calibration, preprocessing), validation)
    print_of = dict(fingerprint(seen, dataset.root))
    return Prepared(
        dataset.name, data, calibration, print_of, len(parts.test), tuple(skipped), dict(parts.notes),
        preprocessing=preprocessing, published=dataset.recipe if dataset.published else None,
    )  # fmt: skip


def _refuse_folder(source: str | Path | NDArray[Any], detector: Detector) -> None:
    if isinstance(source, np.ndarray) or not Path(source).is_dir():
        return
    advice = ("; set ", Option("backbone"), " to train it on images")
    raise InputError(
        f"{source}: {detector.name} takes vectors, expected a file ending in {', '.join(SUFFIXES)}",
        *(advice if "backbone" in type(detector.config).model_fields else ()),
    )


def _prepare_array(images: NDArray[np.uint8], detector: Detector, options: DataOptions, seed: int) -> Prepared:
    _refuse_thesis(options)
    recipe = options.recipe(Recipe())
    preprocessing = frame(detector, recipe, options, [(images.shape[2], images.shape[1])])
    train, calibration = hold_out("array", len(images), options.calibration_fraction, seed)
    ready = prepared(images, preprocessing)
    data = TrainingData(samples_of(ready[train], preprocessing), recipe, samples_of(ready[calibration], preprocessing))
    print_of = {"n_images": len(images), "files": hash_rows(images)}
    return Prepared("array", data, ready[calibration], print_of, preprocessing=preprocessing)


def _prepare_vectors(source: str | Path | NDArray[Any], options: DataOptions, seed: int) -> Prepared:
    """Leave rows labelled anomalous (`y` of an .npz) for the test, with a fifth of the normal rows beside them."""
    _refuse_thesis(options)
    for wish in [*options.wishes, *(name for name in FRAMING if getattr(options, name) not in (None, False))]:
        raise InputError(Option(wish), " is for images; leave it out for vectors")
    table = read_table(source)
    vectors = table.vectors.astype(np.float32)
    labels = read_labels(source)
    name = Path("array" if isinstance(source, np.ndarray) else source)
    normal = np.arange(len(vectors)) if labels is None else np.flatnonzero(labels == 0)
    if labels is not None and labels.any():
        normal = normal[hold_out(str(name), len(normal), TEST_FRACTION, seed, stage="test")[0]]
    train, calibration = (normal[part] for part in hold_out(str(name), len(normal), options.calibration_fraction, seed))
    print_of = {
        "n_vectors": len(normal),
        "n_features": vectors.shape[1],
        "files": hash_rows(vectors[np.concatenate([train, calibration])]),
    }
    data = TrainingData(vectors[train], Recipe(), vectors[calibration])
    n_test = 0 if labels is None else len(vectors) - len(normal)
    return Prepared(name.stem, data, vectors[calibration], print_of, n_test, columns=table.columns)


def _refuse_thesis(options: DataOptions) -> None:
    if options.protocol == "thesis":
        raise InputError(
            Option("protocol", "thesis"),
            " needs a folder of labelled images; arrays and vectors are trained by normal-only",
        )


def warn(dataset: Dataset, parts: Split) -> None:
    """Log warnings about odd data; none of it ends a run."""
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
