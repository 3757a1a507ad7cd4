"""Delivery: nothing is lost and the order stays while a sink is away; what could not be recorded is sent, too."""

import pytest

from algan_ad.service.inspection.part import Part
from algan_ad.service.record.alarms import open_alarms
from algan_ad.service.record.outbox import sinks
from algan_ad.service.sinks import delivery
from algan_ad.service.sinks.delivery import Delivery
from algan_ad.service.sinks.message import MESSAGE, Message
from algan_ad.service.station import Station
from algan_ad.service.threads import Backoff

from .conftest import Open, grey
from .plant_helpers import at_work, wait_for


class Receiver:
    """A sink that keeps what it gets, and fails as long as it is down."""

    name = "receiver"

    def __init__(self) -> None:
        self.down, self.closed = False, False
        self.got: list[Message] = []

    def keep(self) -> None:
        if self.down:
            raise ConnectionError("nobody there")

    def send(self, message: Message) -> None:
        self.keep()
        self.got.append(message)

    def close(self) -> None:
        self.closed = True


def quick() -> Backoff:
    return Backoff(0.01, 0.02)


def test_messages_come_in_order_and_keep_to_the_schema(station: Station) -> None:
    sink = Receiver()
    with at_work(Delivery(station, sink, quick()).run):
        given = station.inspector.inspect([Part(grey(value)) for value in (40, 96)] + [Part(b"nonsense")])
        wait_for(lambda: len(sink.got) == 3)
    assert [each["data"]["id"] for each in sink.got] == [each.id for each in given]
    assert [each["data"]["verdict"] for each in sink.got] == ["ok", "anomalous", "not inspected"]
    for each in sink.got:
        MESSAGE.validate_python(each)
    assert sink.closed


def test_nothing_is_lost_while_the_sink_is_away_and_the_station_restarts(open_station: Open) -> None:
    sink = Receiver()
    sink.down = True
    station = open_station()
    with at_work(Delivery(station, sink, quick()).run):
        first = [station.inspector.inspect([Part(grey(i))])[0].id for i in range(150)]
    station = open_station()
    sink.down = False
    with at_work(Delivery(station, sink, quick()).run):
        second = [station.inspector.inspect([Part(grey(i))])[0].id for i in range(5)]
        wait_for(lambda: len(sink.got) == 155)
        wait_for(lambda: _waiting(station) == 0)
    assert [each["data"]["id"] for each in sink.got] == first + second


def _waiting(station: Station) -> int:
    with station.record.reading() as session:
        return sinks(session)["receiver"]


def test_a_sink_that_fails_in_the_middle_goes_on_there(station: Station) -> None:
    sink, taken = Receiver(), []

    def send(message: Message) -> None:
        if message["data"]["id"] == 3 and 3 not in taken:
            taken.append(3)
            raise ConnectionError
        sink.got.append(message)

    sink.send = send  # type: ignore[method-assign]
    waiting = Delivery(station, sink, quick())
    station.inspector.inspect([Part(grey(i)) for i in range(5)])
    with at_work(waiting.run):
        wait_for(lambda: len(sink.got) == 5)
    assert [each["data"]["id"] for each in sink.got] == [1, 2, 3, 4, 5]


def test_a_part_that_cannot_be_recorded_is_announced(open_station: Open) -> None:
    station, sink = open_station(free_disk_bytes=2**60), Receiver()
    with at_work(Delivery(station, sink, quick()).run):
        station.inspector.inspect([Part(grey(50))])
        (message,) = wait_for(lambda: sink.got)
    assert (message["id"], message["data"]["verdict"], message["data"]["cause"]) == (None, "not inspected", "disk")
    MESSAGE.validate_python(message)


def test_a_sink_that_stays_away_raises_one_alarm(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "PATIENCE_SECONDS", 0)
    sink, attempts = Receiver(), []
    sink.down = True

    class Counting(Backoff):
        def next(self) -> float:
            attempts.append(self)
            return 0.001

    with at_work(Delivery(station, sink, Counting()).run):
        wait_for(lambda: len(attempts) > 5)
    with station.record.reading() as session:
        assert [each.kind for each in open_alarms(session)] == ["sink receiver"]


def test_pauses_double_up_to_a_limit_and_begin_again() -> None:
    backoff = Backoff(1, 5)
    assert [backoff.next() for _ in range(5)] == [1, 2, 4, 5, 5]
    backoff.reset()
    assert backoff.next() == 1
