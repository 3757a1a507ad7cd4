import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algan_ad.data.layouts import Dataset, Item, open_dataset
from algan_ad.data.recipe import Recipe
from algan_ad.data.splits import Protocol, split
from algan_ad.runtime.errors import InputError

PROTOCOLS = ["normal-only", "thesis"]


def items(n: int, label: int, folder: str) -> tuple[Item, ...]:
    defect = folder if label else "good"
    return tuple(Item(Path(f"/data/{folder}/{i:04}.png"), label, defect) for i in range(n))


def dataset(layout: str, n_train: int, n_anomalous: int, n_normal_test: int = 0) -> Dataset:
    test = items(n_normal_test, 0, "test-good") + items(n_anomalous, 1, "scratch")
    train = items(n_train, 0, "train")
    return Dataset("made", Path("/data"), layout, train, test, (), Recipe(), test_apart=layout == "mvtec")


def coil(n_objects: int = 20, n_views: int = 10) -> Dataset:
    views = tuple(
        Item(Path(f"/data/obj{k}__{5 * v}.png"), 1, f"obj{k}") for k in range(1, n_objects + 1) for v in range(n_views)
    )
    return Dataset("coil-100", Path("/data"), "coil-100", (), views, (), Recipe())


def sizes(parts) -> list[tuple[int, int]]:
    """(normal, anomalous) of train, calibration, validation, test."""
    four = (parts.train, parts.calibration, parts.validation, parts.test)
    return [(sum(i.label == 0 for i in part), sum(i.label for i in part)) for part in four]


# thesis 5.2.4, by hand
CASES = [
    (dataset("mvtec", 209, 63, 20), "thesis", [(209, 0), (10, 0), (10, 32), (10, 31)]),
    (dataset("mvtec", 209, 63, 20), "normal-only", [(167, 0), (42, 0), (0, 0), (20, 63)]),
    (dataset("mtd", 952, 392), "thesis", [(476, 0), (238, 0), (238, 196), (238, 196)]),
    (dataset("mtd", 952, 392), "normal-only", [(476, 0), (238, 0), (0, 0), (238, 196)]),
    (coil(100, 72), "thesis", [(432, 0), (144, 0), (144, 3240), (144, 3240)]),
    (coil(100, 72), "normal-only", [(432, 0), (144, 0), (0, 0), (144, 3240)]),
    (dataset("flat", 100, 7), "thesis", [(60, 0), (20, 0), (20, 4), (20, 3)]),
    (dataset("flat", 100, 7), "normal-only", [(60, 0), (20, 0), (0, 0), (20, 7)]),
    (dataset("flat", 100, 0), "normal-only", [(80, 0), (20, 0), (0, 0), (0, 0)]),
]


@pytest.mark.parametrize(("data", "protocol", "expected"), CASES)
def test_sizes(data, protocol, expected):
    assert sizes(split(data, protocol, seed=3)) == expected


def test_fractions_that_leave_nothing():
    with pytest.raises(InputError, match=r"\[0.85, 0.2\] of them are held out"):
        split(dataset("flat", 100, 5), calibration_fraction=0.85)


def test_calibration_fraction():
    assert sizes(split(dataset("flat", 100, 5), calibration_fraction=0.3)) == [(50, 0), (30, 0), (0, 0), (20, 5)]
    assert sizes(split(dataset("mvtec", 100, 5, 5), calibration_fraction=0.1))[:2] == [(90, 0), (10, 0)]


@given(
    layout=st.sampled_from(["mvtec", "flat", "mtd"]),
    protocol=st.sampled_from(PROTOCOLS),
    n_train=st.integers(5, 60),
    n_anomalous=st.integers(2, 30),
    n_normal_test=st.integers(2, 30),
    seed=st.integers(0, 2**32),
)
def test_invariants(layout, protocol, n_train, n_anomalous, n_normal_test, seed):
    data = dataset(layout, n_train, n_anomalous, n_normal_test if layout == "mvtec" else 0)
    parts = split(data, protocol, seed)
    held_out = parts.validation if protocol == "thesis" else parts.calibration
    for first, second in [(parts.train, held_out), (parts.train, parts.test), (held_out, parts.test)]:
        assert not {i.path for i in first} & {i.path for i in second}
    everything = [*parts.train, *held_out, *parts.test]
    assert len({i.path for i in everything}) == len(everything)
    assert {i for i in everything if not i.label} == {i for i in (*data.train, *data.test) if not i.label}
    assert not any(i.label for i in (*parts.train, *parts.calibration))
    if protocol == "normal-only":
        assert parts.validation == ()
    else:
        assert set(parts.calibration) == {i for i in parts.validation if not i.label}
    shuffler = random.Random(seed)
    shuffled = replace(data, train=_shuffled(data.train, shuffler), test=_shuffled(data.test, shuffler))
    assert split(shuffled, protocol, seed) == parts


def _shuffled(values: tuple[Item, ...], shuffler: random.Random) -> tuple[Item, ...]:
    return tuple(shuffler.sample(values, len(values)))


@pytest.mark.parametrize("data", [dataset("mtd", 100, 40), coil()])
@pytest.mark.parametrize("seed", range(3))
def test_both_protocols_share_train_and_test(data, seed):
    first, second = (split(data, protocol, seed) for protocol in PROTOCOLS)
    assert (first.train, first.test, first.calibration) == (second.train, second.test, second.calibration)


def test_seeds_differ():
    assert split(dataset("mtd", 100, 40), seed=0).train != split(dataset("mtd", 100, 40), seed=1).train


def test_coil_draws_ten_normal_objects_and_says_which():
    parts = split(coil(30, 6), "thesis", seed=5)
    chosen = parts.notes["normal_classes"]
    assert len(set(chosen)) == 10
    assert chosen == sorted(chosen, key=lambda name: int(name[3:]))
    normal = [i for i in (*parts.train, *parts.validation, *parts.test) if not i.label]
    assert {i.path.stem.split("__")[0] for i in normal} == set(chosen)
    assert {i.defect for i in normal} == {"good"}
    anomalous = {i.defect for i in parts.test if i.label}
    assert anomalous
    assert not anomalous & set(chosen)
    assert split(coil(30, 6), "thesis", seed=6).notes["normal_classes"] != chosen


@pytest.mark.parametrize(
    ("data", "protocol", "message"),
    [
        (dataset("flat", 1, 0), "normal-only", "good images: 1 found; expected at least 3"),
        (dataset("flat", 2, 0), "normal-only", "good images: 2 found; expected at least 3"),
        (dataset("flat", 3, 2), "normal-only", "good images: 3 found; expected at least 4"),
        (dataset("flat", 30, 0), "thesis", "anomalous images: 0 found; expected at least 2"),
        (dataset("mvtec", 30, 1, 5), "thesis", "anomalous images: 1 found"),
        (dataset("mvtec", 30, 5, 1), "thesis", "good images to test: 1 found"),
        (dataset("mvtec", 1, 5, 5), "thesis", "good images: 1 found; expected at least 2"),
        (coil(10, 3), "thesis", "10 objects"),
    ],
)
def test_too_few_images(data, protocol, message):
    with pytest.raises(InputError, match=message):
        split(data, protocol)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_options_out_of_range(fraction):
    with pytest.raises(InputError, match="calibration_fraction"):
        split(dataset("flat", 30, 0), calibration_fraction=fraction)
    with pytest.raises(InputError, match="expected one of normal-only, thesis"):
        split(dataset("flat", 30, 0), "paper")


@pytest.mark.shared
def test_real_mtd(shared):
    assert sizes(split(open_dataset(shared / "mtd"), "thesis", 1)) == CASES[2][2]


@pytest.mark.parametrize(
    ("layout", "protocol"), [("mtd", "normal-only"), ("coil-100", "normal-only"), ("flat", "thesis")]
)
def test_a_fraction_where_the_split_is_given_is_refused(layout: str, protocol: Protocol) -> None:
    with pytest.raises(InputError, match=r"calibration_fraction=0.3: .*5\.2\.4"):
        split(dataset(layout, 100, 5), protocol, calibration_fraction=0.3)
