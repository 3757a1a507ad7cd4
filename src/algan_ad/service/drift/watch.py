"""The monitors of a station: they follow its record, part by part, and raise their alarms in it.

The record alone decides: inspections by the order of their ids, and each acknowledgement after the inspection that it
names. The state that a monitor keeps in it only shortens the way, so that a station that was killed goes on as if
nothing had happened. An alarm and the state that raised it are one transaction: it neither gets lost nor comes twice.
"""

from dataclasses import dataclass, field
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, cast

import structlog
from pydantic import Field
from sqlalchemy.orm import Session

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.schema import Schema
from algan_ad.service.drift.alarms import Alarm, Kind
from algan_ad.service.drift.monitor import DriftState, Monitor
from algan_ad.service.models import Served
from algan_ad.service.page.words import Words
from algan_ad.service.record.alarms import raise_alarm
from algan_ad.service.record.drift import Observed, acknowledged, observed, store
from algan_ad.service.record.inspections import newest
from algan_ad.service.record.tables import AlarmRow, DriftRow, ThresholdRow
from algan_ad.service.thresholds.versions import active, calibration_of

if TYPE_CHECKING:
    from algan_ad.service.station import Station

log = structlog.get_logger("algan.drift")

LOOK_SECONDS = 0.5  # between two looks at the record
TOGETHER = 200  # parts that are read at once, and parts after which the state is stored
ENGLISH = Words("en")  # of the messages in the record


class DriftFacts(Schema):
    """The tests of a model's scores and pictures."""

    model: str
    part: int = Field(description="the last inspection that was taken into account")
    evidence: dict[str, float] = Field(description="of each test under way, as a share of what raises an alarm")
    learning: dict[str, int] = Field(description="references that are not complete, with their number of parts so far")
    reference_parts: int = Field(description="number of parts of such a reference when it is complete")


@dataclass
class _Followed:
    """A monitor at work. alarms: ids of the open ones. unstored: parts since the state was stored."""

    monitor: Monitor
    threshold_id: int
    alarms: list[int] = field(default_factory=list)
    unstored: int = 0


class DriftWatch:
    """The monitors of the models of one station, one for each name. One thread looks."""

    def __init__(self, station: "Station") -> None:
        self._station = station
        self._followed: dict[str, _Followed] = {}
        self._facts: dict[str, DriftFacts] = {}
        for served in station.models:
            self._open(served)

    def facts(self) -> list[DriftFacts]:
        """The tests of every model, as of the last look."""
        return list(self._facts.values())

    def of(self, model: str) -> DriftFacts:
        """The tests of a model, as of the last look."""
        return self._facts[model]

    def watch(self, stop: Event) -> None:
        """Look until `stop` is set."""
        while not stop.wait(LOOK_SECONDS):
            self.look(stop)

    def look(self, stop: Event | None = None) -> None:
        """Take the parts into account that are new in the record. After an error, what is stored counts again."""
        for served in self._station.models:
            try:
                followed = self._followed.get(served.name) or self._open(served)
                while self._go_on(served.name, followed) and not (stop and stop.is_set()):
                    pass
                self._facts[served.name] = self._facts_of(served.name, followed)
            except Exception:
                self._followed.pop(served.name, None)
                log.exception("drift", model=served.name)

    def _open(self, served: Served) -> _Followed:
        """The monitor of a model as the record has it; a new one starts after the newest inspection."""
        with self._station.record.reading() as session:
            row = session.get(DriftRow, served.name)
        if row is None:
            followed = self._station.record.write(lambda session: self._start(session, served))
        else:
            monitor = Monitor(self._station.settings.drift, DriftState.model_validate(row.state))
            followed = _Followed(monitor, row.threshold_id, list(row.alarms))
        self._followed[served.name] = followed
        self._facts[served.name] = self._facts_of(served.name, followed)
        return followed

    def _start(self, session: Session, served: Served) -> _Followed:
        threshold, last = active(session, served.id), newest(session)
        state = DriftState.start(calibration_of(threshold)).model_copy(update={"part": last.id if last else 0})
        followed = _Followed(Monitor(self._station.settings.drift, state), threshold.id)
        self._store(served.name, followed, session)
        return followed

    def _go_on(self, name: str, followed: _Followed) -> bool:
        """Take some parts into account. Returns True when there may be more."""
        with self._station.record.reading() as session:
            parts = observed(session, name, followed.monitor.part, TOGETHER)
            # Read after the parts: an acknowledgement that came before one of them is there.
            closed = list(acknowledged(session, followed.alarms))
        for part in parts:
            while closed and closed[0].acknowledged_after < part.id:
                self._restart(followed, closed.pop(0))
            if (alarm := self._observe(followed, part)) is not None:
                self._station.record.write(partial(self._raise, name, followed, alarm))
                return True
        if followed.unstored >= TOGETHER:
            self._station.record.write(partial(self._store, name, followed))
        return len(parts) == TOGETHER

    def _observe(self, followed: _Followed, part: Observed) -> Alarm | None:
        number, score, figures, threshold_id = part
        if threshold_id != followed.threshold_id:
            with self._station.record.reading() as session:
                calibration = calibration_of(session.get_one(ThresholdRow, threshold_id))
            followed.monitor.recalibrate(calibration)
            followed.threshold_id = threshold_id
        followed.unstored += 1
        try:
            return followed.monitor.observe(number, score, figures)
        except InputError as error:  # one part must not end the watch
            log.warning("drift: part passed over", reason=str(error))
            followed.monitor.pass_over(number)
            return None

    @staticmethod
    def _restart(followed: _Followed, alarm: AlarmRow) -> None:
        """Start the tests again that an alarm had ended."""
        followed.monitor.acknowledge(cast(Kind, alarm.kind), bool(alarm.as_normal))
        followed.alarms.remove(alarm.id)

    def _raise(self, name: str, followed: _Followed, alarm: Alarm, session: Session) -> None:
        row = raise_alarm(
            session, alarm.kind, alarm.message(ENGLISH), alarm.since, name, **alarm.model_dump(mode="json")
        )
        followed.alarms.append(row.id)
        self._store(name, followed, session)

    @staticmethod
    def _store(name: str, followed: _Followed, session: Session) -> None:
        state = followed.monitor.state.model_dump(mode="json")
        store(session, name, followed.threshold_id, followed.alarms, state)
        followed.unstored = 0

    def _facts_of(self, name: str, followed: _Followed) -> DriftFacts:
        monitor = followed.monitor
        return DriftFacts(
            model=name, part=monitor.part, evidence=monitor.evidence, learning=monitor.learnt,
            reference_parts=self._station.settings.drift.reference_parts,
        )  # fmt: skip
