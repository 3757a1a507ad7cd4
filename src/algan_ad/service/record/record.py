"""The record of a station: opened, read and written."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from algan_ad.runtime.clock import now
from algan_ad.runtime.errors import InputError
from algan_ad.service.record.database import connect, for_writing
from algan_ad.service.record.schema import bring_up_to_date
from algan_ad.service.record.tables import StationRow
from algan_ad.service.record.writer import Writer

Result = TypeVar("Result")
_CLAIM = 0x616C67616E  # of PostgreSQL's advisory lock


class Record:
    """An open record, with the tables of `tables.py` up to date. Threads may share it.

    Raises InputError for a record that cannot be opened or was made by a newer version.
    """

    def __init__(self, url: str) -> None:
        self.engine = connect(url)
        bring_up_to_date(self.engine)
        self._writer = Writer(for_writing(self.engine))
        self.secret = bytes.fromhex(self.write(_station).secret)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the record, and writes nothing."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    def write(self, change: Callable[[Session], Result]) -> Result:
        """Carry out a change and return its result once it is on the disk, as `Writer.write` does."""
        return self._writer.write(change)

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Hold a PostgreSQL database for one server; a SQLite file lies in a folder that is held already.

        Raises InputError when another server holds it.
        """
        if self.engine.dialect.name != "postgresql":
            yield
            return
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            if not connection.scalar(text(f"SELECT pg_try_advisory_lock({_CLAIM})")):
                raise InputError(f"{self.engine.url}: another server uses this database; stop it first")
            yield

    def close(self) -> None:
        """Finish the changes that wait, and close all connections."""
        self._writer.close()
        self.engine.dispose()


def _station(session: Session) -> StationRow:
    """The row of the station, made when the record is new."""
    row = session.scalar(select(StationRow))
    if row is None:
        row = StationRow(name=secrets.token_hex(8), secret=secrets.token_hex(32), at=now())
        session.add(row)
        session.flush()
    return row
