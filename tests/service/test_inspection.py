"""From bytes to a committed verdict: boundary, repetition, and everything that must never give ok."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from sqlalchemy import func, select

from algan_ad.runtime.errors import InputError
from algan_ad.service.inspection import commit
from algan_ad.service.inspection.gate import Gate
from algan_ad.service.inspection.maps import picture_of
from algan_ad.service.inspection.part import Inspection, Part
from algan_ad.service.record.alarms import open_alarms
from algan_ad.service.record.tables import InspectionRow, OutboxRow
from algan_ad.service.station import Station

from .conftest import PLATES, Brightness, Open, Shelf, brightness, grey


def rows(station: Station) -> int:
    with station.record.reading() as session:
        return session.scalar(select(func.count(InspectionRow.id))) or 0


def scorer(shelf: Shelf) -> Brightness:
    found = shelf.models[PLATES].scorer
    assert isinstance(found, Brightness)
    return found


def test_the_decision_is_score_above_threshold(station: Station) -> None:
    found = station.inspector.inspect([Part(grey(95)), Part(grey(96))])
    assert [(each.verdict, each.score, each.threshold) for each in found] == [("ok", 95, 95), ("anomalous", 96, 95)]
    assert [each.p_value for each in found] == [0.06, 0.05]
    assert found[0].id is not None
    assert found[1].id == found[0].id + 1


def test_an_inspection_is_on_the_disk_when_it_is_given(station: Station, open_station: Open) -> None:
    (given,) = station.inspector.inspect([Part(grey(50), "p1")])
    with open_station().record.reading() as session:
        row = session.get_one(InspectionRow, given.id)
        assert Inspection.of(row) == given
        event = session.scalars(select(OutboxRow).where(OutboxRow.event == "inspection")).one()
    assert event.payload == given.model_dump(mode="json")
    assert row.image is not None
    assert station.images.read(row.image) == grey(50)


def test_maps_are_kept_with_their_scale(station: Station) -> None:
    (given,) = station.inspector.inspect([Part(grey(50))])
    assert (given.map_low, given.map_high) == (50, 50)
    assert picture_of(np.array([[0, np.nan]], np.float32)) is None


def test_a_part_number_is_inspected_once(station: Station, shelf: Shelf) -> None:
    scorer(shelf).seen.clear()
    first, again = (station.inspector.inspect([Part(grey(50), "p1")])[0] for _ in range(2))
    assert again == first.model_copy(update={"repeated": True})
    assert (rows(station), scorer(shelf).seen) == (1, [1])


def test_a_part_number_of_another_image_gets_no_verdict(station: Station) -> None:
    station.inspector.inspect([Part(grey(50), "p1")])
    (other,) = station.inspector.inspect([Part(grey(51), "p1")])
    assert (other.verdict, other.cause, other.score) == ("not inspected", "conflict", None)


def test_the_same_number_at_the_same_time_makes_one_row(open_station: Open) -> None:
    station = open_station(workers=8)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: station.inspector.inspect([Part(grey(50), "p1")])[0], range(8)))
    assert rows(station) == 1
    assert {each.id for each in found} == {found[0].id}


def test_a_part_that_failed_may_come_again(station: Station, shelf: Shelf) -> None:
    scorer(shelf).error = RuntimeError("out of memory")
    (failed,) = station.inspector.inspect([Part(grey(50), "p1")])
    scorer(shelf).error = None
    (given,) = station.inspector.inspect([Part(grey(50), "p1")])
    assert (failed.verdict, failed.cause, given.verdict) == ("not inspected", "error", "ok")
    assert "memory" not in (failed.reason or "")
    assert rows(station) == 2


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", grey(50)[:45], b"%!PS-Adobe-3.0 EPSF-3.0"], ids=["empty", "text", "cut", "eps"]
)
def test_a_bad_image_is_not_inspected_and_not_stored(station: Station, content: bytes) -> None:
    bad, good = station.inspector.inspect([Part(content), Part(grey(50))])
    assert (bad.verdict, bad.cause, good.verdict) == ("not inspected", "image", "ok")
    assert len(list(station.images.names())) == 1


def test_limits_come_before_decoding(open_station: Open) -> None:
    station = open_station(max_pixels=63, max_image_bytes=200)
    (large,) = station.inspector.inspect([Part(grey(50))])
    assert large.reason == "image data: larger than 6.3e-05 million pixels; scale it down first."
    (long,) = station.inspector.inspect([Part(bytes(201))])
    assert "larger than 200 bytes" in (long.reason or "")


def test_a_score_that_is_no_number_gets_no_verdict(station: Station, shelf: Shelf) -> None:
    scorer(shelf).offset = float("nan")
    (given,) = station.inspector.inspect([Part(grey(50))])
    assert (given.verdict, given.cause) == ("not inspected", "error")


def test_too_little_free_disk(open_station: Open) -> None:
    (given,) = open_station(free_disk_bytes=2**60).inspector.inspect([Part(grey(50))])
    assert (given.verdict, given.cause, given.id) == ("not inspected", "disk", None)


def test_a_disk_that_is_full_in_the_middle(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        (given,) = station.inspector.inspect([Part(grey(50))])
    assert (given.verdict, given.cause) == ("not inspected", "disk")
    assert station.inspector.inspect([Part(grey(50))])[0].verdict == "ok"


def test_an_unknown_model(station: Station) -> None:
    (given,) = station.inspector.inspect([Part(grey(50))], "bolts")
    assert (given.verdict, given.cause) == ("not inspected", "model")


def test_overload_is_refused_at_once() -> None:
    gate, entered, leave = Gate(1, 0), Event(), Event()

    def stay() -> None:
        with gate.admitted():
            entered.set()
            leave.wait()

    with ThreadPoolExecutor(1) as pool:
        staying = pool.submit(stay)
        entered.wait()
        with pytest.raises(Exception, match="1 inspections are under way") as refused, gate.admitted():
            pass
        leave.set()
        staying.result()
    assert getattr(refused.value, "cause", None) == "overload"
    with gate.admitted():
        assert gate.inside == 1


def test_a_clock_that_goes_back_raises_an_alarm_and_keeps_the_order(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    (first,) = station.inspector.inspect([Part(grey(50))])
    monkeypatch.setattr(commit, "now", lambda: "2001-01-01T00:00:00.000+00:00")
    (second,) = station.inspector.inspect([Part(grey(51))])
    assert first.id is not None
    assert second.id == first.id + 1
    with station.record.reading() as session:
        assert [each.kind for each in open_alarms(session)] == ["clock"]


def test_a_transaction_that_fails_harms_no_later_part(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has read of the model and the threshold counts no more."""

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patch:
        patch.setattr(commit, "announce", fail)
        assert station.inspector.inspect([Part(grey(50))])[0].cause == "error"
    assert station.inspector.inspect([Part(grey(50))])[0].verdict == "ok"
    assert rows(station) == 1


def test_a_listener_that_fails_harms_nobody(station: Station) -> None:
    heard: list[Inspection] = []

    def fail(inspection: Inspection) -> None:
        raise RuntimeError

    station.listeners += [fail, heard.append]
    given = station.inspector.inspect([Part(grey(50)), Part(b"nonsense")])
    assert heard == given


def test_nothing_is_held_in_the_store_after_a_part_that_failed(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str, content: bytes) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(station.maps, "_put", fail)
    (given,) = station.inspector.inspect([Part(grey(50))])
    assert (given.verdict, given.cause) == ("not inspected", "error")
    (left,) = station.images.names()
    assert station.images.remove(left)


def test_a_replaced_model_serves_from_the_next_part_on(station: Station, shelf: Shelf) -> None:
    (before,) = station.inspector.inspect([Part(grey(50))])
    shelf.models[PLATES] = brightness(seed=1)
    station.models.replace("plates", "me")
    (after,) = station.inspector.inspect([Part(grey(50))])
    assert (before.model_version, after.model_version) == (1, 2)
    assert before.model_hash != after.model_hash


def test_a_model_that_fails_its_trial_replaces_nothing(station: Station, shelf: Shelf) -> None:
    shelf.models[PLATES] = brightness(seed=1)
    scorer(shelf).offset = float("inf")
    with pytest.raises(Exception, match="fails its trial"):
        station.models.replace("plates", "me")
    assert station.inspector.inspect([Part(grey(50))])[0].verdict == "ok"


def test_a_model_without_threshold_is_refused(open_station: Open, shelf: Shelf) -> None:
    model = shelf.models[PLATES]
    shelf.models[PLATES] = type(model)(model.scorer, model.config.model_copy(update={"calibration": None}))
    with pytest.raises(InputError, match="no calibration"):
        open_station()


def test_the_threshold_of_a_folder_changes_nothing_unless_approved(open_station: Open, shelf: Shelf) -> None:
    open_station()
    shelf.models[PLATES] = brightness(rate=0.5)
    (given,) = open_station().inspector.inspect([Part(grey(60))])
    assert (given.verdict, given.threshold, given.threshold_version) == ("ok", 95, 1)


def test_a_station_is_opened_once(station: Station, tmp_path: Path, shelf: Shelf) -> None:
    from algan_ad.service.station import opened

    with pytest.raises(InputError, match="another server"), opened(station.settings, {}, shelf.load):
        pass
