"""Connections to SQLite or PostgreSQL, so set up that a committed row survives a power cut."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from algan_ad.runtime.errors import InputError, MissingExtra

RECORD = "record.sqlite"
BUSY_SECONDS = 20.0  # that a command waits for the server's transaction, and the server for a command's


def url_of(folder: Path) -> str:
    """The URL of the SQLite file inside a station folder."""
    return f"sqlite:///{folder / RECORD}"


def connect(url: str) -> Engine:
    """An engine for a URL. Raises InputError for another database, MissingExtra without its driver."""
    try:
        kind = make_url(url).get_backend_name()
        if kind not in ("sqlite", "postgresql"):
            raise InputError(f"{url}: expected a database of sqlite:/// or postgresql+psycopg://")
        engine = create_engine(url, pool_pre_ping=kind == "postgresql")
    except ArgumentError as error:
        raise InputError(f"db: not the URL of a database ({error})") from error
    except ModuleNotFoundError as error:
        raise MissingExtra(f"db: this database needs pip install {error.name}") from error
    if kind == "sqlite":
        _make_durable(engine)
    return engine


def for_writing(engine: Engine) -> Engine:
    """The same engine for transactions that write: SQLite then takes its lock at the start, not in the middle."""
    return engine.execution_options(writing=True)


def _make_durable(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin below, and hold changes of the schema, too
        for name, value in (
            ("busy_timeout", int(BUSY_SECONDS * 1000)),
            ("journal_mode", "WAL"),
            ("synchronous", "FULL"),
            ("foreign_keys", "ON"),
        ):
            connection.execute(f"PRAGMA {name} = {value}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("writing")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
