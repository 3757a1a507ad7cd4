"""Versions of a model's threshold, and which of them is in use.

The version in use changes only when somebody approves another one, or rolls back.
"""

from collections.abc import Sequence

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.clock import now
from algan_ad.runtime.errors import InputError
from algan_ad.service.errors import NotFound
from algan_ad.service.record.audit_log import note
from algan_ad.service.record.outbox import announce
from algan_ad.service.record.tables import ActivationRow, ModelRow, ThresholdRow

MODEL, AUDITED = "model", "audited parts"  # origins
_IN_USE = (
    select(ActivationRow.threshold_id)
    .where(ActivationRow.model_id == bindparam("model_id"))
    .order_by(ActivationRow.id.desc())
    .limit(1)
)


def calibration_of(row: ThresholdRow) -> Calibration:
    """The scores and the rate that a version follows from."""
    return Calibration(**row.calibration)


def add_version(
    session: Session, model_id: int, calibration: Calibration, origin: str, by: str, reason: str | None = None
) -> ThresholdRow:
    """Record a version. It is not in use."""
    newest = session.scalar(select(func.max(ThresholdRow.number)).where(ThresholdRow.model_id == model_id)) or 0
    row = ThresholdRow(
        model_id=model_id, number=newest + 1, threshold=calibration.threshold,
        calibration=calibration.model_dump(mode="json"), origin=origin, by=by, reason=reason, at=now(),
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def adopt(session: Session, model_id: int, calibration: Calibration, by: str) -> None:
    """Record the threshold of a model folder. It is put to use for a new model; otherwise somebody must approve it."""
    known = session.scalars(select(ThresholdRow).where(ThresholdRow.model_id == model_id)).all()
    if any(row.origin == MODEL and row.calibration == calibration.model_dump(mode="json") for row in known):
        return
    row = add_version(session, model_id, calibration, MODEL, by)
    if not known:
        _put_to_use(session, row, "adopt threshold", by, "the threshold of the model folder")


def active(session: Session, model_id: int) -> ThresholdRow:
    """The version in use."""
    return session.get_one(ThresholdRow, active_id(session, model_id))


def active_id(session: Session, model_id: int) -> int:
    """The id of the version in use, which every part asks for: without the scores that the version follows from."""
    return int(session.connection().execute(_IN_USE, {"model_id": model_id}).scalar_one())


def versions(session: Session, model_id: int) -> Sequence[ThresholdRow]:
    """All versions, oldest first."""
    return session.scalars(
        select(ThresholdRow).where(ThresholdRow.model_id == model_id).order_by(ThresholdRow.number)
    ).all()


def version(session: Session, model_id: int, number: int) -> ThresholdRow:
    """The version of a number. Raises NotFound when there is none."""
    row = session.scalar(select(ThresholdRow).where(ThresholdRow.model_id == model_id, ThresholdRow.number == number))
    if row is None:
        raise NotFound(f"there is no version {number} of this threshold")
    return row


def approve(session: Session, model_id: int, number: int, by: str, reason: str | None = None) -> ThresholdRow:
    """Put a version to use, from the next inspection on. Raises InputError when there is none, or it is in use."""
    row = version(session, model_id, number)
    if active_id(session, model_id) == row.id:
        raise InputError(f"version {number} is in use already")
    _put_to_use(session, row, "approve threshold", by, reason)
    return row


def roll_back(session: Session, model_id: int, by: str, reason: str | None = None) -> ThresholdRow:
    """Put the version to use that was in use before. Raises InputError when there was none."""
    used = session.scalars(
        select(ActivationRow.threshold_id).where(ActivationRow.model_id == model_id).order_by(ActivationRow.id.desc())
    ).all()
    if len(used) < 2:
        raise InputError("no other version was in use before this one")
    row = session.get_one(ThresholdRow, used[1])
    _put_to_use(session, row, "roll back threshold", by, reason)
    return row


def _put_to_use(session: Session, row: ThresholdRow, action: str, by: str, reason: str | None) -> None:
    """Add the activation, the entry of the audit log and the event `threshold`."""
    model, at = session.get_one(ModelRow, row.model_id), now()
    session.add(ActivationRow(model_id=model.id, threshold_id=row.id, by=by, reason=reason, at=at))
    note(session, by, action, model.name, version=row.number, threshold=row.threshold, reason=reason)
    announce(session, "threshold", {
        "model": model.name, "model_version": model.version, "version": row.number, "threshold": row.threshold,
        "by": by, "at": at,
    })  # fmt: skip
    session.flush()
