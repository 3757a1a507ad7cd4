"""Trends as numbers: the newest parts in groups of equal size, in the order of the record.

The order is that of the ids, because times may jump. The interval of an alarm rate is that of Clopper & Pearson (1934).
"""

from collections.abc import Sequence

import numpy as np

from algan_ad.runtime.schema import Schema
from algan_ad.service.feedback.estimates import estimate
from algan_ad.service.record.counts import ScoredPart

GROUPS = 30
LEAST = 20  # parts in a group
QUANTILES = (0.05, 0.5, 0.95)


class Group(Schema):
    """Parts that follow each other. first, last: ids; at: time of the last; quantiles: of their scores."""

    first: int
    last: int
    at: str
    n: int
    quantiles: tuple[float, float, float]
    flagged: int
    rate: float
    low: float
    high: float


class Series(Schema):
    """The groups, oldest first, the threshold in use and the rate of false alarms that it promises."""

    groups: list[Group]
    threshold: float
    promise: float


def groups_of(parts: Sequence[ScoredPart]) -> list[Group]:
    """Parts, oldest first, in at most GROUPS groups."""
    size = max(LEAST, -(-len(parts) // GROUPS))
    start = len(parts) % size if len(parts) > size else 0  # the rest, which is the oldest, is left out
    return [_group(parts[i : i + size]) for i in range(start, len(parts), size)]


def _group(parts: Sequence[ScoredPart]) -> Group:
    low, middle, high = np.quantile([part.score for part in parts], QUANTILES).tolist()
    flagged = sum(part.flagged for part in parts)
    rate = estimate(flagged, len(parts))
    return Group(
        first=parts[0].id, last=parts[-1].id, at=parts[-1].at, n=len(parts), quantiles=(low, middle, high),
        flagged=flagged, rate=flagged / len(parts), low=rate.low, high=rate.high,
    )  # fmt: skip
