"""Comparison of methods: over seeds by pairs, and over categories by ranks. NumPy and SciPy."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algan_ad.runtime.errors import InputError

Floats = NDArray[np.float64]

#: Fewer seeds show nothing: Student's t interval of two differences is 13 times as wide as their distance.
FEWEST_SEEDS = 3


class Spread(NamedTuple):
    """Mean and sample standard deviation (divisor n - 1) of n values, and the t interval of the mean.

    For a single value everything except the mean is NaN.
    """

    mean: float
    sd: float
    low: float
    high: float
    n: int


class Difference(NamedTuple):
    """Mean of paired differences, its t interval, and the two-sided p-value of Student's paired test."""

    mean: float
    low: float
    high: float
    p: float
    n: int


class Ranking(NamedTuple):
    """Average ranks over cases, 1 = best, with Friedman's test and Nemenyi's critical difference (Demšar, 2006).

    Attributes:
        ranks: average rank of each method, in the order they were given.
        critical_difference: two methods whose average ranks differ by more than this differ significantly.
        statistic: Friedman's chi-square, corrected for ties; 0 where all methods tie everywhere.
        p: its p-value, from k - 1 degrees of freedom.
        n: number of cases.
    """

    ranks: tuple[float, ...]
    critical_difference: float
    statistic: float
    p: float
    n: int


def spread(values: ArrayLike, level: float = 0.95) -> Spread:
    """Mean, deviation and interval of finite values (n,), n >= 1. Raises InputError for other values."""
    x = _finite_vector(values, "values")
    mean = float(x.mean())
    if x.size == 1:
        return Spread(mean, math.nan, math.nan, math.nan, 1)
    sd = float(x.std(ddof=1))
    half = _t_quantile(level, x.size - 1) * sd / math.sqrt(x.size)
    return Spread(mean, sd, mean - half, mean + half, x.size)


def paired_difference(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Difference:
    """Mean, interval and p-value of a - b, both (n,); a[i] and b[i] come from one seed (one split of the same data).

    Seeds that share images are not independent, so that over few of them the interval is narrower than it should be.
    """
    first, second = _finite_vector(a, "a"), _finite_vector(b, "b")
    if first.shape != second.shape:
        raise InputError(f"Pairs need as many values on both sides, not {first.size} and {second.size}.")
    found = spread(first - second, level)
    return Difference(found.mean, found.low, found.high, _two_sided(found), found.n)


def leaders(values: Sequence[Mapping[int, float]], sign: int, level: float = 0.95) -> list[bool]:
    """True for each method that nothing beats: the best mean, and those that do not differ from it significantly.

    `values` are those of each method by seed; `sign` is 1 where more is better, -1 where less is. Differences are
    paired by seed (`paired_difference`). Methods that share fewer than `FEWEST_SEEDS` seeds with the best are False. If
    no method is shown to be worse than the best, nothing is distinguished, and all are False.
    """
    means = [sign * sum(each.values()) / len(each) if len(each) >= FEWEST_SEEDS else -math.inf for each in values]
    if not means or max(means) == -math.inf:
        return [False] * len(means)
    best = values[means.index(max(means))]
    judged = [_p_value(best, each) for each in values]
    worse = [p is not None and p < 1 - level for p in judged]
    return [any(worse) and p is not None and not w for p, w in zip(judged, worse, strict=True)]


def _p_value(a: Mapping[int, float], b: Mapping[int, float]) -> float | None:
    """The p-value of the paired test over common seeds; None with too few of them."""
    seeds = sorted(a.keys() & b.keys())
    if len(seeds) < FEWEST_SEEDS:
        return None
    return paired_difference([a[seed] for seed in seeds], [b[seed] for seed in seeds]).p


def ranking(scores: ArrayLike, level: float = 0.95) -> Ranking:
    """Ranks of k methods over n cases: scores (n, k), higher = better; equal scores share the mean of their ranks.

    Raises InputError for fewer than 2 methods or 2 cases, or values that are not finite.
    """
    from scipy import stats

    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all():
        raise InputError(f"Ranks need finite scores (n >= 2 cases, k >= 2 methods), not shape {table.shape}.")
    n, k = table.shape
    ranks = stats.rankdata(-table, axis=1)
    # Friedman with the correction for ties: between-method variation of the ranks over their variation within cases
    within = float(np.sum((ranks - (k + 1) / 2) ** 2)) / (n * (k - 1))
    between = n * float(np.sum((ranks.mean(0) - (k + 1) / 2) ** 2))
    statistic = between / within if within else 0.0
    return Ranking(
        tuple(float(rank) for rank in ranks.mean(0)),
        critical_difference(k, n, level),
        statistic,
        float(stats.chi2.sf(statistic, k - 1)),
        n,
    )


def critical_difference(k: int, n: int, level: float = 0.95) -> float:
    """Nemenyi's critical difference for the average ranks of k methods over n cases (Demšar, 2006, eq. for CD)."""
    from scipy import stats

    q = float(stats.studentized_range.ppf(level, k, np.inf)) / math.sqrt(2)
    return q * math.sqrt(k * (k + 1) / (6 * n))


def cliques(ranks: Sequence[float], critical_difference: float) -> list[tuple[int, ...]]:
    """The largest groups of methods, as indices in order of rank, within which no two differ significantly."""
    order = sorted(range(len(ranks)), key=lambda i: ranks[i])
    found: list[tuple[int, ...]] = []
    for start, first in enumerate(order):
        group = tuple(i for i in order[start:] if ranks[i] - ranks[first] <= critical_difference)
        if len(group) > 1 and not (found and group[-1] == found[-1][-1]):  # not part of the group before
            found.append(group)
    return found


def _two_sided(found: Spread) -> float:
    from scipy import stats

    if found.n == 1:
        return math.nan
    if found.sd == 0:
        return 1.0 if found.mean == 0 else 0.0
    return float(2 * stats.t.sf(abs(found.mean) / found.sd * math.sqrt(found.n), found.n - 1))


def _t_quantile(level: float, degrees: int) -> float:
    from scipy import stats

    if not 0 < level < 1:
        raise InputError(f"The level must lie in (0, 1), not {level}.")
    return float(stats.t.ppf((1 + level) / 2, degrees))


def _finite_vector(values: ArrayLike, name: str) -> Floats:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or x.size == 0 or not np.isfinite(x).all():
        raise InputError(f"{name}: expected one or more finite numbers (n,), not shape {x.shape} with NaN or infinity")
    return x
