"""The division of the data into training, calibration, selection and test, by the two protocols."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from algan_ad.data.draws import TESTING, by_path, draw, place_mixed
from algan_ad.data.layouts import GOOD, Dataset, Item
from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.protocols import Protocol
from algan_ad.runtime.seeding import seed_from

N_NORMAL_OBJECTS = 10  # COIL-100, thesis 5.2.4
# Normal images held out for validation, and as many again for the test; the anomalous ones are halved.
HELD_OUT = {"mtd": 0.25, "kolektor-sdd": 1 / 3}  # KolektorSDD: one of the three folds of its paper
HELD_OUT_ELSEWHERE = 0.2
SAME_TRAINING = ("mtd", "coil-100")  # layouts with the same training and test images under both protocols
DEFAULT_FRACTION = 0.2  # of the good images, to calibrate
MIN_TRAIN = 2  # batch normalisation cannot learn from one image
MIN_SAMPLES = MIN_TRAIN + 1  # one to calibrate


@dataclass(frozen=True)
class Split:
    """Four lists of images, each sorted by path.

    Under "normal-only" no anomaly appears outside `test`, and `validation` is empty. Under "thesis"
    `validation` is labelled and selects the checkpoint; `calibration` is its normal images.
    All images of a group (`Item.group`) are in one of the parts that are held apart: train, calibration or validation,
    and test. `notes` holds the results of drawing by lot, which belong beside every figure: the normal objects of
    COIL-100, and the anomalous images in no part, because their group is trained on or calibrated with.
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

    "thesis" (5.2.4): a test set that is set apart is halved into validation and test, label by label; images set apart
    to calibrate join validation. Elsewhere the normal images go to train, validation and test (MTD 50/25/25 %,
    KolektorSDD in thirds, others 60/20/20 %) and the anomalous ones in halves to validation and test.

    "normal-only": MTD and COIL-100 keep the train and test of "thesis", and the normal validation images
    calibrate. Elsewhere the images set apart to calibrate do so, or else `calibration_fraction` of the good images, and
    all labelled images are tested; if no test set is set apart, a fifth of the good ones (KolektorSDD: a third)
    joins the bad ones in the test.

    Groups are drawn as a whole. A group with images of both labels goes to a part that tests while there is room; the
    anomalous images of the others are left out.

    Raises:
        InputError: too few images, or groups too large, no anomalous images under "thesis", an option out of range, or
            a calibration fraction where the split is fixed.
    """
    if protocol not in get_args(Protocol):
        raise InputError(Option("protocol", protocol), f": expected one of {', '.join(get_args(Protocol))}")
    if not 0 < calibration_fraction < 1:
        raise InputError(Option("calibration_fraction", calibration_fraction), ": expected a number between 0 and 1")
    fixed = protocol == "thesis" or dataset.layout in SAME_TRAINING
    if calibration_fraction != DEFAULT_FRACTION and (fixed or dataset.calibration):
        why = f"protocol {protocol} divides {dataset.name} as the thesis does (5.2.4)"
        if not fixed:
            why = f"{dataset.name} itself sets apart the images that calibrate"
        raise InputError(Option("calibration_fraction", calibration_fraction), f": {why}; leave it out")
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
    used = {item.path for item in (*train, *calibration, *validation, *test)}
    unused = [item for item in by_path(dataset.items) if item.group is not None and item.path not in used]
    if unused:
        notes["left_out_by_group"] = [str(item.path) for item in unused]
    return Split(
        train=by_path(train),
        calibration=by_path(calibration),
        validation=by_path(validation),
        test=by_path(test),
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
        stage: purpose of the samples held out; another purpose gives another draw.

    Raises:
        InputError: fewer than `MIN_SAMPLES`, or too few left to train on.
    """
    if n < MIN_SAMPLES:
        raise InputError(
            f"{what}: {n} good samples are too few to train and to calibrate; expected at least {MIN_SAMPLES}"
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
    """Images for train, labelled validation and test (thesis 5.2.4)."""
    good, anomalous = f"{dataset.root}: good images", _labelled(dataset.test, 1)
    if dataset.test_apart:
        train = draw(good, dataset.train, "train", {}, rng, keep=MIN_TRAIN)["train"]
        what, normal, rest, shares, keep = f"{good} to test", _labelled(dataset.test, 0), "test", {"validation": 0.5}, 1
    else:
        share = HELD_OUT.get(dataset.layout, HELD_OUT_ELSEWHERE)
        what, normal, rest, shares, keep = good, dataset.train, "train", {"validation": share, "test": share}, MIN_TRAIN
    placed = place_mixed(normal, anomalous, rest, shares, rng)
    parts = draw(what, normal, rest, shares, rng, keep=keep, placed=placed)
    tested = _testable(anomalous, placed)
    bad = draw(f"{dataset.root}: anomalous images", tested, "test", {"validation": 0.5}, rng, placed=placed)
    validation = (*parts["validation"], *bad["validation"], *dataset.calibration)
    return parts["train"] if rest == "train" else train, validation, parts["test"] + bad["test"]


def _without_validation(dataset: Dataset, rng: np.random.Generator, calibration_fraction: float) -> Three:
    """Images for train, calibration and test, from a user's own images: all bad ones are tested."""
    shares = {} if dataset.calibration else {"calibration": calibration_fraction}
    placed: dict[str, str] = {}
    tested = dataset.test
    if dataset.test and not dataset.test_apart:
        shares["test"] = HELD_OUT.get(dataset.layout, HELD_OUT_ELSEWHERE)
        placed = place_mixed(dataset.train, dataset.test, "train", shares, rng)
        tested = _testable(dataset.test, placed)
    parts = draw(f"{dataset.root}: good images", dataset.train, "train", shares, rng, keep=MIN_TRAIN, placed=placed)
    calibration = dataset.calibration or parts["calibration"]
    return parts["train"], calibration, (*parts.get("test", ()), *tested)


def _testable(anomalous: Iterable[Item], placed: dict[str, str]) -> tuple[Item, ...]:
    """Anomalous images whose group is neither trained on nor calibrated with."""
    return tuple(item for item in anomalous if placed.get(item.group or "", "test") in TESTING)


def _choose_objects(dataset: Dataset, rng: np.random.Generator) -> tuple[Dataset, list[str]]:
    """Draw the ten normal objects of COIL-100. They move to `train`; the others stay in `test`."""
    objects = sorted({item.defect for item in dataset.test}, key=_number)
    if len(objects) <= N_NORMAL_OBJECTS:
        raise InputError(f"{dataset.root}: {len(objects)} objects; expected more than {N_NORMAL_OBJECTS}")
    chosen = sorted(rng.choice(objects, N_NORMAL_OBJECTS, replace=False).tolist(), key=_number)
    normal = tuple(replace(item, label=0, defect=GOOD) for item in dataset.test if item.defect in chosen)
    anomalous = tuple(item for item in dataset.test if item.defect not in chosen)
    return replace(dataset, train=normal, test=anomalous), chosen


def _number(name: str) -> int:
    return int(re.sub(r"\D", "", name))


def _labelled(items: Iterable[Item], label: int) -> tuple[Item, ...]:
    return tuple(item for item in items if item.label == label)
