"""Numbers behind the drawings: histograms, trends, their groups."""

import itertools

import pytest

from algan_ad.service.page.histogram import histogram
from algan_ad.service.page.series import GROUPS, groups_of
from algan_ad.service.record.counts import ScoredPart


def test_a_histogram_keeps_everything_inside() -> None:
    found = histogram([1, 2, 2, 3, 900], [3], 50)
    assert found.n == 5
    assert (found.beyond, found.score) == (True, 100)
    assert all(0 <= left <= 100 and 0 < height <= 100 for left, _, height in found.bars)
    assert sum(height for _, _, height in found.bars) == pytest.approx(250)  # 2 of 5 stand highest; none is left out
    assert 40 < found.thresholds[0] < 60


def test_a_histogram_of_one_score() -> None:
    found = histogram([0.0], [0.0], 0.0)
    assert (found.beyond, len(found.bars)) == (False, 1)


def parts(n: int) -> list[ScoredPart]:
    return [ScoredPart(number, f"at {number}", float(number), number > n - 4) for number in range(1, n + 1)]


@pytest.mark.parametrize(("n", "sizes"), [(0, []), (7, [7]), (50, [20, 20]), (300, [20] * 15), (3000, [100] * GROUPS)])
def test_groups_are_of_equal_size_and_end_with_the_newest(n: int, sizes: list[int]) -> None:
    found = groups_of(parts(n))
    assert [group.n for group in found] == sizes
    assert [group.last for group in found[-1:]] == [n][: len(sizes)]
    assert all(after.first == before.last + 1 for before, after in itertools.pairwise(found))


def test_a_group_in_figures() -> None:
    (group,) = groups_of(parts(20))
    assert group.quantiles == pytest.approx((1.95, 10.5, 19.05))
    assert (group.flagged, group.rate, group.at) == (4, 0.2, "at 20")
    assert group.low < 0.2 < group.high
