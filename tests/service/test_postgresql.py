"""The record in PostgreSQL, in a server of the distribution's packages on a loopback port of its own."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text

from algan_ad.runtime.errors import InputError
from algan_ad.service.backup import backup, restore
from algan_ad.service.inspection.part import Part
from algan_ad.service.record.record import Record
from algan_ad.service.record.tables import Table
from algan_ad.service.station import Station

from .conftest import Open, client_of, grey

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of an empty database, without its name."""
    if not PROGRAMS:
        pytest.skip("no PostgreSQL server is installed (package postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="algan-postgresql-"))  # a path that its user may enter, and a short one
    as_user: list[str] = []
    if os.geteuid() == 0:  # the server refuses to run as root
        as_user = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def run(program: str, *words: object) -> None:
        command = [*as_user, str(PROGRAMS[-1] / program), *map(str, words)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60, cwd="/")

    run("initdb", "-D", folder / "data", "-A", "trust", "-U", "postgres", "-N")
    run("pg_ctl", "-D", folder / "data", "-l", folder / "log", "-w", "-o", f"-p {port} -k {folder} -F", "start")
    yield f"postgresql+psycopg://postgres@127.0.0.1:{port}"
    run("pg_ctl", "-D", folder / "data", "-m", "immediate", "stop")
    shutil.rmtree(folder)


@pytest.fixture
def db(server: str, request: pytest.FixtureRequest) -> str:
    """The URL of a database of this test alone."""
    name = request.node.name.replace("test_", "")[:60]
    with create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    return f"{server}/{name}"


def inspect(station: Station, *values: int) -> list[tuple[int | None, str]]:
    return [(each.id, each.verdict) for each in station.inspector.inspect([Part(grey(v), f"p{v}") for v in values])]


def test_the_same_as_in_sqlite(open_station: Open, db: str) -> None:
    station = open_station(db=db, audit_share=1)
    assert inspect(station, 50, 200, 50) == [(1, "ok"), (2, "anomalous"), (1, "ok")]
    assert station.inspector.inspect([Part(grey(51), "p50")])[0].cause == "conflict"
    client = client_of(station)
    client.put("/v1/inspections/1/judgement", json={"judgement": "good"})
    assert client.post("/v1/models/plates/thresholds", json={"false_alarm_rate": 0.5}).json()["threshold"] == 50
    assert client.get("/v1/inspections?since=2001&part=p50").json()["inspections"][0]["id"] == 1
    assert client.get("/v1/models/plates/estimates").json()["false_alarm_rate"]["n"] == 1
    with station.record.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Table.metadata) == []


def test_two_servers_on_one_database_are_refused(open_station: Open, db: str, tmp_path: Path) -> None:
    open_station(db=db)
    second = Record(db)
    with pytest.raises(InputError, match="another server uses this database"), second.claimed():
        pass
    second.close()


def test_a_newer_schema_is_refused(db: str) -> None:
    record = Record(db)
    with record.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    record.close()
    with pytest.raises(InputError, match="newer algan-ad"):
        Record(db)


def test_from_sqlite_to_postgresql_and_back(open_station: Open, db: str, tmp_path: Path) -> None:
    first = open_station()
    inspect(first, 50, 51)
    backup(first.settings.station, None, tmp_path / "copy")
    restore(tmp_path / "copy", tmp_path / "moved", db)
    second = open_station(db=db, station=tmp_path / "moved")
    assert inspect(second, 50, 52) == [(1, "ok"), (3, "ok")]  # ids go on after the last one
    second.drift.look()
    assert second.drift.of("plates").learning["brightness"] == 3  # the monitor goes on, too
    assert backup(tmp_path / "moved", db, tmp_path / "back") == 4
    with pytest.raises(InputError, match="holds a record already"):
        restore(tmp_path / "back", tmp_path / "third", db)
    third = open_station(station=tmp_path / "back")
    assert inspect(third, 52, 53) == [(3, "ok"), (4, "ok")]
    third.drift.look()
    assert third.drift.of("plates").learning["brightness"] == 4
