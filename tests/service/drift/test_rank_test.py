"""The sequential test: a martingale exactly, by enumeration; what it finds; its state."""

from collections.abc import Iterator
from itertools import permutations, product
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from algan_ad.runtime.errors import InputError
from algan_ad.service.drift.bets import OF_PICTURES, OF_SCORES, Bet, table
from algan_ad.service.drift.rank_test import Progress, RankTest

BETS = st.lists(
    st.builds(Bet, st.booleans(), st.floats(0, 1), st.floats(0.01, 1), st.floats(0.02, 1)), min_size=1, max_size=4
).map(tuple)  # fmt: skip
NEVER = float("inf")


@given(bets=BETS, n=st.integers(1, 500))
def test_a_bet_pays_1_on_average_over_the_gaps(bets: tuple[Bet, ...], n: int) -> None:
    pays = table(bets, n)
    np.testing.assert_allclose(pays.mean(0), 1)
    assert (pays >= 0).all()
    for bet, each in zip(bets, pays.T, strict=True):
        assert (np.diff(each) * (1 if bet.rises else -1) >= -1e-9).all()


def urn(n: int, length: int) -> Iterator[tuple[tuple[int, ...], float]]:
    """All sequences of gaps of n values, with their probabilities in Polya's urn."""
    for gaps in product(range(n + 1), repeat=length):
        yield gaps, prod((1 + gaps[:t].count(gap)) / (n + 1 + t) for t, gap in enumerate(gaps))


def fed(test: RankTest, values: tuple[float, ...]) -> RankTest:
    for part, value in enumerate(values):
        test.observe(part, value)
    return test


@settings(max_examples=15, deadline=None)
@given(bets=BETS, n=st.integers(1, 3), length=st.integers(1, 4))
def test_the_evidence_less_the_number_of_values_is_a_martingale(bets: tuple[Bet, ...], n: int, length: int) -> None:
    """By enumeration of the urn: E[R_t] = t, and from every past on, E[R_{t+1} | past] = R_t + 1."""
    total = 0.0
    for gaps, chance in urn(n, length):
        past = fed(RankTest(range(n), bets, NEVER), tuple(gap - 0.5 for gap in gaps)).evidence
        total += chance * past
        further = sum(
            (1 + gaps.count(gap)) / (n + 1 + length)
            * fed(RankTest(range(n), bets, NEVER), (*(each - 0.5 for each in gaps), gap - 0.5)).evidence
            for gap in range(n + 1)
        )  # fmt: skip
        assert further == pytest.approx(past + 1)
    assert total == pytest.approx(length)


@pytest.mark.parametrize(("n", "length"), [(1, 5), (2, 4), (3, 3), (4, 2)])
@pytest.mark.parametrize("bets", [OF_SCORES, OF_PICTURES])
def test_it_holds_for_exchangeable_values_in_every_order(n: int, length: int, bets: tuple[Bet, ...]) -> None:
    """No urn here: values in all orders, the first n of them the reference. E[R] = t, P(max R >= A) <= t / A."""
    ends, peaks = [], []
    for values in permutations([0.3, 1, 1.5, 7, 8, 100][: n + length]):
        test, peak = RankTest(values[:n], bets, NEVER), 0.0
        for part, value in enumerate(values[n:]):
            test.observe(part, value)
            peak = max(peak, test.evidence)
        ends.append(test.evidence)
        peaks.append(peak)
    assert np.mean(ends) == pytest.approx(length)
    for limit in sorted(set(peaks)):
        assert np.mean([peak >= limit for peak in peaks]) <= length / limit + 1e-9


def test_p_values_against_a_fixed_reference_taken_for_uniform_would_be_wrong() -> None:
    """The reason for the urn: without it, the same bets give several times as many false alarms as allowed."""
    rng, n, length, limit, runs = np.random.default_rng(0), 20, 400, 8000, 40
    pays, naive, exact = table(OF_SCORES, n), 0, 0
    for _ in range(runs):
        reference, values = rng.random(n), rng.random(length)
        exact += fed(RankTest(reference.tolist(), OF_SCORES, limit), tuple(values)).crossed
        evidence, peak = np.zeros(len(OF_SCORES)), 0.0
        for gap in np.sort(reference).searchsorted(values):
            evidence = (1 + evidence) * pays[gap]
            peak = max(peak, evidence.mean())
        naive += peak >= limit
    allowed = length / limit
    assert binomtest(naive, runs, allowed, "greater").pvalue < 1e-6
    assert binomtest(exact, runs, allowed, "greater").pvalue > 0.05


def test_equal_values_are_ordered_by_lot() -> None:
    assert not fed(RankTest([8.0] * 100, OF_PICTURES, 1e6), (8.0,) * 2000).crossed
    bets, found = (Bet(True, 1, power=0.2),), set()
    for part in range(100):
        test = RankTest([1.0, 8.0, 8.0, 9.0], bets, NEVER)
        test.observe(part, 8.0)
        found.add(test.evidence)
    assert found == set((table(bets, 4)[1:4, 0] * 5 / table(bets, 4)[:, 0].sum()).tolist())


def test_a_new_value_besides_equal_ones_is_found_at_once() -> None:
    test = RankTest([640.0] * 200, OF_PICTURES, 8e6)
    for part in range(1000, 1012):
        test.observe(part, 800.0)
    assert test.crossed
    assert test.change.since == 1000
    assert test.change.rises
    assert (test.change.before, test.change.now, test.change.extreme) == (640, 800, 1)


def test_the_change_is_found_where_it_is() -> None:
    rng = np.random.default_rng(3)
    test = RankTest(rng.normal(size=200).tolist(), OF_SCORES, 8e6)
    fed(test, tuple(rng.normal(size=1000)))
    assert not test.crossed
    for part in range(1000, 1100):
        test.observe(part, rng.normal() - 1.5)
        if test.crossed:
            break
    change = test.change
    assert test.crossed
    assert abs(change.since - 1000) <= 5
    assert change.parts == part - change.since + 1
    assert not change.rises
    assert change.expected == 10 / 201
    assert change.extreme > 5 * change.expected


@settings(max_examples=30, deadline=None)
@given(
    reference=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20),
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20),
    cut=st.integers(0, 20),
)
def test_a_test_that_goes_on_from_json_ends_at_the_same_bits(
    reference: list[float], values: list[float], cut: int
) -> None:
    whole = RankTest(reference, OF_SCORES, 30)
    test = RankTest(reference, OF_SCORES, 30)
    for part, value in enumerate(values):
        whole.observe(part, value)
        if part == cut:
            stored = test.progress.model_dump_json()
            test = RankTest(reference[::-1], OF_SCORES, 30, Progress.model_validate_json(stored))
        test.observe(part, value)
    assert test.progress == whole.progress
    assert (test.crossed, test.evidence) == (whole.crossed, whole.evidence)


@pytest.mark.parametrize("reference", [[], [1.0, float("nan")], [float("inf")]])
def test_a_reference_of_no_values_or_infinite_ones_is_refused(reference: list[float]) -> None:
    with pytest.raises(InputError, match="reference: expected at least one value, all of them finite"):
        RankTest(reference, OF_SCORES, 1000)


def test_a_value_that_is_not_finite_is_refused() -> None:
    test = RankTest([1.0], OF_SCORES, 1000)
    with pytest.raises(InputError, match="part 7: expected a finite value, found nan"):
        test.observe(7, float("nan"))
    assert test.progress.values == 0
