"""Samples of one run of a plan: to fit on, to calibrate with, to test on."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algan_ad.benchmark.plan import DataOptions, RunSpec
from algan_ad.data.cache import DecodedImages
from algan_ad.data.catalog import DATASETS, MVTEC_CATEGORIES
from algan_ad.data.layouts import Item, open_dataset
from algan_ad.data.overlap import same_content
from algan_ad.data.splits import Split, split
from algan_ad.detectors.shared.contract import Detector, TrainingData
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Preprocessing, Read, prepare
from algan_ad.runtime.predictor import Rows
from algan_ad.runtime.seeding import seed_from
from algan_ad.runtime.vectors import read_labels, read_table
from algan_ad.workflows.options import DataOptions as Division
from algan_ad.workflows.samples import prepare_parts

Indices = NDArray[np.int64]

TRAIN_SHARE = 0.6  # of the normals of a table without a division of its own, as for a flat folder of images


@dataclass(frozen=True)
class Samples:
    """Samples of a run. `items` are the test images, none for vectors, which have no `preprocessing`, either. Without a
    threshold `calibration` is None."""

    data: TrainingData
    calibration: Rows | None
    test: Rows
    labels: NDArray[np.int64]
    items: tuple[Item, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None


def load_samples(spec: RunSpec, path: Path, detector: Detector, read: Read = prepare) -> Samples:
    """Divide and read the data of a run; images are read as in `load_many`. Raises InputError for unusable data."""
    options = DataOptions(**spec.data_settings)
    if detector.input == "vector":
        return _vectors(spec, path, options)
    return _images(spec, path, options, detector, read)


def _images(spec: RunSpec, path: Path, options: DataOptions, detector: Detector, read: Read) -> Samples:
    """Samples as `algan train` and `algan evaluate` take them, without test images that the model has seen."""
    assert spec.protocol != "pyod"  # for vectors only: see plan_check
    dataset = open_dataset(path, spec.dataset if spec.dataset in DATASETS else None)
    settings = Division(
        protocol=spec.protocol, **options.model_dump(exclude={"max_train", "max_test"}, exclude_unset=True)
    )
    parts = split(dataset, spec.protocol, spec.seed, settings.calibration_fraction)
    parts = _limited(parts, options, spec.seed)
    prepared = prepare_parts(dataset, parts, detector, settings, strict=False, read=read)
    assert prepared.preprocessing is not None  # the detector takes images
    known = same_content(
        [item.path for item in (*parts.train, *parts.calibration, *parts.validation)],
        [item.path for item in parts.test],
    )
    seen = {copy for _, copy in known}
    unseen = [item for item in parts.test if item.path not in seen]
    test = DecodedImages([item.path for item in unseen], prepared.preprocessing, label="reading test images", read=read)
    kept = tuple(unseen[i] for i in test.kept)
    skipped = [str(each.path) for each in (*prepared.skipped, *test.skipped)]
    notes = {**prepared.notes, "skipped": skipped, "left_out": [str(copy) for copy in sorted(seen)]}
    return Samples(
        prepared.data, prepared.calibration, test, np.array([item.label for item in kept]), kept,
        {name: value for name, value in notes.items() if value}, prepared.preprocessing,
    )  # fmt: skip


def _limited(parts: Split, options: DataOptions, seed: int) -> Split:
    """A split with at most `max_train` images to train on, and `max_test` in every other part, half of each class."""

    def drawn(items: tuple[Item, ...], limit: int | None) -> tuple[Item, ...]:
        return tuple(items[i] for i in _limit(np.array([item.label for item in items]), limit, seed))

    return replace(
        parts,
        train=drawn(parts.train, options.max_train),
        calibration=drawn(parts.calibration, options.max_test),
        validation=drawn(parts.validation, options.max_test),
        test=drawn(parts.test, options.max_test),
    )


def _limit(labels: Indices, limit: int | None, seed: int) -> Indices:
    """Positions of at most `limit` samples, in order; with two classes, at most half of `limit` of each."""
    if limit is None or not len(labels):
        return np.arange(len(labels))
    rng = np.random.default_rng(seed_from(seed, "limit"))
    classes = np.unique(labels)
    drawn = [rng.permutation(np.flatnonzero(labels == each))[: limit // len(classes)] for each in classes]
    return np.sort(np.concatenate(drawn))


def _vectors(spec: RunSpec, path: Path, options: DataOptions) -> Samples:
    X, y = _read_table(path)
    train, test = _division(spec)(y, spec)
    if options.max_train is not None:
        train = train[: options.max_train]
    test = test[_limit(y[test], options.max_test, spec.seed)]
    if spec.protocol == "pyod":
        X = _standardised(X, train)
        found = TrainingData(X[train].astype(np.float32))
        notes = {"trained_on_anomalies": int(y[train].sum())}
        return Samples(found, None, X[test].astype(np.float32), y[test], notes=notes)
    X = X.astype(np.float32)
    n_out = round(options.calibration_fraction * len(train))
    if options.calibration_fraction and not 1 <= n_out <= len(train) - 2:
        raise InputError(f"{path}: {len(train)} normal rows are too few to train on and to hold some out")
    kept, held_out = train[n_out:], train[:n_out]
    calibration = X[held_out] if n_out else None
    return Samples(TrainingData(X[kept], held_out=calibration), calibration, X[test], y[test])


def _divide(y: Indices, spec: RunSpec) -> tuple[Indices, Indices]:
    """Rows to train on, in random order, and rows to test on: other normals and every anomaly."""
    normal = np.random.default_rng(spec.seed).permutation(np.flatnonzero(y == 0))
    return _at(normal, round(TRAIN_SHARE * len(normal)), y)


def _divide_mvtec(y: Indices, spec: RunSpec) -> tuple[Indices, Indices]:
    """Rows as in `_divide`, with as many normals to train on as officially: the published vectors merge both parts."""
    normal = np.random.default_rng(spec.seed).permutation(np.flatnonzero(y == 0))
    return _at(normal, MVTEC_CATEGORIES[spec.category or ""].counts.train, y)


def _at(normal: Indices, n_train: int, y: Indices) -> tuple[Indices, Indices]:
    return normal[:n_train], np.concatenate([normal[n_train:], np.flatnonzero(y == 1)])


def _divide_pyod(y: Indices, spec: RunSpec) -> tuple[Indices, Indices]:
    """Rows of PyOD's benchmark: 60 % of all to train on, anomalies included, and 40 % to test on."""
    from sklearn.model_selection import train_test_split

    state = np.random.RandomState(spec.seed)
    train, test = train_test_split(np.arange(len(y)), test_size=0.4, random_state=state)
    return train, test


def _division(spec: RunSpec) -> Callable[[Indices, RunSpec], tuple[Indices, Indices]]:
    if spec.protocol == "pyod":
        return _divide_pyod
    return _divide_mvtec if spec.dataset == "mvtec-features" else _divide


def _standardised(X: NDArray[np.float64], train: Indices) -> NDArray[np.float64]:
    from sklearn.preprocessing import StandardScaler

    return np.asarray(StandardScaler().fit(X[train]).transform(X))


def _read_table(path: Path) -> tuple[NDArray[np.float64], Indices]:
    """Read X (n, d) and y (n,), 1 = anomalous, from an .npz or a .mat file."""
    if path.suffix != ".mat":
        labels = read_labels(path)
        if labels is None:
            raise InputError(f"{path}: no labels; expected the arrays X and y")
        return read_table(path).vectors, labels
    from scipy.io import loadmat

    try:
        content = loadmat(path)
        X, y = content["X"].astype(np.float64), content["y"].ravel().astype(np.int64)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a MATLAB file with X and y ({error})") from error
    return read_table(X).vectors, y
