"""All rows of a record in another one: the way of backups, and from SQLite to PostgreSQL."""

from sqlalchemy import Engine, func, insert, select, text

from algan_ad.runtime.errors import InputError
from algan_ad.service.record.database import for_writing
from algan_ad.service.record.schema import bring_up_to_date
from algan_ad.service.record.tables import StationRow, Table

TOGETHER = 1000


def copy_rows(source: Engine, target: Engine) -> None:
    """Copy every row as of one moment, also while a server writes. The ids stay.

    Raises InputError when the target is in use already.
    """
    bring_up_to_date(target)
    snapshot = {"isolation_level": "REPEATABLE READ"} if source.dialect.name == "postgresql" else {}
    with (
        source.connect().execution_options(stream_results=True, **snapshot) as reading,
        for_writing(target).begin() as writing,
    ):
        if writing.scalar(select(func.count()).select_from(StationRow)):
            raise InputError(f"{target.url}: holds a record already; name an empty place")
        for table in Table.metadata.sorted_tables:
            for rows in reading.execute(select(table).order_by(*table.primary_key)).partitions(TOGETHER):
                writing.execute(insert(table), [dict(row._mapping) for row in rows])
            if target.dialect.name == "postgresql" and "id" in table.columns:  # the next id follows the last one
                newest = writing.scalar(select(func.max(table.c.id))) or 0
                sequence = text("SELECT setval(pg_get_serial_sequence(:table, 'id'), :last, :used)")
                writing.execute(sequence, {"table": table.name, "last": max(1, newest), "used": newest > 0})
