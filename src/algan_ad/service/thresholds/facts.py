"""A version of a threshold as people and programs see it."""

from pydantic import Field
from sqlalchemy.orm import Session

from algan_ad.runtime.schema import Schema
from algan_ad.service.record.tables import ThresholdRow
from algan_ad.service.thresholds.versions import active_id, calibration_of, versions


class ThresholdFacts(Schema):
    """A version, with its promise."""

    version: int
    threshold: float
    false_alarm_rate: float
    n_scores: int = Field(description="number of scores of good parts that it follows from")
    origin: str = Field(description="model, or audited parts")
    promise: str
    by: str
    reason: str | None
    at: str
    in_use: bool


def facts(session: Session, row: ThresholdRow) -> ThresholdFacts:
    """The facts of a version."""
    calibration = calibration_of(row)
    return ThresholdFacts(
        version=row.number, threshold=row.threshold, false_alarm_rate=calibration.false_alarm_rate,
        n_scores=calibration.n, origin=row.origin, promise=calibration.explain(), by=row.by, reason=row.reason,
        at=row.at, in_use=active_id(session, row.model_id) == row.id,
    )  # fmt: skip


def all_facts(session: Session, model_id: int) -> list[ThresholdFacts]:
    """The facts of all versions of a model, oldest first."""
    return [facts(session, row) for row in versions(session, model_id)]
