"""The rows of some parts: decided by the threshold in use, drawn for the audit, announced to the sinks."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.clock import now
from algan_ad.service.feedback.audit_sample import drawn
from algan_ad.service.inspection.causes import CONFLICT, NotInspected
from algan_ad.service.inspection.part import Inspection, Part
from algan_ad.service.inspection.scoring import Scored
from algan_ad.service.models import Served
from algan_ad.service.record.alarms import raise_alarm
from algan_ad.service.record.inspections import add_inspection, newest, with_number
from algan_ad.service.record.outbox import announce
from algan_ad.service.record.tables import ANOMALOUS, NOT_INSPECTED, OK, InspectionRow, ModelRow, ThresholdRow
from algan_ad.service.thresholds.versions import active_id, calibration_of

JUMP = timedelta(seconds=2)  # back in time; less is a clock that is being set right


@dataclass(frozen=True)
class Outcome:
    """A part, its score or the reason for none, and the hashes of its image and its map in the store."""

    part: Part
    scored: Scored | NotInspected
    image: str | None = None
    map: str | None = None


class Committer:
    """Makes the rows of inspections, inside a transaction of the caller."""

    def __init__(self, secret: bytes, audit_share: float) -> None:
        self._secret, self._audit_share = secret, audit_share
        # By their ids: neither a threshold nor what is asked of a model ever changes. They belong to no session, which
        # would forget what they hold when its transaction fails.
        self._models: dict[int, ModelRow] = {}
        self._thresholds: dict[int, tuple[ThresholdRow, Calibration]] = {}

    def add(self, session: Session, served: Served, outcomes: Sequence[Outcome]) -> list[Inspection]:
        """Add a row, and an event `inspection`, for each part that was not inspected before under its number."""
        model, (threshold, calibration) = self._model(session, served.id), self._in_use(session, served.id)
        found = []
        for outcome in outcomes:
            known = with_number(session, served.name, outcome.part.number)
            if known is not None and isinstance(outcome.scored, Scored):  # the same number, twice at the same time
                found.append(again(known, outcome.part))
                continue
            row = _row(outcome, model, threshold, calibration)
            _notice_jump(session, row)
            add_inspection(session, row)
            if row.verdict != NOT_INSPECTED and drawn(self._secret, row.id, self._audit_share):
                session.execute(update(InspectionRow).where(InspectionRow.id == row.id).values(audit=True))
            inspection = Inspection.of(row)
            announce(session, "inspection", inspection.model_dump(mode="json"))
            found.append(inspection)
        return found

    def _model(self, session: Session, model_id: int) -> ModelRow:
        if model_id not in self._models:
            self._models[model_id] = session.get_one(ModelRow, model_id)
            session.expunge(self._models[model_id])
        return self._models[model_id]

    def _in_use(self, session: Session, model_id: int) -> tuple[ThresholdRow, Calibration]:
        threshold_id = active_id(session, model_id)
        if threshold_id not in self._thresholds:
            row = session.get_one(ThresholdRow, threshold_id)
            session.expunge(row)
            self._thresholds[threshold_id] = row, calibration_of(row)
        return self._thresholds[threshold_id]


def _row(outcome: Outcome, model: ModelRow, threshold: ThresholdRow, calibration: Calibration) -> InspectionRow:
    part, scored = outcome.part, outcome.scored
    row = InspectionRow(
        at=now(), source=part.source, origin=part.origin, part=part.number, model=model, model_name=model.name,
        model_id=model.id, image_bytes=0, map_bytes=0, timing_ms={}, audit=False, image_kept=False,
    )  # fmt: skip
    if isinstance(scored, NotInspected):
        row.verdict, row.cause, row.reason = NOT_INSPECTED, scored.cause, str(scored)
        return row
    row.verdict = ANOMALOUS if calibration.decide(scored.score) else OK
    row.score, row.p_value = scored.score, float(calibration.p_values(scored.score))
    row.threshold, row.threshold_id = threshold, threshold.id
    row.image, row.image_type, row.image_bytes = outcome.image, scored.media_type, len(part.image)
    row.image_kept, row.timing_ms, row.figures = True, scored.timing_ms, scored.figures
    if scored.map is not None:
        row.map, row.map_bytes = outcome.map, len(scored.map.content)
        row.map_low, row.map_high = scored.map.low, scored.map.high
    return row


def again(known: InspectionRow, part: Part) -> Inspection:
    """The former outcome of a part that comes again; not inspected when its number belongs to another image."""
    if known.image == hashlib.sha256(part.image).hexdigest():
        return Inspection.of(known, repeated=True)
    error = NotInspected(CONFLICT, f"part {part.number!r} was inspected before, with another image; give a new number")
    return Inspection.unrecorded(part, known.model_name, error, now())


def _notice_jump(session: Session, row: InspectionRow) -> None:
    """Raise an alarm when the clock has gone back. The order of the record does not suffer: it is that of the ids."""
    last = newest(session)
    if last is not None and datetime.fromisoformat(last.at) - datetime.fromisoformat(row.at) > JUMP:
        raise_alarm(
            session, "clock", f"the clock went back from {last.at} to {row.at}: set it right", since_inspection=last.id
        )
