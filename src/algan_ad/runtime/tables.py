"""Tables of predictions, written as they are made: CSV, JSON lines or Parquet, by suffix.

A table grows under its name with `.partial` behind, and gets its name when it is complete. Its rows name the model and
the pictures, so that a call that was killed can go on: a last row that is cut is written again, and no other one.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from io import FileIO
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from algan_ad.runtime.errors import InputError, MissingExtra, Option
from algan_ad.runtime.files import behind_links, explaining_write_errors, is_stream, open_stream, replacing
from algan_ad.runtime.rows import COLUMNS, Csv, Format, JsonLines, Outcome, Row, outcome_of, read_rows, row_of, written

JSON_LINES = (".jsonl", ".ndjson")
PARQUET = ".parquet"
ROW_GROUP = 65_536  # rows of a Parquet file that are held in memory


class Table(Protocol):
    """A place for rows."""

    def old(self, names: Iterator[str]) -> Iterator[Outcome]:
        """The outcomes of an earlier call, which take as many `names`. Raises InputError where they do not match."""

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Add rows. When this returns, they survive the end of the process."""

    def commit(self) -> None:
        """Give the table, which is complete, its name."""

    def close(self) -> None:
        """Let go of the file, so that another call may write it."""


def open_table(path: Path, model: str, *, overwrite: bool = False, resume: bool = False) -> Table:
    """A table at `path` whose rows name `model`. Nothing is written yet.

    Raises InputError where a table is there already and neither `overwrite` nor `resume` is set, MissingExtra for
    Parquet without pyarrow.
    """
    suffix = path.suffix.lower()
    form = JsonLines() if suffix in (*JSON_LINES, PARQUET) else Csv()
    if overwrite and resume:
        raise InputError(Option("overwrite", True), " and ", Option("resume", True), ": choose one of them")
    if is_stream(path):
        if resume or suffix == PARQUET:
            raise InputError(f"{path}: a pipe or a device takes CSV or JSON lines, from the beginning; name a file")
        return _Stream(path, model, form)
    if suffix == PARQUET:
        _pyarrow(path)
    if path.is_dir():
        raise InputError(f"{path}: a folder; name a file")
    table = _File(behind_links(path), model, form)
    if not (overwrite or resume):
        if table.partial.exists():
            raise InputError(
                f"{table.partial}: rows of a call that did not end; go on with ", Option("resume", True), ", or set ",
                Option("overwrite", True),
            )  # fmt: skip
        if path.exists():
            raise InputError(f"{path}: exists already; choose another place, or set ", Option("overwrite", True))
    table.keep = resume
    return table


def write_csv(outcomes: Iterable[Outcome], path: str | Path) -> None:
    """Write one row per prediction, or per picture that could not be read, as CSV, UTF-8, whole or not at all."""
    form = Csv()
    with replacing(Path(path)) as temporary, temporary.open("wb") as file:
        file.write(form.header)
        file.writelines(form.encode(row_of(each, None)) for each in outcomes)


class _Stream:
    """A pipe or a device, opened with the first row."""

    def __init__(self, path: Path, model: str, form: Format) -> None:
        self.path, self.model, self.form = path, model, form
        self.stream: BinaryIO | None = None

    def old(self, names: Iterator[str]) -> Iterator[Outcome]:
        return iter(())

    def write(self, outcomes: Sequence[Outcome]) -> None:
        if self.stream is None:
            self.stream = open_stream(self.path)
            self.stream.write(self.form.header)
        self.stream.writelines(self.form.encode(row_of(each, self.model)) for each in outcomes)
        self.stream.flush()

    def commit(self) -> None:
        pass

    def close(self) -> None:
        if self.stream is not None:
            self.stream.close()


class _File:
    """A table on the disk. A Parquet file, which cannot grow row by row, is made from JSON lines at the end."""

    def __init__(self, path: Path, model: str, form: Format) -> None:
        self.path, self.model, self.form = path, model, form
        self.partial = path.with_name(f"{path.name}.partial")
        self.keep = False  # the rows that are there
        self.complete = False
        self.end = 0
        self.file: FileIO | None = None

    def old(self, names: Iterator[str]) -> Iterator[Outcome]:
        if not self.keep:
            return
        self.complete = self.path.exists() and not self.partial.exists()
        for row in self._rows():
            if row["model"] != self.model:
                raise InputError(f"{self.path}: belongs to another model, or another threshold; choose another place")
            name = next(names, None)
            if name is None or row["source"] != written(name):
                raise InputError(
                    f"{self.path}: has a row of {row['source']} where the sources have {name or 'nothing any more'}; "
                    "give the same ones in the same order, or choose another place"
                )
            yield outcome_of(row)
        if self.complete and (name := next(names, None)) is not None:
            raise InputError(f"{self.path}: complete, and without a row of {name}; choose another place")

    def write(self, outcomes: Sequence[Outcome]) -> None:
        if not outcomes:
            return
        with explaining_write_errors(self.partial):
            if self.file is None:
                self.file = self._opened()
            rows = b"".join(self.form.encode(row_of(each, self.model)) for each in outcomes)
            left = memoryview(rows)
            while left:  # without a buffer, so that a kill takes nothing with it
                left = left[self.file.write(left) :]

    def commit(self) -> None:
        if self.complete:
            return
        with explaining_write_errors(self.path):
            if self.file is None:
                self.file = self._opened()
            os.fsync(self.file.fileno())
            self.file.close()
            if self.path.suffix.lower() == PARQUET:
                with replacing(self.path) as temporary:
                    _write_parquet(temporary, self.partial, self.form)
                self.partial.unlink()
            else:
                os.replace(self.partial, self.path)

    def close(self) -> None:
        if self.file is not None:
            self.file.close()

    def _opened(self) -> FileIO:
        self.partial.parent.mkdir(parents=True, exist_ok=True)
        file = self.partial.open("ab", buffering=0)
        _claim(file, self.partial)
        file.truncate(self.end)
        if self.end == 0:
            file.write(self.form.header)
        return file

    def _rows(self) -> Iterator[Row]:
        if self.complete and self.path.suffix.lower() == PARQUET:
            yield from _read_parquet(self.path)
        elif self.complete or self.partial.exists():
            place = self.path if self.complete else self.partial
            with place.open("rb") as file:
                for row, end in read_rows(file, place, self.form):
                    self.end = end
                    yield row


def _claim(file: FileIO, path: Path) -> None:
    """Keep other processes from writing a file until this one closes it or ends. Raises InputError if one does."""
    try:
        import fcntl
    except ImportError:  # Windows, where an open file is not renamed or replaced by others
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise InputError(f"{path}: another process is writing it; wait for its end, or stop it") from error


def _pyarrow(path: Path) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra(f"{path}: Parquet needs pip install pyarrow; or name a .csv or a .jsonl file") from error
    return pyarrow


def _write_parquet(path: Path, lines: Path, form: Format) -> None:
    """A Parquet file of the rows of another file, a row group at a time."""
    arrow = _pyarrow(path)
    kinds = {"source": arrow.string(), "anomalous": arrow.bool_(), "error": arrow.string(), "model": arrow.string()}
    schema = arrow.schema([(column, kinds.get(column, arrow.float64())) for column in COLUMNS])
    with lines.open("rb") as file, arrow.parquet.ParquetWriter(path, schema) as writer:
        rows = (row for row, _ in read_rows(file, lines, form))
        while group := list(islice(rows, ROW_GROUP)):
            writer.write_table(arrow.Table.from_pylist(group, schema))


def _read_parquet(path: Path) -> Iterator[Row]:
    arrow = _pyarrow(path)
    try:
        file = arrow.parquet.ParquetFile(path)
    except arrow.ArrowInvalid as error:
        raise InputError(f"{path}: not a Parquet file ({error}); choose another place") from error
    with file:
        if tuple(file.schema_arrow.names) != COLUMNS:
            raise InputError(f"{path}: has other columns than {', '.join(COLUMNS)}; choose another place")
        for batch in file.iter_batches():
            yield from batch.to_pylist()
