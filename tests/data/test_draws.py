"""Groups of images stay on one side of every split, and without groups nothing is drawn otherwise than before."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from algan_ad.data.draws import draw, place_mixed
from algan_ad.data.layouts import Dataset, Item
from algan_ad.data.recipe import Recipe
from algan_ad.data.splits import split
from algan_ad.runtime.errors import InputError

#: Number of normal and of anomalous images of each group.
GROUPS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=6, max_size=60)


def item(group: int | None, i: int, label: int = 0) -> Item:
    name = "none" if group is None else f"p{group:03}"
    return Item(
        Path(f"/data/{name}/{label}{i:03}.png"), label, "scratch" if label else "good", (), name if group else None
    )


def grouped(sizes: list[tuple[int, int]]) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Normal and anomalous images; group 0 is no group."""
    normal = tuple(item(group, i) for group, (n, _) in enumerate(sizes) for i in range(n))
    anomalous = tuple(item(group, i, 1) for group, (_, n) in enumerate(sizes) for i in range(n))
    return normal, anomalous


def dataset(sizes: list[tuple[int, int]], apart: bool = False) -> Dataset:
    normal, anomalous = grouped(sizes)
    if apart:  # groups of even number are tested
        tested = {each.group for each in (*normal, *anomalous) if each.group and int(each.group[1:]) % 2 == 0}
        train = tuple(each for each in normal if each.group not in tested)
        test = tuple(each for each in (*normal, *anomalous) if each.group in tested)
        return Dataset("made", Path("/data"), "list", train, test, (), Recipe(), test_apart=True)
    return Dataset("made", Path("/data"), "list", normal, anomalous, (), Recipe())


@given(sizes=GROUPS, protocol=st.sampled_from(["normal-only", "thesis"]), apart=st.booleans(), seed=st.integers(0, 99))
def test_no_group_is_on_two_sides(sizes, protocol, apart, seed):
    data = dataset(sizes, apart)
    try:
        parts = split(data, protocol, seed)
    except InputError as error:
        assume(not str(error))  # too few images or too large groups: said, never drawn
    held_out = parts.validation if protocol == "thesis" else parts.calibration
    sides = [parts.train, held_out, parts.test]
    groups = [{each.group for each in side} - {None} for side in sides]
    assert sum(map(len, groups)) == len(set.union(*groups))
    assert all(any(each.label == 0 for each in side) for side in sides[: 3 if data.test and not apart else 2])
    assert not any(each.label for each in (*parts.train, *parts.calibration))
    left_out = {Path(path) for path in parts.notes.get("left_out_by_group", [])}
    drawn = [each.path for side in sides for each in side]
    assert len(drawn) == len(set(drawn))
    assert set(drawn) | left_out == {each.path for each in data.items}
    unseen = {each.group for each in data.items if each.path in left_out}
    assert not {each.label for each in data.items if each.path in left_out} - {1}
    assert unseen <= groups[0] | (groups[1] if protocol == "normal-only" else set())


@given(
    sizes=st.lists(st.integers(1, 20), min_size=8, max_size=80),
    shares=st.tuples(st.floats(0.05, 0.4), st.floats(0.05, 0.4)),
    seed=st.integers(0, 99),
)
def test_sizes_are_near_the_wanted_shares(sizes, shares, seed):
    items, _ = grouped([(0, 0), *((n, 0) for n in sizes)])
    wanted = dict(zip(("calibration", "test"), shares, strict=True))
    try:
        parts = draw("images", items, "train", wanted, np.random.default_rng(seed), keep=2)
    except InputError:
        assume(False)
    for part, share in wanted.items():
        assert abs(len(parts[part]) - share * len(items)) < max(sizes) + 0.5
    if max(sizes) <= 0.02 * len(items):
        assert abs(len(parts["test"]) - wanted["test"] * len(items)) <= max(sizes) / 2 + 0.5


def test_parts_that_show_a_defect_are_tested_as_a_whole():
    parts = split(dataset([(0, 0)] + [(4, 0)] * 90 + [(3, 1)] * 10))
    assert {each.group for each in parts.test if each.label} == {f"p{i:03}" for i in range(91, 101)}
    assert sum(each.label for each in parts.test) == 10
    assert parts.notes == {}


def test_where_every_group_shows_a_defect_those_trained_on_leave_theirs_out():
    parts = split(dataset([(0, 0)] + [(7, 1)] * 50))
    assert len(parts.train) == 30 * 7
    assert len(parts.calibration) == len([each for each in parts.test if not each.label]) == 10 * 7
    assert sum(each.label for each in parts.test) == 10
    assert len(parts.notes["left_out_by_group"]) == 40


def test_both_halves_of_the_thesis_get_defects():
    parts = split(dataset([(0, 0)] + [(4, 0)] * 90 + [(3, 1)] * 10), "thesis")
    assert sum(each.label for each in parts.test) == sum(each.label for each in parts.validation) == 5


def test_a_group_too_large_for_the_test_is_tested_all_the_same():
    """Its normal images outnumber the share of the test, but without it nothing anomalous would be tested."""
    normal, anomalous = grouped([(0, 0), (60, 3), (40, 2)] + [(1, 0)] * 100)
    rng = np.random.default_rng(0)
    placed = place_mixed(normal, anomalous, "train", {"calibration": 0.05, "test": 0.05}, rng)
    assert placed == {"p001": "train", "p002": "test"}


def test_too_few_groups():
    with pytest.raises(InputError, match=r"100 images in 1 groups cannot be divided into train, calibration; expected"):
        split(dataset([(0, 0), (100, 0)]))


def test_without_groups_the_draw_is_that_of_single_images():
    """The bits of every split that was published before there were groups."""
    normal = tuple(item(None, i) for i in range(200))
    anomalous = tuple(item(None, i, 1) for i in range(31))
    flat = Dataset("made", Path("/data"), "flat", normal, anomalous, (), Recipe())
    drawn = hashlib.sha256()
    for protocol in ("normal-only", "thesis"):
        parts = split(flat, protocol, seed=3)
        for side in (parts.train, parts.calibration, parts.validation, parts.test):
            drawn.update(" ".join(each.path.as_posix() for each in side).encode())
    assert drawn.hexdigest() == "bea321565561dd78115ee8af091d349a62fec85e8616a9cda130f6515a79f38d"
