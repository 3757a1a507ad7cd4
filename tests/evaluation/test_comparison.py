import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algan_ad.evaluation.comparison import (
    cliques,
    critical_difference,
    leaders,
    paired_difference,
    ranking,
    spread,
)
from algan_ad.runtime.errors import InputError

# Demšar (JMLR 7, 2006), Table 6: AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets. On "voting" the last two
# are both printed as 0.975 and ranked 2 and 3, from digits that were not printed.
DEMSAR = np.array([
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.975, 0.9749], [0.957, 0.978, 0.946, 0.970],
])  # fmt: skip


def test_spread_by_hand() -> None:
    # values 1, 2, 3: sd 1, standard error 1/sqrt(3), t(0.975, 2) = 4.3027
    found = spread([1.0, 2.0, 3.0])
    assert found[:2] == (2.0, 1.0)
    assert found.low == pytest.approx(2 - 4.302653 / math.sqrt(3), abs=1e-6)
    assert found.high == pytest.approx(2 + 4.302653 / math.sqrt(3), abs=1e-6)
    assert found.n == 3


def test_one_value_has_no_spread() -> None:
    found = spread([0.9])
    assert found.mean == 0.9
    assert math.isnan(found.sd)
    assert math.isnan(found.low)


def test_pairing_removes_what_a_seed_does_to_both() -> None:
    # Seeds move both methods by tenths, their difference only by hundredths: 0.02, 0.03, 0.04.
    a, b = np.array([0.62, 0.83, 0.94]), np.array([0.60, 0.80, 0.90])
    found = paired_difference(a, b)
    assert found.mean == pytest.approx(0.03)
    half = 4.302653 * 0.01 / math.sqrt(3)
    assert (found.low, found.high) == pytest.approx((0.03 - half, 0.03 + half))
    # t = 0.03 / (0.01 / sqrt 3) = 5.196 with 2 degrees: p = 1 - t / sqrt(2 + t^2)
    assert found.p == pytest.approx(1 - 5.196152 / math.sqrt(2 + 27), abs=1e-6)


def test_difference_of_a_method_with_itself() -> None:
    found = paired_difference([0.5, 0.7], [0.5, 0.7])
    assert found == (0.0, 0.0, 0.0, 1.0, 2)
    assert paired_difference([0.6, 0.8], [0.5, 0.7]).mean == pytest.approx(0.1)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6), st.floats(0.01, 1))
def test_swapping_the_sides_turns_the_sign(values: list[float], shift: float) -> None:
    a, b = np.array(values), np.array(values[::-1]) * shift
    there, back = paired_difference(a, b), paired_difference(b, a)
    assert there.mean == pytest.approx(-back.mean)
    assert there.low == pytest.approx(-back.high)
    assert there.p == pytest.approx(back.p)


def test_average_ranks_of_demsars_example() -> None:
    found = ranking(DEMSAR)
    assert found.ranks == pytest.approx((3.143, 2.000, 2.893, 1.964), abs=5e-4)
    assert found.n == 14


@pytest.mark.parametrize(("level", "expected"), [(0.95, 2.569), (0.90, 2.291)])
def test_critical_difference_of_demsars_example(level: float, expected: float) -> None:
    assert critical_difference(4, 14, level) == pytest.approx(expected * math.sqrt(4 * 5 / (6 * 14)), abs=1e-3)


def test_friedman_agrees_with_scipy_ties_and_all() -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.friedmanchisquare(*DEMSAR.T)
    found = ranking(DEMSAR)
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue))


def test_friedman_by_hand() -> None:
    # Three methods in the same order in all 4 cases: 12 * 4 / (3 * 4) * (1 + 4 + 9 - 3 * 16 / 4) = 8
    found = ranking(np.tile([0.9, 0.8, 0.7], (4, 1)))
    assert found.ranks == (1.0, 2.0, 3.0)
    assert found.statistic == pytest.approx(8.0)
    assert found.p == pytest.approx(math.exp(-4))  # chi-square with 2 degrees of freedom


def test_methods_that_always_tie_do_not_differ() -> None:
    found = ranking(np.full((5, 3), 0.5))
    assert found.ranks == (2.0, 2.0, 2.0)
    assert (found.statistic, found.p) == (0.0, 1.0)


def test_cliques_are_maximal_and_in_order() -> None:
    ranks = (3.143, 2.000, 2.893, 1.964)
    assert cliques(ranks, 1.25) == [(3, 1, 2, 0)]
    assert cliques(ranks, 1.0) == [(3, 1, 2), (2, 0)]  # (1, 2) is part of the first
    assert cliques([1.0, 2.0, 3.0], 0.5) == []


@pytest.mark.parametrize("scores", [[0.5, 0.6], [[0.5, 0.6]], [[0.5], [0.6]], [[0.5, np.nan], [0.1, 0.2]]])
def test_what_cannot_be_ranked_is_refused(scores: object) -> None:
    with pytest.raises(InputError, match="Ranks need"):
        ranking(scores)  # type: ignore[arg-type]


def test_empty_unequal_and_nan_are_refused() -> None:
    with pytest.raises(InputError, match="finite"):
        spread([])
    with pytest.raises(InputError, match="finite"):
        spread([0.1, math.nan])
    with pytest.raises(InputError, match="as many"):
        paired_difference([0.1], [0.1, 0.2])
    with pytest.raises(InputError, match="level"):
        spread([0.1, 0.2], level=1.0)


STEADY = {0: 0.90, 1: 0.92, 2: 0.94}


def shifted(by: float, noise: float = 0.0) -> dict[int, float]:
    return {seed: value + by + noise * (-1) ** seed for seed, value in STEADY.items()}


def test_leaders_are_the_best_and_those_not_shown_to_be_worse() -> None:
    assert leaders([STEADY, shifted(-0.01, noise=0.02), shifted(-0.1, noise=0.001)], 1) == [True, True, False]
    assert leaders([STEADY, shifted(-0.01, noise=0.02), shifted(-0.1, noise=0.001)], -1) == [False, False, True]


def test_where_all_is_noise_nobody_leads() -> None:
    assert leaders([STEADY, shifted(-0.01, noise=0.02)], 1) == [False, False]
    assert leaders([STEADY, dict(STEADY)], 1) == [False, False]


def test_fewer_than_three_seeds_show_nothing() -> None:
    few = {0: 0.99, 1: 0.99}
    assert leaders([few, {0: 0.5, 1: 0.5}], 1) == [False, False]
    assert leaders([few, STEADY, shifted(-0.1, noise=0.001)], 1) == [False, True, False]
    assert leaders([{}, {}], 1) == [False, False]
