"""What people say about parts. Every word is kept; the newest one counts, and an undo brings the former one back."""

from collections.abc import Sequence
from typing import Literal, get_args

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from algan_ad.runtime.clock import now
from algan_ad.runtime.errors import InputError
from algan_ad.service.record.audit_log import note
from algan_ad.service.record.inspections import inspection
from algan_ad.service.record.outbox import announce
from algan_ad.service.record.tables import ANOMALOUS, NOT_INSPECTED, InspectionRow, JudgementRow

Judgement = Literal["defect", "good", "unsure"]
JUDGEMENTS: tuple[Judgement, ...] = get_args(Judgement)

_WAITS = (
    InspectionRow.judgement.is_(None), InspectionRow.image_kept,
    or_(InspectionRow.verdict == ANOMALOUS, InspectionRow.audit),
)  # fmt: skip


def judge(session: Session, inspection_id: int, judgement: Judgement, by: str) -> InspectionRow:
    """Judge a part. Raises NotFound when there is none, InputError for one that was not inspected."""
    row = inspection(session, inspection_id)
    if row.verdict == NOT_INSPECTED:
        raise InputError(f"inspection {inspection_id}: it was not inspected, so there is nothing to judge")
    return _say(session, row, judgement, by, "judge")


def undo(session: Session, inspection_id: int, by: str) -> InspectionRow:
    """Take the judgement of a part back; the one before it counts again. Raises InputError when there is none."""
    row = inspection(session, inspection_id)
    if row.judgement is None:
        raise InputError(f"inspection {inspection_id}: it was not judged")
    said: list[str | None] = []  # without those that were taken back
    for each in session.scalars(
        select(JudgementRow).where(JudgementRow.inspection_id == inspection_id).order_by(JudgementRow.id)
    ):
        if each.undo:
            said.pop()
        else:
            said.append(each.judgement)
    return _say(session, row, said[-2] if len(said) > 1 else None, by, "undo judgement", undo=True)


def queue(session: Session, after: int = 0, limit: int = 100) -> Sequence[InspectionRow]:
    """Parts that wait for a judgement, oldest first: the flagged ones and the audit sample."""
    return session.scalars(
        select(InspectionRow).where(*_WAITS, InspectionRow.id > after).order_by(InspectionRow.id).limit(limit)
    ).all()


def count_waiting(session: Session) -> int:
    """The number of parts in the queue."""
    return session.scalar(select(func.count(InspectionRow.id)).where(*_WAITS)) or 0


def _say(
    session: Session, row: InspectionRow, judgement: str | None, by: str, action: str, undo: bool = False
) -> InspectionRow:
    at = now()
    session.add(JudgementRow(inspection_id=row.id, judgement=judgement, undo=undo, by=by, at=at))
    note(session, by, action, f"inspection {row.id}", former=row.judgement, new=judgement)
    row.judgement = judgement
    announce(session, "judgement", {"inspection": row.id, "judgement": judgement, "by": by, "at": at})
    session.flush()
    return row
