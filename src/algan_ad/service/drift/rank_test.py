"""A sequential test of new values against a fixed reference of any size, with a known rate of false alarms.

Let the n values of a reference and the new ones be exchangeable. The reference is fixed, and finite: given it, the
p-values of new values are independent, but not uniform, because the gap between two of its values holds more or less
than 1/(n+1) of what is to come. A martingale that takes them for uniform grows in the end, whatever n. The gaps that
new values fall into follow Polya's urn exactly (Blackwell & MacQueen 1973, Ferguson distributions via Polya urn
schemes): after t values, c of them in a gap, the next one falls into it with probability (1 + c) / (n + 1 + t). So a
bet with the pays g is fair when it is divided by its mean over the n + 1 gaps and the t values so far:

    L_t = g(gap_t) / mean g,    E[L_t | past] = 1.

R_t = (1 + R_{t-1}) L_t, R_0 = 0 (Shiryaev 1963; Roberts 1966) is the sum of the likelihood ratios of all times at
which the change may have happened. R_t - t is a martingale, and so is the mean over several bets. With an alarm at R
>= A, at least A good values pass until a false alarm, on average, by optional stopping, and P(alarm within N good
values) <= N / A, by Doob's inequality. Both hold over references and values together, from each start of the test.

The test learns from good values: the longer it has run, the smaller the changes that it finds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.schema import Schema
from algan_ad.service.drift.bets import Bet, table

TAIL = 0.05  # of a reference: what lies in it is called extreme
_SEED = 20031963  # of the order of equal values, any number


class Progress(Schema):
    """A test so far; the tuples hold a value for each bet. JSON keeps every bit of it.

    pays: sum over the gaps of the reference and the values so far. evidence: R. peak: the likelihood ratio of the most
    likely change, CUSUM (Page 1954); `since` names its first part, and the others describe the parts from there on.
    """

    values: int = 0
    crossed: bool = False
    pays: tuple[float, ...]
    evidence: tuple[float, ...]
    peak: tuple[float, ...]
    since: tuple[int, ...]
    parts: tuple[int, ...]
    extreme: tuple[int, ...]
    total: tuple[float, ...]


@dataclass(frozen=True)
class Change:
    """The most likely change: its first part and the number of parts since then, with their mean.

    extreme: share of them in the outer TAIL of the reference, in the direction of the change; expected: the same share
    without a change. before: median of the reference.
    """

    since: int
    parts: int
    rises: bool
    extreme: float
    expected: float
    before: float
    now: float


class RankTest:
    """A test with one or several bets. It has crossed its limit once the mean evidence is `limit` or more.

    Args:
        reference: at least one value, in any order.
        bets: any number.
        limit: A, in values.
        progress: of the same test before; None: a new one.
    """

    def __init__(
        self, reference: Sequence[float], bets: tuple[Bet, ...], limit: float, progress: Progress | None = None
    ) -> None:
        self._values, self._ties = _ordered(tuple(reference))
        self._bets, self._limit, n = bets, limit, len(self._values)
        self._table = table(bets, n)
        self._rises = np.array([bet.rises for bet in bets])
        self._outer = max(1, round(TAIL * (n + 1)))  # gaps on each side
        zeros = np.zeros(len(bets))
        self._count, self.crossed = 0, False
        self._pays, self._evidence, self._peak = self._table.sum(0), zeros, zeros
        self._since, self._parts, self._extreme = (np.zeros(len(bets), np.int64) for _ in range(3))
        self._total = zeros
        if progress is not None:
            self._count, self.crossed = progress.values, progress.crossed
            self._pays, self._evidence = np.array(progress.pays), np.array(progress.evidence)
            self._peak, self._total = np.array(progress.peak), np.array(progress.total)
            self._since, self._parts = np.array(progress.since), np.array(progress.parts)
            self._extreme = np.array(progress.extreme)

    @property
    def progress(self) -> Progress:
        """Everything that the test needs to go on to the same bits, besides its arguments."""
        return Progress(
            values=self._count, crossed=self.crossed, pays=tuple(self._pays.tolist()),
            evidence=tuple(self._evidence.tolist()), peak=tuple(self._peak.tolist()), since=tuple(self._since.tolist()),
            parts=tuple(self._parts.tolist()), extreme=tuple(self._extreme.tolist()),
            total=tuple(self._total.tolist()),
        )  # fmt: skip

    @property
    def evidence(self) -> float:
        """R, the mean over the bets."""
        return float(self._evidence.mean())

    def observe(self, part: int, value: float) -> None:
        """Take the next value into account. `part`, a number of its own for each part, also orders equal values."""
        gap = self._gap(part, value)
        ratio = self._table[gap] * (len(self._table) + self._count) / self._pays
        self._evidence = (1 + self._evidence) * ratio
        self.crossed = self.crossed or self.evidence >= self._limit
        self._pays = self._pays + self._table[gap]
        self._count += 1
        self._follow(part, value, gap, ratio)

    def _follow(self, part: int, value: float, gap: int, ratio: NDArray[np.float64]) -> None:
        """Go on with the most likely change of each bet, or begin a new one."""
        anew = self._peak <= 1
        self._peak = np.where(anew, 1, self._peak) * ratio
        self._since = np.where(anew, part, self._since)
        outer = np.where(self._rises, gap >= len(self._table) - self._outer, gap < self._outer)
        self._parts = np.where(anew, 0, self._parts) + 1
        self._extreme = np.where(anew, 0, self._extreme) + outer
        self._total = np.where(anew, 0, self._total) + value

    @property
    def change(self) -> Change:
        """The most likely change according to the bet with the most evidence. There must have been a value."""
        best = int(self._evidence.argmax())
        parts = int(self._parts[best])
        return Change(
            since=int(self._since[best]), parts=parts, rises=bool(self._rises[best]),
            extreme=float(self._extreme[best] / parts), expected=self._outer / len(self._table),
            before=float(np.median(self._values)), now=float(self._total[best] / parts),
        )  # fmt: skip

    def _gap(self, part: int, value: float) -> int:
        """The gap of a value. Equal values are ordered by lot, a lot for each, as the urn asks."""
        if not np.isfinite(value):
            raise InputError(f"part {part}: expected a finite value, found {value}")
        low, high = (int(self._values.searchsorted(value, side)) for side in ("left", "right"))
        if low == high:
            return low
        return low + int(self._ties[low:high].searchsorted(np.random.default_rng([_SEED, part]).random()))


@lru_cache(maxsize=64)
def _ordered(reference: tuple[float, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values in ascending order and the lots of equal ones, ascending, float64 (n,) each."""
    values = np.sort(np.array(reference, np.float64))
    if values.size == 0 or not np.isfinite(values).all():
        raise InputError("reference: expected at least one value, all of them finite")
    lots = np.random.default_rng(_SEED).random(values.size)
    return values, lots[np.lexsort((lots, values))]
