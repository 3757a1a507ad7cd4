"""The record as a table: CSV, or Parquet."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from algan_ad.runtime.errors import InputError, MissingExtra
from algan_ad.runtime.files import refuse_to_replace, replacing
from algan_ad.service.inspection.part import Inspection
from algan_ad.service.record.inspections import Filter, page
from algan_ad.service.record.record import Record

COLUMNS = (
    "id", "at", "part", "source", "origin", "verdict", "cause", "reason", "score", "p_value", "threshold",
    "threshold_version", "model", "model_version", "model_hash", "judgement",
)  # fmt: skip
TOGETHER = 1000
Row = dict[str, Any]


def export(record: Record, wanted: Filter, out: Path, overwrite: bool = False) -> int:
    """Write inspections, oldest first, as .csv or .parquet. Returns their number.

    Raises InputError for another suffix, and for a file that exists unless `overwrite`; AlganError on a full disk.
    """
    write = {".csv": _write_csv, ".parquet": _write_parquet}.get(out.suffix.lower())
    if write is None:
        raise InputError(f"{out}: expected a name that ends in .csv or .parquet")
    refuse_to_replace([out], [], overwrite)
    with replacing(out) as temporary:
        return write(_tables(record, wanted), temporary)


def _tables(record: Record, wanted: Filter) -> Iterator[list[Row]]:
    last = 0
    while True:
        with record.reading() as session:
            found = [Inspection.of(row) for row in page(session, wanted, after=last, limit=TOGETHER)]
        if not found:
            return
        yield [each.model_dump(include=set(COLUMNS)) for each in found]
        last = found[-1].id or last


def _write_csv(tables: Iterator[list[Row]], path: Path) -> int:
    n = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for rows in tables:
            writer.writerows(rows)
            n += len(rows)
    return n


def _write_parquet(tables: Iterator[list[Row]], path: Path) -> int:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra(f"{path}: Parquet needs pip install pyarrow") from error
    kinds = dict.fromkeys(COLUMNS, pa.string()) | dict.fromkeys(("score", "p_value", "threshold"), pa.float64())
    kinds |= dict.fromkeys(("id", "threshold_version", "model_version"), pa.int64())
    schema, n = pa.schema(list(kinds.items())), 0
    with parquet.ParquetWriter(path, schema) as writer:
        for rows in tables:
            writer.write_table(pa.Table.from_pylist(rows, schema))
            n += len(rows)
    return n
