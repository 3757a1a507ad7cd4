"""The record: durable settings, migrations, one writer, ids that only grow."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from algan_ad.runtime.errors import InputError
from algan_ad.service.lock import held
from algan_ad.service.record.alarms import acknowledge, open_alarms, raise_alarm
from algan_ad.service.record.audit_log import note
from algan_ad.service.record.database import RECORD, connect, for_writing, url_of
from algan_ad.service.record.outbox import add_sink, announce, mark_delivered, prune, remove_sink, sinks, undelivered
from algan_ad.service.record.record import Record
from algan_ad.service.record.schema import bring_up_to_date
from algan_ad.service.record.tables import AuditRow, InspectionRow, JudgementRow, OutboxRow, Table


def test_sqlite_is_set_to_survive_a_power_cut(record: Record) -> None:
    with record.reading() as session:
        found = [session.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "foreign_keys")]
    assert found == ["wal", 2, 1]


def test_migrations_make_the_tables_of_the_code(record: Record) -> None:
    with record.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Table.metadata) == []


def test_a_record_of_the_first_version_keeps_its_inspections(tmp_path: Path) -> None:
    engine = connect(url_of(tmp_path))
    bring_up_to_date(engine, "0001")
    with for_writing(engine).begin() as connection:
        connection.execute(
            text(
                "INSERT INTO inspections (at, source, part, model_name, verdict, cause, image_bytes, map_bytes,"
                " timing_ms, audit, image_kept) VALUES ('2026-11-25', 'http', 'p1', 'plates', 'not inspected', 'image',"
                " 0, 0, '{}',"
                " false, false)"
            )
        )
    engine.dispose()
    record = Record(url_of(tmp_path))
    with record.reading() as session:
        assert [(row.part, row.origin) for row in session.scalars(select(InspectionRow))] == [("p1", None)]
    record.close()


def test_the_station_keeps_its_secret(tmp_path: Path) -> None:
    secrets = set()
    for _ in range(2):
        record = Record(url_of(tmp_path))
        secrets.add(record.secret)
        record.close()
    assert len(secrets) == 1


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    record = Record(url_of(tmp_path))
    with record.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    record.close()
    before = (tmp_path / RECORD).read_bytes()
    with pytest.raises(InputError, match=r"newer algan-ad \(schema 9999"):
        Record(url_of(tmp_path))
    assert (tmp_path / RECORD).read_bytes() == before


def test_a_file_that_is_no_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / RECORD).write_bytes(b"not a database" * 100)
    with pytest.raises(InputError, match="cannot be used as a station's record"):
        Record(url_of(tmp_path))


@pytest.mark.parametrize("url", ["mysql://x", "nonsense", "sqlite+nope:///x"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises((InputError, ImportError)):
        Record(url)


def test_a_change_that_raises_leaves_nothing_and_harms_no_other(record: Record) -> None:
    def bad(session: Session) -> None:
        note(session, "me", "begin", "part")
        session.flush()
        session.add(JudgementRow(inspection_id=77, judgement="good", undo=False, by="me", at=""))  # no such inspection

    def good(session: Session) -> None:
        note(session, "me", "good", "part")

    with ThreadPoolExecutor(8) as pool:
        bads = [pool.submit(record.write, bad) for _ in range(4)]
        goods = [pool.submit(record.write, good) for _ in range(4)]
    assert all(isinstance(each.exception(), IntegrityError) for each in bads)
    assert all(each.exception() is None for each in goods)
    with pytest.raises(IntegrityError):  # also alone, without company that would need a savepoint
        record.write(bad)
    with record.reading() as session:
        assert session.scalars(select(AuditRow.action)).all() == ["good"] * 4


def test_ids_are_never_given_twice(record: Record) -> None:
    record.write(lambda session: announce(session, "first", {}))
    record.write(lambda session: session.execute(text("DELETE FROM outbox")).close())
    record.write(lambda session: announce(session, "second", {}))
    with record.reading() as session:
        assert session.scalars(select(OutboxRow.id)).all() == [2]


def test_sinks_get_their_events_in_order_until_they_have_delivered_them(record: Record) -> None:
    record.write(lambda session: announce(session, "before", {}))
    for name in ("mqtt", "webhook"):
        record.write(lambda session, name=name: add_sink(session, name))
    for i in range(3):
        record.write(lambda session, i=i: announce(session, "event", {"i": i}))
    with record.reading() as session:
        events = undelivered(session, "mqtt")
    assert [each.payload for each in events] == [{"i": 0}, {"i": 1}, {"i": 2}]
    record.write(lambda session: mark_delivered(session, "mqtt", events[1].id))
    record.write(prune)
    with record.reading() as session:
        assert len(undelivered(session, "mqtt")) == 1
        assert len(undelivered(session, "webhook")) == 3
    for name in ("mqtt", "webhook"):
        record.write(lambda session, name=name: mark_delivered(session, name, events[2].id))
    record.write(prune)
    record.write(lambda session: announce(session, "event", {"i": 3}))
    with record.reading() as session:
        assert [each.payload for each in undelivered(session, "webhook")] == [{"i": 3}]


def test_a_sink_is_removed_with_what_waits_for_it(record: Record) -> None:
    record.write(lambda session: add_sink(session, "mqtt"))
    record.write(lambda session: announce(session, "event", {}))
    assert record.write(lambda session: remove_sink(session, "mqtt", "me")) == 1
    with record.reading() as session:
        assert sinks(session) == {}
        assert [row.action for row in session.scalars(select(AuditRow))] == ["remove sink"]
    with pytest.raises(InputError, match="no sink 'mqtt'; there are none"):
        record.write(lambda session: remove_sink(session, "mqtt", "me"))


def test_an_alarm_is_raised_once_until_it_is_acknowledged(record: Record) -> None:
    first, again = (record.write(lambda session: raise_alarm(session, "clock", "it jumped")) for _ in range(2))
    assert first.id == again.id
    record.write(lambda session: acknowledge(session, first.id, "me"))
    with record.reading() as session:
        assert open_alarms(session) == []
    assert record.write(lambda session: raise_alarm(session, "clock", "it jumped")).id > first.id
    with pytest.raises(InputError, match="there is none"):
        record.write(lambda session: acknowledge(session, 99, "me"))


def test_two_servers_on_one_station_are_refused(tmp_path: Path) -> None:
    with held(tmp_path / "station"), pytest.raises(InputError, match="another server uses"), held(tmp_path / "station"):
        pass
    with held(tmp_path / "station"):
        pass
