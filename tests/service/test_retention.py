"""Retention: what it removes, and what it never does."""

from sqlalchemy import select, update

from algan_ad.service.inspection.part import Part
from algan_ad.service.record.tables import InspectionRow
from algan_ad.service.station import Station
from algan_ad.service.store.retention import remove_old, remove_orphans

from .conftest import Open, grey


def kept(station: Station) -> list[int]:
    with station.record.reading() as session:
        found = session.scalars(select(InspectionRow).where(InspectionRow.image_kept).order_by(InspectionRow.id)).all()
    assert {each.image for each in found} == set(station.images.names())
    assert {each.map for each in found} == set(station.maps.names())
    return [each.id for each in found]


def test_flagged_judged_and_audited_parts_are_kept(open_station: Open) -> None:
    station = open_station(keep_days=0, keep_share=0)
    station.inspector.inspect([Part(grey(value)) for value in (50, 51, 52, 200)])
    for number, change in ((1, {"judgement": "good"}), (2, {"audit": True})):
        station.record.write(
            lambda session, number=number, change=change: session.execute(
                update(InspectionRow).where(InspectionRow.id == number).values(change)
            ).close()
        )
    assert remove_old(station) == 1
    assert kept(station) == [1, 2, 4]


def test_a_share_is_kept_whatever_its_age(open_station: Open) -> None:
    station = open_station(keep_days=0, keep_share=0.5)
    for start in (0, 16):
        station.inspector.inspect([Part(grey(value)) for value in range(start, start + 16)])
    removed = remove_old(station)
    assert 4 <= removed <= 28
    assert len(kept(station)) == 32 - removed
    assert remove_old(station) == 0


def test_the_oldest_go_when_there_is_too_much(open_station: Open) -> None:
    station = open_station()
    station.inspector.inspect([Part(grey(value)) for value in (50, 51, 52)])
    with station.record.reading() as session:
        last = session.get_one(InspectionRow, 3)
    station = open_station(keep_bytes=last.image_bytes + last.map_bytes)
    assert remove_old(station) == 2
    assert kept(station) == [3]


def test_an_image_that_another_part_keeps_stays(open_station: Open) -> None:
    station = open_station(keep_days=0, keep_share=0)
    station.inspector.inspect([Part(grey(50)), Part(grey(50))])
    station.record.write(
        lambda session: session.execute(update(InspectionRow).where(InspectionRow.id == 2).values(audit=True)).close()
    )
    assert remove_old(station) == 1
    assert kept(station) == [2]


def test_contents_without_a_row_are_removed(station: Station) -> None:
    station.inspector.inspect([Part(grey(50))])
    with station.images.holding(b"of a killed process") as name:
        assert remove_orphans(station) == 0
    assert remove_orphans(station) == 1
    assert not station.images.path(name).exists()
    assert kept(station) == [1]
