"""Alarms: raised once, open until a person acknowledges them."""

from collections.abc import Sequence
from typing import Any, Self

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from algan_ad.runtime.clock import now
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.schema import Schema
from algan_ad.service.errors import NotFound
from algan_ad.service.record.audit_log import note
from algan_ad.service.record.inspections import newest
from algan_ad.service.record.outbox import announce
from algan_ad.service.record.tables import AlarmRow


class AlarmFacts(Schema):
    """An alarm, for programs."""

    id: int
    kind: str = Field(description="of a drift: light, colour, focus, picture size, scores; else a fault or its source")
    model: str | None = Field(description="the model whose parts or pictures have changed; None: of the station itself")
    message: str = Field(description="what is wrong and what to do, in English")
    at: str = Field(description="UTC, ISO 8601")
    since_inspection: int | None = Field(description="first inspection of a change, an estimate")
    details: dict[str, Any] = Field(description="the figures of the message")

    @classmethod
    def of(cls, row: AlarmRow) -> Self:
        """The alarm of a row of the record."""
        return cls(
            id=row.id, kind=row.kind, model=row.model_name, message=row.message, at=row.at,
            since_inspection=row.since_inspection, details=row.details,
        )  # fmt: skip


def raise_alarm(
    session: Session, kind: str, message: str, since_inspection: int | None = None, model: str | None = None,
    **details: Any,
) -> AlarmRow:  # fmt: skip
    """The open alarm of a kind and a model, raised now unless there is one. The event `alarm` reports a new one."""
    found = session.scalar(
        select(AlarmRow).where(AlarmRow.kind == kind, AlarmRow.model_name == model, AlarmRow.acknowledged_at.is_(None))
    )
    if found is not None:
        return found
    row = AlarmRow(
        kind=kind, model_name=model, message=message, details=details, since_inspection=since_inspection, at=now()
    )
    session.add(row)
    session.flush()
    announce(session, "alarm", AlarmFacts.of(row).model_dump(mode="json"))
    return row


def acknowledge(session: Session, alarm_id: int, by: str, normal: bool = False) -> AlarmRow:
    """Close an alarm. Closing it again changes nothing.

    normal: the change is to stay: what comes from now on is what later parts are compared with.

    Raises NotFound for an alarm that does not exist, InputError for `normal` with an alarm of no drift.
    """
    row = session.get(AlarmRow, alarm_id)
    if row is None:
        raise NotFound(f"alarm {alarm_id}: there is none")
    if normal and row.model_name is None:
        raise InputError(f"alarm {alarm_id} ({row.kind}): is no change of parts or pictures that may be normal")
    if row.acknowledged_at is None:
        last = newest(session)
        row.acknowledged_by, row.acknowledged_at = by, now()
        row.acknowledged_after, row.as_normal = last.id if last else 0, normal
        note(session, by, "acknowledge alarm", row.kind, alarm=alarm_id, model=row.model_name, normal=normal)
    return row


def open_alarms(session: Session) -> Sequence[AlarmRow]:
    """Alarms that nobody has acknowledged, oldest first."""
    return session.scalars(select(AlarmRow).where(AlarmRow.acknowledged_at.is_(None)).order_by(AlarmRow.id)).all()
