"""Alarms: raised once, open until a person acknowledges them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from algan_ad.runtime.clock import now
from algan_ad.service.errors import NotFound
from algan_ad.service.record.audit_log import note
from algan_ad.service.record.outbox import announce
from algan_ad.service.record.tables import AlarmRow


def raise_alarm(
    session: Session, kind: str, message: str, since_inspection: int | None = None, **details: Any
) -> AlarmRow:
    """The open alarm of a kind, raised now unless there is one. The event `alarm` reports a new one."""
    found = session.scalar(select(AlarmRow).where(AlarmRow.kind == kind, AlarmRow.acknowledged_at.is_(None)))
    if found is not None:
        return found
    row = AlarmRow(kind=kind, message=message, details=details, since_inspection=since_inspection, at=now())
    session.add(row)
    session.flush()
    announce(session, "alarm", {"id": row.id, "kind": kind, "message": message, "at": row.at, **details})
    return row


def acknowledge(session: Session, alarm_id: int, by: str) -> AlarmRow:
    """Close an alarm. Raises NotFound for one that does not exist; closing it again changes nothing."""
    row = session.get(AlarmRow, alarm_id)
    if row is None:
        raise NotFound(f"alarm {alarm_id}: there is none")
    if row.acknowledged_at is None:
        row.acknowledged_by, row.acknowledged_at = by, now()
        note(session, by, "acknowledge alarm", row.kind, alarm=alarm_id)
    return row


def open_alarms(session: Session) -> Sequence[AlarmRow]:
    """Alarms that nobody has acknowledged, oldest first."""
    return session.scalars(select(AlarmRow).where(AlarmRow.acknowledged_at.is_(None)).order_by(AlarmRow.id)).all()
