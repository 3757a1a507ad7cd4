"""Estimates of what the station gets wrong, each from the sample that is fair for it, with exact intervals.

The flagged parts are looked at and the misses are not, so that the judged parts are no fair sample of all. Therefore

- the false alarm rate, P(flagged | good), comes from the good parts of the audit sample;
- the precision, P(defect | flagged), comes from the judged ones among the flagged parts;
- the miss rate, P(not flagged | defect), comes from the defects of the audit sample.

The intervals are those of Clopper & Pearson (1934), Biometrika 26: they cover at least as often as they say, however
few parts there are. "unsure" counts for neither side. All are about one version of the threshold.
"""

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from algan_ad.runtime.schema import Schema
from algan_ad.service.record.tables import ANOMALOUS, InspectionRow

CONFIDENCE = 0.95
WIDE = 0.2  # an interval wider than this knows too little


class Estimate(Schema):
    """A rate, k of n, with its two-sided interval and its one-sided upper bound, each of CONFIDENCE."""

    k: int
    n: int
    rate: float | None = Field(description="None: nothing was seen")
    low: float
    high: float
    upper: float = Field(description="one-sided: the rate is at most this")
    knows_too_little: bool = Field(description="the interval is wider than 0.2")


class Estimates(Schema):
    """The estimates for a version of a threshold. waiting: parts of each sample that are not judged, or unsure."""

    false_alarm_rate: Estimate
    precision: Estimate
    miss_rate: Estimate
    audited: int
    audited_waiting: int
    flagged: int
    flagged_waiting: int


def estimate(k: int, n: int) -> Estimate:
    """The exact intervals for k of n."""
    if n == 0:
        return Estimate(k=0, n=0, rate=None, low=0, high=1, upper=1, knows_too_little=True)
    outside = (1 - CONFIDENCE) / 2
    low, high = 1 - _upper_end(n - k, n, outside), _upper_end(k, n, outside)
    upper = _upper_end(k, n, 1 - CONFIDENCE)
    return Estimate(k=k, n=n, rate=k / n, low=low, high=high, upper=upper, knows_too_little=high - low > WIDE)


def _upper_end(k: int, n: int, above: float) -> float:
    """The rate under which k or fewer of n have the probability `above`: a quantile of a beta distribution."""
    # Here, because a start shall not wait for SciPy. scipy.stats, which has the distribution, takes seconds to import.
    from scipy.special import betaincinv

    return 1.0 if k == n else float(betaincinv(k + 1, n - k, 1 - above))


def estimates(session: Session, threshold_id: int) -> Estimates:
    """The estimates from the parts that were decided by one version of a threshold."""
    counts = session.execute(
        select(InspectionRow.audit, InspectionRow.verdict, InspectionRow.judgement, func.count())
        .where(InspectionRow.threshold_id == threshold_id)
        .group_by(InspectionRow.audit, InspectionRow.verdict, InspectionRow.judgement)
    ).all()

    def count(audit: bool | None = None, flagged: bool | None = None, judgement: str | None = None) -> int:
        return sum(
            n
            for in_audit, verdict, judged, n in counts
            if (audit is None or in_audit == audit)
            and (flagged is None or (verdict == ANOMALOUS) == flagged)
            and (judgement is None or judged == judgement)
        )

    good, defects = count(audit=True, judgement="good"), count(audit=True, judgement="defect")
    flagged_good, hits = count(flagged=True, judgement="good"), count(flagged=True, judgement="defect")
    audited, flagged = count(audit=True), count(flagged=True)
    return Estimates(
        false_alarm_rate=estimate(count(True, True, "good"), good),
        precision=estimate(hits, hits + flagged_good),
        miss_rate=estimate(count(True, False, "defect"), defects),
        audited=audited, audited_waiting=audited - good - defects,
        flagged=flagged, flagged_waiting=flagged - hits - flagged_good,
    )  # fmt: skip
