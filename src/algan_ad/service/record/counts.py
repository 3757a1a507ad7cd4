"""Figures of many inspections at once."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from algan_ad.service.record.tables import ANOMALOUS, NOT_INSPECTED, InspectionRow


def verdict_counts(session: Session, since: str) -> dict[str, int]:
    """Inspections by verdict from a time on, UTC."""
    counts = session.execute(
        select(InspectionRow.verdict, func.count()).where(InspectionRow.at >= since).group_by(InspectionRow.verdict)
    ).all()
    return dict(counts)


@dataclass(frozen=True)
class ScoredPart:
    """What a trend needs of a part."""

    id: int
    at: str
    score: float
    flagged: bool


def newest_scored(session: Session, model_id: int, n: int) -> Sequence[ScoredPart]:
    """The newest parts that a model scored, oldest first."""
    rows = session.execute(
        select(InspectionRow.id, InspectionRow.at, InspectionRow.score, InspectionRow.verdict)
        .where(InspectionRow.model_id == model_id, InspectionRow.verdict != NOT_INSPECTED)
        .order_by(InspectionRow.id.desc())
        .limit(n)
    ).all()
    return [ScoredPart(number, at, score or 0.0, verdict == ANOMALOUS) for number, at, score, verdict in rows[::-1]]
