"""The division of the data into training, calibration, selection and test, by the two protocols."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from algan_ad.data.layouts import GOOD, Dataset, Item
from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.protocols import Protocol
from algan_ad.runtime.seeding import seed_from

N_NORMAL_OBJECTS = 10  # COIL-100, thesis 5.2.4
# Normal images held out for validation, and as many again for the test; the anomalous ones are halved.
HELD_OUT = {"mtd": 0.25, "coil-100": 0.2, "flat": 0.2}
SAME_TRAINING = ("mtd", "coil-100")  # layouts with the same training and test images under both protocols
DEFAULT_FRACTION = 0.2  # of the good images, to calibrate
MIN_TRAIN = 2  # batch normalisation cannot learn from one image
MIN_SAMPLES = MIN_TRAIN + 1  # one to calibrate


@dataclass(frozen=True)
class Split:
    """Four lists of images, each sorted by path.

    Under "normal-only" no anomaly appears outside `test`, and `validation` is empty. Under "thesis"
    `validation` is labelled and selects the checkpoint; `calibration` is its normal images.
    `notes` holds what was drawn by lot and belongs beside every result: the normal objects of COIL-100.
    """

    train: tuple[Item, ...]
    calibration: tuple[Item, ...]
    validation: tuple[Item, ...]
    test: tuple[Item, ...]
    protocol: Protocol
    seed: int
    notes: dict[str, list[str]] = field(default_factory=dict)


def split(
    dataset: Dataset, protocol: Protocol = "normal-only", seed: int = 0, calibration_fraction: float = DEFAULT_FRACTION
) -> Split:
    """Divide a dataset; a seed gives one division, whatever the order of the files on disk.

    "thesis" (5.2.4): a test set that comes apart ("mvtec") is halved into validation and test, label by
    label. Elsewhere the normal images go to train, validation and test (MTD 50/25/25 %, others 60/20/20 %)
    and the anomalous ones in halves to validation and test.

    "normal-only": MTD and COIL-100 keep the train and test of "thesis", the normal validation images
    calibrate. Elsewhere `calibration_fraction` of the good images calibrate, and all labelled images are
    tested; a flat folder with bad images adds a fifth of its good ones to the test.

    Raises:
        InputError: too few images, no anomalous images under "thesis", an option out of range, or a calibration
            fraction where the split is given.
    """
    if protocol not in get_args(Protocol):
        raise InputError(Option("protocol", protocol), f": expected one of {', '.join(get_args(Protocol))}")
    if not 0 < calibration_fraction < 1:
        raise InputError(Option("calibration_fraction", calibration_fraction), ": expected a number between 0 and 1")
    fixed = protocol == "thesis" or dataset.layout in SAME_TRAINING
    if fixed and calibration_fraction != DEFAULT_FRACTION:
        raise InputError(
            Option("calibration_fraction", calibration_fraction),
            f": protocol {protocol} holds out of {dataset.name} what the thesis does (5.2.4); leave it out",
        )
    if seed < 0:
        raise InputError(Option("seed", seed), ": expected 0 or more")
    rng = np.random.default_rng(seed)
    notes = {}
    if dataset.layout == "coil-100":
        dataset, notes["normal_classes"] = _choose_objects(dataset, rng)
    validation: tuple[Item, ...] = ()
    if fixed:
        train, held_out, test = _with_validation(dataset, rng)
        calibration = _labelled(held_out, 0)
        validation = held_out if protocol == "thesis" else ()
    else:
        train, calibration, test = _without_validation(dataset, rng, calibration_fraction)
    return Split(
        train=_sorted(train),
        calibration=_sorted(calibration),
        validation=_sorted(validation),
        test=_sorted(test),
        protocol=protocol,
        seed=seed,
        notes=notes,
    )


def hold_out(
    what: str, n: int, fraction: float, seed: int, stage: str = "calibration"
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions to keep and positions to hold out of n samples that no layout divides, each in order.

    Args:
        what: name of the samples, for messages.
        fraction: share to hold out, at least one sample.
        stage: purpose of what is held out; another one, another draw.

    Raises:
        InputError: fewer than `MIN_SAMPLES`, or too few left to train on.
    """
    if n < MIN_SAMPLES:
        raise InputError(
            f"{what}: {n} good samples: too few to train and to calibrate; expected at least {MIN_SAMPLES}"
        )
    n_out = max(1, round(fraction * n))
    if n - n_out < MIN_TRAIN:
        raise InputError(
            Option("calibration_fraction", fraction),
            f": leaves {n - n_out} of {n} good samples to train on; choose a smaller one",
        )
    order = np.random.default_rng(seed_from(seed, stage)).permutation(n)
    return np.sort(order[n_out:]), np.sort(order[:n_out])


Three = tuple[tuple[Item, ...], tuple[Item, ...], tuple[Item, ...]]


def _with_validation(dataset: Dataset, rng: np.random.Generator) -> Three:
    """train, labelled validation, test (thesis 5.2.4)."""
    good, anomalous = f"{dataset.root}: good images", f"{dataset.root}: anomalous images"
    if dataset.layout == "mvtec":
        (train,) = _draw(good, dataset.train, [], rng, keep=MIN_TRAIN)
        normal_test, normal_validation = _draw(f"{good} to test", _labelled(dataset.test, 0), [0.5], rng)
    else:
        fractions = [HELD_OUT[dataset.layout]] * 2
        train, normal_validation, normal_test = _draw(good, dataset.train, fractions, rng, keep=MIN_TRAIN)
    anomalous_test, anomalous_validation = _draw(anomalous, _labelled(dataset.test, 1), [0.5], rng)
    return train, normal_validation + anomalous_validation, normal_test + anomalous_test


def _without_validation(dataset: Dataset, rng: np.random.Generator, calibration_fraction: float) -> Three:
    """train, calibration, test for images of the user's own: all bad ones are tested."""
    good, fractions = f"{dataset.root}: good images", [calibration_fraction]
    if dataset.layout == "flat" and dataset.test:
        fractions.append(HELD_OUT["flat"])
    train, calibration, *test = _draw(good, dataset.train, fractions, rng, keep=MIN_TRAIN)
    return train, calibration, (*(item for part in test for item in part), *dataset.test)


def _draw(
    what: str, items: Sequence[Item], fractions: Sequence[float], rng: np.random.Generator, *, keep: int = 1
) -> list[tuple[Item, ...]]:
    """[the rest, a part per fraction], without replacement: no part empty, at least `keep` in the rest."""
    if sum(fractions) >= 1:
        raise InputError(f"{what}: {fractions} of them are held out, nothing is left; choose smaller fractions")
    needed = next(n for n in count(1) if n - sum(_part_sizes(n, fractions)) >= keep)
    if len(items) < needed:
        raise InputError(f"{what}: {len(items)} found; expected at least {needed}, and better hundreds")
    ordered = _sorted(items)
    sizes = _part_sizes(len(ordered), fractions)
    parts = np.split(rng.permutation(len(ordered)), np.cumsum([len(ordered) - sum(sizes), *sizes])[:-1])
    return [tuple(ordered[index] for index in part) for part in parts]


def _part_sizes(n: int, fractions: Sequence[float]) -> list[int]:
    return [max(1, int(fraction * n + 0.5)) for fraction in fractions]


def _choose_objects(dataset: Dataset, rng: np.random.Generator) -> tuple[Dataset, list[str]]:
    """COIL-100: ten objects by lot are normal. They move to `train`; the others stay in `test`."""
    objects = sorted({item.defect for item in dataset.test}, key=_number)
    if len(objects) <= N_NORMAL_OBJECTS:
        raise InputError(f"{dataset.root}: {len(objects)} objects; expected more than {N_NORMAL_OBJECTS}")
    chosen = sorted(rng.choice(objects, N_NORMAL_OBJECTS, replace=False).tolist(), key=_number)
    normal = tuple(replace(item, label=0, defect=GOOD) for item in dataset.test if item.defect in chosen)
    anomalous = tuple(item for item in dataset.test if item.defect not in chosen)
    return replace(dataset, train=normal, test=anomalous), chosen


def _number(name: str) -> int:
    return int(re.sub(r"\D", "", name))


def _sorted(items: Iterable[Item]) -> tuple[Item, ...]:
    return tuple(sorted(items, key=lambda item: item.path.as_posix()))


def _labelled(items: Iterable[Item], label: int) -> tuple[Item, ...]:
    return tuple(item for item in items if item.label == label)
