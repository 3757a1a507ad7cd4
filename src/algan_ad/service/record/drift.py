"""Inspections that the drift monitors read of the record, and the states that they keep in it."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from algan_ad.service.record.tables import AlarmRow, DriftRow, InspectionRow

Observed = Row[int, float, dict[str, Any], int]


def observed(session: Session, model: str, after: int, limit: int) -> Sequence[Observed]:
    """Inspected parts of a model above an id, oldest first: id, score, figures, threshold_id."""
    return session.execute(
        select(InspectionRow.id, InspectionRow.score, InspectionRow.figures, InspectionRow.threshold_id)
        .where(InspectionRow.model_name == model, InspectionRow.id > after, InspectionRow.figures.is_not(None))
        .order_by(InspectionRow.id)
        .limit(limit)
    ).all()


def acknowledged(session: Session, alarms: Collection[int]) -> Sequence[AlarmRow]:
    """The acknowledged ones of some alarms, in the order of the inspections that they came after."""
    if not alarms:
        return []
    return session.scalars(
        select(AlarmRow)
        .where(AlarmRow.id.in_(alarms), AlarmRow.acknowledged_after.is_not(None))
        .order_by(AlarmRow.acknowledged_after, AlarmRow.id)
    ).all()


def store(session: Session, model: str, threshold_id: int, alarms: Sequence[int], state: dict[str, Any]) -> None:
    """Keep the state of a monitor in place of the former one."""
    session.merge(DriftRow(model_name=model, threshold_id=threshold_id, alarms=list(alarms), state=state))
