"""Thresholds proposed from audited good parts, and what each would change among the parts of the record.

Audited parts are drawn whatever their score, so the good ones among them are exchangeable with the next good part, as
`runtime/calibration.py` asks. Good parts found among the flagged ones are not, and are left out.
"""

from collections.abc import Sequence

from pydantic import Field
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.numbers import percent
from algan_ad.runtime.schema import Schema
from algan_ad.service.record.audit_log import note
from algan_ad.service.record.tables import NOT_INSPECTED, InspectionRow, ModelRow, ThresholdRow
from algan_ad.service.thresholds.versions import AUDITED, active, add_version, calibration_of

SHOWN = 100  # parts of each kind that a preview names


class Preview(Schema):
    """The parts of the record that another threshold would decide otherwise, of all that the model scored."""

    n: int
    flagged_now: int = Field(description="by the threshold that is in use")
    flagged_then: int
    newly_flagged: int
    newly_ok: int
    newly_flagged_ids: list[int] = Field(description="the newest of them")
    newly_ok_ids: list[int] = Field(description="the newest of them")
    judged_good_newly_flagged: int
    judged_defect_newly_ok: int


def propose(
    session: Session, model_id: int, by: str, rate: float | None = None, reason: str | None = None
) -> ThresholdRow:
    """A version from the audited good parts of a model, which is not in use until somebody approves it.

    rate: wanted false alarm rate; None: that of the version in use.
    Raises InputError while there are too few audited good parts for the rate.
    """
    wanted = calibration_of(active(session, model_id)).false_alarm_rate if rate is None else rate
    scores = audited_good_scores(session, model_id)
    if not scores:
        raise InputError("no audited part was judged good yet; judge the parts in the queue first")
    calibration = Calibration(scores=tuple(scores), false_alarm_rate=wanted)
    if not calibration.sufficient:
        raise InputError(
            f"{calibration.n} audited parts were judged good, too few to promise {percent(wanted)} of false alarms; "
            f"it takes {calibration.needed}"
        )
    row = add_version(session, model_id, calibration, AUDITED, by, reason)
    name = session.get_one(ModelRow, model_id).name
    note(session, by, "propose threshold", name, version=row.number, threshold=row.threshold, reason=reason)
    return row


def audited_good_scores(session: Session, model_id: int) -> Sequence[float]:
    """The scores that a model gave to audited parts which a person judged good."""
    found = session.scalars(
        select(InspectionRow.score).where(
            InspectionRow.audit, InspectionRow.judgement == "good", InspectionRow.model_id == model_id
        )
    )
    return [score for score in found if score is not None]


def preview(session: Session, row: ThresholdRow) -> Preview:
    """The consequences of a version for the parts that its model has scored."""
    now, then = active(session, row.model_id).threshold, row.threshold
    scored = (InspectionRow.model_id == row.model_id, InspectionRow.verdict != NOT_INSPECTED)
    flagged = (*scored, InspectionRow.score > then, InspectionRow.score <= now)
    passed = (*scored, InspectionRow.score > now, InspectionRow.score <= then)

    def count(*conditions: ColumnElement[bool]) -> int:
        return session.scalar(select(func.count(InspectionRow.id)).where(*conditions)) or 0

    def newest(*conditions: ColumnElement[bool]) -> list[int]:
        ids = select(InspectionRow.id).where(*conditions).order_by(InspectionRow.id.desc())
        return list(session.scalars(ids.limit(SHOWN)))

    return Preview(
        n=count(*scored), flagged_now=count(*scored, InspectionRow.score > now),
        flagged_then=count(*scored, InspectionRow.score > then),
        newly_flagged=count(*flagged), newly_ok=count(*passed),
        newly_flagged_ids=newest(*flagged), newly_ok_ids=newest(*passed),
        judged_good_newly_flagged=count(*flagged, InspectionRow.judgement == "good"),
        judged_defect_newly_ok=count(*passed, InspectionRow.judgement == "defect"),
    )  # fmt: skip
