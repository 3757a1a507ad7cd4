"""Decisions with a known rate of false alarms, made from scores: split conformal prediction.

The scores of normal examples that were held out of training are exchangeable with that of a new normal
example, so its rank among them is uniform, whatever the detector (Vovk, Gammerman & Shafer 2005, Algorithmic
Learning in a Random World; Laxhammar & Falkman 2010, Conformal prediction for distribution-independent
anomaly detection). If the same examples also chose the epoch, they chose the one that suited them, and the rank is
only approximately uniform.
"""

import math
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, field_validator

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.numbers import percent
from algan_ad.runtime.schema import Schema

#: Rates of false alarms that people ask for.
ROUND_RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
LEAST_RATE = 1e-6

LEAST, MOST = 0.01, 0.1  # false alarms that are supported by default
ABOVE = 5  # calibration scores above the threshold: with fewer, it would be one example's whim


def supported_rate(n: int) -> float:
    """The rate of false alarms that n >= 1 calibration scores can distinguish from its neighbours.

    5 / (n + 1), but at least 1 % and at most 10 % (with fewer than 9 scores: 1 / (n + 1)).
    """
    return min(max(ABOVE / (n + 1), LEAST), max(MOST, 1 / (n + 1)))


class Calibration(Schema):
    """Held-out normal scores and the wanted rate of false alarms; anomalous iff score > `threshold`.

    Raises InputError for no scores, for NaN or infinite scores and for a rate outside [1e-6, 1).
    """

    scores: tuple[float, ...] = Field(description="scores of normal examples not trained on, in any order")
    false_alarm_rate: float = Field(ge=LEAST_RATE, lt=1, description="share of good examples that may be flagged")
    also_selected: bool = Field(
        default=False, description="the same examples chose the epoch, which voids the guarantee (protocol thesis)"
    )
    refits: int = Field(default=0, ge=0, description="number of refits that gave the scores in place of the "
                        "model in use, which voids the guarantee; 0: the model in use gave them")  # fmt: skip

    @field_validator("scores", mode="before")
    @classmethod
    def _sorted_and_finite(cls, scores: Any) -> tuple[float, ...]:
        values = _finite_scores(scores)
        if values.ndim != 1 or values.size == 0:
            raise InputError("expected at least one score in one dimension; hold out some normal examples.")
        return tuple(np.sort(values).tolist())

    @cached_property
    def _ascending(self) -> NDArray[np.float64]:
        return np.array(self.scores)

    @property
    def n(self) -> int:
        """The number of calibration scores."""
        return len(self.scores)

    @cached_property
    def _allowed(self) -> int:
        """The largest k with k/(n+1) <= rate, by the same division that makes the p-values."""
        k = math.floor(self.false_alarm_rate * (self.n + 1))
        if (k + 1) / (self.n + 1) <= self.false_alarm_rate:
            return k + 1
        return k if k / (self.n + 1) <= self.false_alarm_rate else k - 1

    @property
    def sufficient(self) -> bool:
        """True when there are enough scores for the wanted rate, at least `needed`."""
        return self._allowed >= 1

    @property
    def needed(self) -> int:
        """The least number of scores that suffices for the wanted rate."""
        m = math.ceil(1 / self.false_alarm_rate)  # except for rounding, 1/m <= rate < 1/(m-1)
        return next(m for m in range(max(1, m - 1), m + 2) if 1 / m <= self.false_alarm_rate) - 1

    @property
    def threshold(self) -> float:
        """The k-th largest score, k = floor(rate (n+1)); the largest one when there are too few (k = 0)."""
        return self.scores[-max(1, self._allowed)]

    @property
    def nominal_rate(self) -> float:
        """The rate that belongs to the threshold: k/(n+1) <= the wanted rate when `sufficient`, else 1/(n+1)."""
        return max(1, self._allowed) / (self.n + 1)

    @property
    def guaranteed_rate(self) -> float | None:
        """The bound on the mean false alarm rate, `nominal_rate`; None if that is an estimate only.

        It is an estimate when the examples also chose the epoch, and when refits scored them.
        """
        return None if self.also_selected or self.refits else self.nominal_rate

    def p_values(self, scores: ArrayLike) -> NDArray[np.float64]:
        """P-values p(s) = (1 + #{calibration scores >= s}) / (n + 1), float64 of the shape of `scores`, in (0, 1]."""
        at_least = self.n - np.searchsorted(self._ascending, _finite_scores(scores), side="left")
        return np.asarray((1 + at_least) / (self.n + 1))

    def decide(self, scores: ArrayLike) -> NDArray[np.bool_]:
        """Decisions score > threshold, bool of the shape of `scores`; equal to p <= rate when `sufficient`."""
        return np.asarray(_finite_scores(scores) > self.threshold)

    def with_rate(self, rate: float) -> "Calibration":
        """The same scores with another wanted rate of false alarms."""
        return Calibration(
            scores=self.scores, false_alarm_rate=rate, also_selected=self.also_selected, refits=self.refits
        )

    def choices(self) -> list["Calibration"]:
        """The same scores with the wanted rate, with the least rate they suffice for, and with round rates above it."""
        least = max(LEAST_RATE, 1 / (self.n + 1))
        rates = {self.false_alarm_rate, least, *(rate for rate in ROUND_RATES if rate > least)}
        return [self.with_rate(rate) for rate in sorted(rates)]

    def explain(self) -> str:
        """The promise of the threshold, in plain words."""
        examples = "normal examples that refits left out" if self.refits else "held-out normal examples"
        start = f"Scores above {self.threshold:.6g} are anomalous. The threshold is set by {self.n} {examples}: "
        wanted, nominal = percent(self.false_alarm_rate), percent(self.nominal_rate)
        if self.also_selected or self.refits:
            reason = "the same normals chose the epoch" if self.also_selected else f"{self.refits} refits scored them"
            more = "" if self.sufficient else f" The wanted rate needs at least {self.needed} of them."
            return start + (
                f"on average {nominal} of good ones like them are flagged (wanted: {wanted}), approximately, "
                f"because {reason}.{more}"
            )
        if self.sufficient:
            return start + f"on average at most {nominal} of good ones like them are flagged (wanted: {wanted})."
        return start + (
            f"too few to guarantee the wanted {wanted} of false alarms. The threshold is the largest "
            f"of their scores, which guarantees {nominal} only; "
            f"hold out at least {self.needed} normal examples, or accept a higher rate."
        )


def _finite_scores(scores: object) -> NDArray[np.float64]:
    try:
        values = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"scores: expected numbers ({error}).") from error
    if not np.isfinite(values).all():
        raise InputError(f"scores: {(~np.isfinite(values)).sum()} of {values.size} are NaN or infinite.")
    return values
