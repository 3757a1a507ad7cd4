"""Delivery of the outbox to one sink: in order, each event at least once, however long the sink is away."""

from collections import deque
from threading import Event
from time import monotonic
from typing import Protocol

import structlog

from algan_ad.service.inspection.part import Inspection
from algan_ad.service.record.alarms import raise_alarm
from algan_ad.service.record.outbox import add_sink, mark_delivered, undelivered
from algan_ad.service.sinks.message import Message, message_of, unrecorded
from algan_ad.service.station import Station
from algan_ad.service.threads import Backoff

log = structlog.get_logger("algan.sinks")

TOGETHER = 100  # events between two notes of what is delivered; as many may come twice after a crash
LOOK_SECONDS = 0.5  # between two looks into the outbox when no inspection calls
PATIENCE_SECONDS = 60.0  # without delivery, after which an alarm is raised
MOST_UNRECORDED = 1000


class Sink(Protocol):
    """A receiver of messages. Every method may raise; what was not sent then comes again."""

    @property
    def name(self) -> str:
        """The name in the record, without secrets."""

    def keep(self) -> None:
        """See to the connection. Called often."""

    def send(self, message: Message) -> None:
        """Return once the receiver has taken the message."""

    def close(self) -> None:
        """Say good-bye."""


class Delivery:
    """The thread of one sink. Raises nothing: what fails is tried again after a pause that doubles."""

    def __init__(self, station: Station, sink: Sink, backoff: Backoff | None = None) -> None:
        self.name = sink.name
        self._station, self._sink, self._backoff = station, sink, backoff or Backoff()
        self._unrecorded: deque[Message] = deque(maxlen=MOST_UNRECORDED)
        self._wake = Event()
        self._failing_since: float | None = None
        station.record.write(lambda session: add_sink(session, sink.name))
        station.listeners.append(self.hear)

    def hear(self, inspection: Inspection) -> None:
        """Wake the thread. A part that could not be recorded is kept in memory until it is sent."""
        if inspection.id is None:
            self._unrecorded.append(unrecorded(inspection))
        self._wake.set()

    def run(self, stop: Event) -> None:
        """Deliver until `stop` is set."""
        while not stop.is_set():
            try:
                self._sink.keep()
                more = self._deliver(stop)
            except Exception as error:
                self._failed(error)
                stop.wait(self._backoff.next())
                continue
            self._failing_since = None
            self._backoff.reset()
            if not more:
                self._wake.wait(LOOK_SECONDS)
                self._wake.clear()
        try:
            self._sink.close()
        except Exception as error:
            log.warning("sink not closed", sink=self._sink.name, reason=str(error))

    def _deliver(self, stop: Event) -> bool:
        """Send what waits, at most TOGETHER events. Returns True when there may be more."""
        record, name, delivered = self._station.record, self._sink.name, 0
        with record.reading() as session:
            events = undelivered(session, name, TOGETHER)
        try:
            for event in events:
                if stop.is_set():
                    break
                self._sink.send(message_of(event))
                delivered = event.id
        finally:
            if delivered:
                record.write(lambda session: mark_delivered(session, name, delivered))
        while self._unrecorded:
            self._sink.send(self._unrecorded[0])
            self._unrecorded.popleft()
        return len(events) == TOGETHER

    def _failed(self, error: Exception) -> None:
        name, now = self._sink.name, monotonic()
        log.warning("not delivered", sink=name, reason=str(error) or type(error).__name__)
        if self._failing_since is None:
            self._failing_since = now
        elif now - self._failing_since > PATIENCE_SECONDS:
            message = f"{name}: takes no messages ({error}); they are kept until it does"
            try:
                self._station.record.write(lambda session: raise_alarm(session, f"sink {name}", message))
            except Exception:
                log.exception("alarm could not be recorded")
