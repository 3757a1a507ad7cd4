"""The audit log: every action of a person that changes verdicts, or who may change them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from algan_ad.runtime.clock import now
from algan_ad.service.record.tables import AuditRow


def note(session: Session, by: str, action: str, subject: str, **details: Any) -> None:
    """Add an action to the transaction that carries it out."""
    session.add(AuditRow(by=by, action=action, subject=subject, details=details, at=now()))


def entries(session: Session, before: int | None = None, limit: int = 100) -> Sequence[AuditRow]:
    """Entries below an id, newest first."""
    wanted = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
    return session.scalars(wanted if before is None else wanted.where(AuditRow.id < before)).all()
