from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.numbers import percent

NAN, INF = float("nan"), float("inf")


def calibration(scores: object, rate: float) -> Calibration:
    return Calibration(scores=scores, false_alarm_rate=rate)  # type: ignore[arg-type]


# Few distinct values, so that ties abound, next to arbitrary ones.
scores = st.one_of(
    st.integers(-3, 3).map(float), st.floats(-1e6, 1e6), st.floats(allow_nan=False, allow_infinity=False)
)
score_lists = st.lists(scores, min_size=1, max_size=60)
# Rates that are fractions of n+1, a hair beside them, or arbitrary.
fractions = st.builds(lambda k, m: k / m, st.integers(1, 30), st.integers(31, 61))
hairs = st.builds(lambda rate, up: float(np.nextafter(rate, up)), fractions, st.sampled_from([0.0, 1.0]))
rates = st.one_of(fractions, hairs, st.floats(1e-6, 1, exclude_max=True))


def test_by_hand() -> None:
    c = calibration([4, 1, 3, 2, 5, 9, 8, 7, 6], 0.2)  # n = 9, k = floor(0.2 * 10) = 2
    assert c.scores == (1, 2, 3, 4, 5, 6, 7, 8, 9)
    assert (c.threshold, c.guaranteed_rate, c.sufficient, c.needed) == (8, 0.2, True, 4)
    assert c.p_values([0, 1, 5, 8, 8.5, 9, 10]) == pytest.approx([1, 1, 0.6, 0.3, 0.2, 0.2, 0.1])
    assert c.decide([8, np.nextafter(8, 9), 10]).tolist() == [False, True, True]


def test_a_rate_between_two_steps_is_rounded_down() -> None:
    c = calibration(range(1, 10), 0.29)
    assert (c.threshold, c.guaranteed_rate) == (8, 0.2)


@pytest.mark.parametrize("hundredths", range(1, 100))
def test_round_rates_are_not_lost_to_rounding(hundredths: int) -> None:
    c = calibration(range(1, 100), hundredths / 100)  # e.g. 0.29 * 100 = 28.999999999999996
    assert c.threshold == 100 - hundredths
    assert c.guaranteed_rate == hundredths / 100


@given(score_lists, rates, st.lists(scores, min_size=1))
def test_the_decision_is_that_of_the_p_value(held_out: list[float], rate: float, new: list[float]) -> None:
    c = calibration(held_out, rate)
    with np.errstate(over="ignore"):
        just_above = np.nextafter(c.threshold, np.inf)
    points = np.array([*new, *held_out, just_above])
    points = points[np.isfinite(points)]
    if c.sufficient:
        assert (c.decide(points) == (c.p_values(points) <= rate)).all()
        assert c.nominal_rate <= rate
    else:
        assert not (c.p_values(points) <= rate).any()
        assert c.threshold == max(held_out)


@pytest.mark.parametrize("n", [1, 2, 9, 19, 48, 60, 99, 134])
def test_rates_a_hair_beside_a_step_are_decided_exactly(n: int) -> None:
    for k in range(1, n + 1):
        step = k / (n + 1)
        for rate in (np.nextafter(step, 0), step, np.nextafter(step, 1)):
            c = calibration(range(n), float(rate))
            assert (c.nominal_rate <= rate) == c.sufficient
            assert not c.sufficient or (c.decide(range(n + 1)) == (c.p_values(range(n + 1)) <= rate)).all()


@given(score_lists, rates, scores)
def test_p_values_follow_their_definition(held_out: list[float], rate: float, new: float) -> None:
    expected = (1 + sum(score >= new for score in held_out)) / (len(held_out) + 1)
    assert calibration(held_out, rate).p_values(new) == expected


@given(score_lists, rates, st.lists(scores, min_size=2))
def test_a_higher_score_is_never_less_anomalous(held_out: list[float], rate: float, new: list[float]) -> None:
    c = calibration(held_out, rate)
    assert (np.diff(c.p_values(sorted(new))) <= 0).all()
    assert (np.diff(c.decide(sorted(new)).astype(int)) >= 0).all()


@given(score_lists, rates, rates)
def test_a_higher_rate_never_raises_the_threshold(held_out: list[float], one: float, other: float) -> None:
    low, high = sorted((one, other))
    strict = calibration(held_out, low)
    assert strict.with_rate(high) == calibration(held_out, high)
    assert strict.with_rate(high).threshold <= strict.threshold


@given(score_lists, rates)
def test_of_the_held_out_scores_no_more_than_guaranteed_are_flagged(held_out: list[float], rate: float) -> None:
    c = calibration(held_out, rate)
    assert c.decide(held_out).mean() <= c.nominal_rate


@given(score_lists, rates, st.randoms())
def test_the_order_and_the_type_of_the_scores_do_not_matter(held_out: list[float], rate: float, random: Random) -> None:
    shuffled = list(held_out)
    random.shuffle(shuffled)
    assert calibration(np.array(shuffled), rate) == calibration(tuple(held_out), rate)


@given(rates)
def test_needed_is_the_least_sufficient_number(rate: float) -> None:
    needed = calibration([0.0], rate).needed
    assert 1 / (needed + 1) <= rate
    assert needed == 0 or 1 / needed > rate


@pytest.mark.parametrize(("rate", "needed"), [(0.05, 19), (0.1, 9), (0.01, 99), (0.5, 1), (1 / 49, 48), (0.3, 3)])
def test_one_normal_example_decides_whether_there_are_enough(rate: float, needed: int) -> None:
    enough = calibration(np.arange(needed), rate)
    assert enough.needed == needed
    assert enough.sufficient
    assert enough.threshold == needed - 1  # the largest
    if needed > 1:
        assert not calibration(np.arange(needed - 1), rate).sufficient


def test_too_few_scores_say_how_many_are_needed() -> None:
    c = calibration([0.1, 0.3, 0.2], 0.01)
    assert (c.sufficient, c.threshold, c.guaranteed_rate, c.needed) == (False, 0.3, 0.25, 99)
    assert c.decide([0.3, 0.31]).tolist() == [False, True]
    text = c.explain()
    assert "too few" in text
    assert "25 %" in text
    assert "at least 99 normal examples" in text


def test_enough_scores_are_explained_with_what_they_guarantee() -> None:
    text = calibration(range(200), 0.05).explain()  # k = floor(0.05 * 201) = 10
    assert "above 190 are anomalous" in text
    assert "4.98 %" in text
    assert "wanted: 5 %" in text
    assert "too few" not in text


@pytest.mark.parametrize(("n", "enough"), [(200, True), (3, False)])
def test_nothing_is_guaranteed_where_the_same_examples_chose_the_epoch(n: int, enough: bool) -> None:
    exchangeable = calibration(range(n), 0.05)
    selected = Calibration(scores=tuple(range(n)), false_alarm_rate=0.05, also_selected=True)
    assert selected.guaranteed_rate is None
    assert selected.nominal_rate == exchangeable.nominal_rate == exchangeable.guaranteed_rate
    assert selected.threshold == exchangeable.threshold
    text = selected.explain()
    assert f"{percent(selected.nominal_rate)} of good ones" in text
    assert "approximately, because the same normals chose the epoch" in text
    assert "guarantee" not in text
    assert "at most" not in text
    assert ("at least 19" in text) != enough
    assert selected.with_rate(0.5).also_selected


def test_all_scores_equal() -> None:
    c = calibration([2.0] * 30, 0.1)
    assert c.threshold == 2
    assert c.decide([2.0, 2.0000001]).tolist() == [False, True]
    assert c.p_values([1.9, 2.0, 2.1]) == pytest.approx([1, 1, 1 / 31])


def test_shapes_are_kept() -> None:
    c = calibration([1, 2, 3], 0.5)
    assert c.p_values(2.5).shape == ()
    assert c.p_values(np.zeros((2, 3))).shape == c.decide(np.zeros((2, 3))).shape == (2, 3)
    assert c.decide([]).shape == (0,)
    assert c.decide(2.5).dtype == bool
    assert c.p_values(2.5).dtype == np.float64


@pytest.mark.parametrize("bad", [[], [1, NAN], [INF], [-INF, 1], [[1.0, 2.0]], ["x"], 3.0, None])
def test_scores_that_cannot_be_used_are_refused(bad: object) -> None:
    with pytest.raises(InputError, match="scores"):
        calibration(bad, 0.1)


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5, NAN, INF, 1e-9, "x"])
def test_rates_that_make_no_sense_are_refused(rate: float) -> None:
    with pytest.raises(InputError, match="false_alarm_rate"):
        calibration([1.0], rate)
    with pytest.raises(InputError, match="false_alarm_rate"):
        calibration([1.0], 0.5).with_rate(rate)


@pytest.mark.parametrize("bad", [NAN, [1, INF], ["x"]])
def test_new_scores_must_be_finite_numbers(bad: object) -> None:
    c = calibration([1.0], 0.5)
    with pytest.raises(InputError, match="scores"):
        c.p_values(bad)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="scores"):
        c.decide(bad)  # type: ignore[arg-type]


@given(score_lists, rates)
def test_json_round_trip_is_exact(held_out: list[float], rate: float) -> None:
    c = calibration(held_out, rate)
    again = Calibration.model_validate_json(c.model_dump_json())
    assert again == c
    assert again.threshold == c.threshold


@pytest.mark.parametrize(("n", "rate"), [(50, 0.1), (19, 0.05), (5, 0.01)])
@pytest.mark.parametrize("shape", ["normal", "heavy tail"])
def test_the_realised_rate_is_the_guaranteed_one(n: int, rate: float, shape: str) -> None:
    rng = np.random.default_rng(0)
    draw = rng.standard_normal if shape == "normal" else rng.standard_cauchy
    flagged = [calibration(draw(n), rate).decide(draw(100)).mean() for _ in range(2000)]
    guaranteed = calibration(np.zeros(n), rate).nominal_rate
    # Without ties the mean over calibration sets is the guarantee itself, k/(n+1).
    assert np.mean(flagged) == pytest.approx(guaranteed, abs=4 * np.std(flagged) / 2000**0.5)


def test_with_ties_the_realised_rate_is_below_the_guarantee() -> None:
    rng = np.random.default_rng(1)
    flagged = [calibration(rng.integers(0, 5, 50), 0.1).decide(rng.integers(0, 5, 100)).mean() for _ in range(1000)]
    assert np.mean(flagged) < 0.1


def test_refits_estimate_and_do_not_guarantee() -> None:
    calibration = Calibration(scores=tuple(range(99)), false_alarm_rate=0.05, refits=5)
    assert calibration.guaranteed_rate is None
    assert calibration.nominal_rate == pytest.approx(0.05)
    assert "that refits left out" in calibration.explain()
    assert "because 5 refits scored them" in calibration.explain()
    assert calibration.with_rate(0.1).refits == 5
