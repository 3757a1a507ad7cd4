import math

import numpy as np
import pytest

from algan_ad.evaluation.commissioning import (
    Rate,
    Trial,
    count_found,
    expect_false_alarms,
    explain_misses,
    find_smallest,
    smallest_size,
)
from algan_ad.runtime.calibration import Calibration


def trial(kind: str = "hole", size: int = 4, contrast: int = 10, found: bool = False, **changes: float) -> Trial:
    given = {"path": "a.png", "area": 9, "kept": 1.0, "score": 0.0, **changes}
    return Trial(kind=kind, size=size, contrast=contrast, found=found, **given)


def test_rates_are_counted_for_each_kind_and_for_all() -> None:
    trials = [trial(found=True), trial(), trial("dent", found=True), trial(size=8, found=True)]
    assert count_found(trials) == (
        Rate(kind=None, contrast=10, size=4, n=3, found=2),
        Rate(kind=None, contrast=10, size=8, n=1, found=1),
        Rate(kind="hole", contrast=10, size=4, n=2, found=1),
        Rate(kind="hole", contrast=10, size=8, n=1, found=1),
        Rate(kind="dent", contrast=10, size=4, n=1, found=1),
    )


def test_the_smallest_size_is_interpolated_on_the_logarithm() -> None:
    # 0.8 at 8 and 1.0 at 32: half-way from one to the other, 16
    assert smallest_size([2, 8, 32], [0, 8, 10], [10, 10, 10]) == pytest.approx(16)
    assert smallest_size([2, 8, 32], [10, 10, 10], [10, 10, 10]) == pytest.approx(2)
    assert smallest_size([2, 8, 32], [0, 9, 10], [10, 10, 10]) == pytest.approx(8)
    assert smallest_size([2, 8, 32], [0, 5, 8], [10, 10, 10]) == math.inf


def test_a_lucky_small_size_is_averaged_with_the_next_one() -> None:
    # 1.0 at 4 and 0.7 at 8 become 0.85 at both; then 1.0 at 32: a third of the way from 8
    assert smallest_size([2, 4, 8, 32], [0, 10, 7, 10], [10] * 4) == pytest.approx(8 * 4 ** (1 / 3))
    # weighted by their numbers: (10 + 14) / 30 = 0.8, half-way from 8 to 32
    assert smallest_size([2, 4, 8, 32], [0, 10, 14, 10], [10, 10, 20, 10]) == pytest.approx(16)


def test_intervals_narrow_with_the_number_of_defects() -> None:
    def interval(n: int) -> tuple[float, float]:
        shares = zip((2, 4, 8, 16, 32), (0, 0.2, 0.6, 0.95, 1), strict=True)
        rates = [Rate(kind=None, contrast=10, size=s, n=n, found=round(share * n)) for s, share in shares]
        (found,) = find_smallest(rates)
        low, high = found.interval
        assert found.size is not None
        assert low is not None
        assert high is not None
        assert low <= found.size <= high
        return low, high

    few, many = interval(60), interval(2000)
    assert many[1] - many[0] < (few[1] - few[0]) / 2


def test_what_is_never_found_has_no_smallest_size() -> None:
    (found,) = find_smallest([Rate(kind="hole", contrast=10, size=s, n=6, found=0) for s in (2, 4)])
    assert (found.size, found.interval) == (None, (None, None))


def test_false_alarms_of_one_held_out_image_are_uniform() -> None:
    """n = 1, k = 1: Beta(1, 1), and every count among three parts has the probability 1/4."""
    expected = expect_false_alarms(Calibration(scores=(0.0,), false_alarm_rate=0.5), parts_per_shift=3)
    assert expected.rate == 0.5
    assert expected.interval == pytest.approx((0.025, 0.975))
    assert expected.per_shift is not None
    assert (expected.per_shift.expected, expected.per_shift.interval) == (1.5, (0, 3))


def test_false_alarms_of_the_largest_score() -> None:
    """n = 19, k = 1: P(rate > x) = (1 - x)^19."""
    expected = expect_false_alarms(Calibration(scores=tuple(range(19)), false_alarm_rate=0.05))
    assert expected.rate == 1 / 20
    assert expected.interval == pytest.approx((1 - 0.975 ** (1 / 19), 1 - 0.025 ** (1 / 19)))
    assert expected.per_1000.expected == 50
    assert expected.per_shift is None
    assert not expected.approximate


def test_the_interval_covers_the_rate_that_thresholds_have() -> None:
    rng, inside = np.random.default_rng(0), 0
    for _ in range(400):
        calibration = Calibration(scores=tuple(rng.uniform(size=39)), false_alarm_rate=0.1)
        low, high = expect_false_alarms(calibration).interval
        inside += low <= 1 - calibration.threshold <= high
    assert 0.92 <= inside / 400 <= 0.98


def test_a_threshold_without_a_promise_is_approximate() -> None:
    assert expect_false_alarms(Calibration(scores=(1, 2), false_alarm_rate=0.4, also_selected=True)).approximate


def test_misses_are_told_by_what_hid_them() -> None:
    calibration = Calibration(scores=tuple(range(11)), false_alarm_rate=0.01)  # nine in ten are below 9
    trials = [
        trial(found=True, kept=0.1),
        trial(kept=0.4, score=9.5),  # lost, whatever its score
        trial(score=9.5),
        trial(score=8.5),
        trial(score=1),
    ]
    misses = explain_misses(trials, calibration, outside=None, background=0.25, scale=2)
    assert (misses.n, misses.lost, misses.hidden, misses.faint) == (4, 0.25, 0.25, 0.5)
    assert (misses.calibration_n, misses.calibration_needed) == (11, 99)
    assert explain_misses(trials[:1], calibration, None, 0, 1).faint == 0
