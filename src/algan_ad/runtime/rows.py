"""One row of a table of predictions, in CSV and in JSON lines."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Skipped
from algan_ad.runtime.prediction import Prediction

COLUMNS = ("source", "score", "p_value", "threshold", "anomalous", "error", "model")

Outcome = Prediction | Skipped
Row = dict[str, Any]  # by column; None where a value is unknown


def row_of(outcome: Outcome, model: str | None) -> Row:
    """The row of a prediction, or of a picture that could not be read, which has an error in place of a score."""
    if isinstance(outcome, Skipped):
        values = {"source": str(outcome.path), "error": outcome.reason}
    else:
        values = outcome.to_dict()  # type: ignore[assignment]
    found = {**dict.fromkeys(COLUMNS), **values, "model": model}
    return {column: written(value) if isinstance(value, str) else value for column, value in found.items()}


def outcome_of(row: Row) -> Outcome:
    """The prediction, or the picture that could not be read, of a row."""
    if row["error"] is not None:
        return Skipped(Path(row["source"]), row["error"])
    return Prediction(row["score"], row["p_value"], row["anomalous"], row["threshold"], row["source"])


def written(name: str) -> str:
    """A name as tables have it, because a file name need not be valid Unicode."""
    return name.encode("utf-8", "backslashreplace").decode()


class Format(Protocol):
    """Rows as bytes, one record each."""

    header: bytes

    def encode(self, row: Row) -> bytes:
        """The record of a row."""

    def decode(self, record: bytes) -> Row:
        """The row of a record. Raises ValueError or KeyError for anything else."""

    def is_whole(self, record: bytes) -> bool:
        """True for a record that is not cut; the lines of a file are added to it until it is."""


class Csv:
    """Records of comma-separated values, unknown ones empty, under a header."""

    def __init__(self) -> None:
        self.header = _line(COLUMNS)

    def encode(self, row: Row) -> bytes:
        return _line(row[column] for column in COLUMNS)

    def decode(self, record: bytes) -> Row:
        (values,) = csv.reader(io.StringIO(record.decode(), newline=""))
        row: Row = {column: value or None for column, value in zip(COLUMNS, values, strict=True)}
        numbers = {name: float(row[name]) for name in ("score", "p_value", "threshold") if row[name] is not None}
        flag = {None: None, "True": True, "False": False}[row["anomalous"]]
        return row | numbers | {"anomalous": flag}

    def is_whole(self, record: bytes) -> bool:
        return record.endswith(b"\r\n") and record.count(b'"') % 2 == 0


class JsonLines:
    """Records of one JSON object each."""

    header = b""

    def encode(self, row: Row) -> bytes:
        return json.dumps(row, allow_nan=False).encode() + b"\n"

    def decode(self, record: bytes) -> Row:
        row: Row = json.loads(record)
        if tuple(row) != COLUMNS:
            raise KeyError(f"columns {', '.join(row)}")
        return row

    def is_whole(self, record: bytes) -> bool:
        return record.endswith(b"\n")


def read_rows(file: BinaryIO, path: Path, form: Format) -> Iterator[tuple[Row, int]]:
    """The rows of a file, each with the position where it ends; a last one that is cut is left out.

    Raises InputError for a file of other columns, or of none.
    """
    end, header = 0, form.header
    for record in _records(file, form):
        end += len(record)
        try:
            if not header:
                yield form.decode(record), end
            elif record != header:
                raise ValueError
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise InputError(
                f"{path}: byte {end - len(record)} begins no row of the columns {', '.join(COLUMNS)}; choose another "
                "place"
            ) from error
        header = b""


def _records(file: BinaryIO, form: Format) -> Iterator[bytes]:
    record = b""
    for line in file:
        record += line
        if form.is_whole(record):
            yield record
            record = b""


def _line(values: Any) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(values)
    return text.getvalue().encode()
