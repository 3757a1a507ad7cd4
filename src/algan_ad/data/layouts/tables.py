"""Tables whose rows name images: CSV and Parquet as a dictionary of texts for each row."""

import csv
import math
from collections.abc import Iterator
from os.path import normpath
from pathlib import Path
from typing import Any

from algan_ad.runtime.errors import InputError, MissingExtra
from algan_ad.runtime.vectors import separator_of

SUFFIXES = (".csv", ".parquet")


def head_of(path: Path) -> list[str]:
    """Names of the columns, in small letters and without blanks around them. Raises as `read_rows` does.

    Bytes that are not UTF-8 are passed over here; a list of images with such bytes is refused when it is read.
    """
    return _names(next(_lines(path, errors="replace"), []))


def read_rows(path: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    """Texts of each row by column, without blanks around them; an empty cell is "".

    A CSV is separated by comma, semicolon or tab. Rows in messages count from 1, below the head.

    Raises:
        InputError: an unreadable file, a missing column, two columns of one name, a row of another length, no row.
        MissingExtra: Parquet without pyarrow.
    """
    lines = _lines(path)
    columns, rows = _names(next(lines, [])), list(lines)
    if missing := [name for name in needed if name not in columns]:
        raise InputError(
            f"{path}: no column {' and none '.join(map(repr, missing))}; its columns are {', '.join(columns) or 'none'}"
        )
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise InputError(f"{path}: two columns are named {twice[0]!r}; give each a name of its own")
    if not rows:
        raise InputError(f"{path}: no row below its head; expected one row for each image")
    for number, row in enumerate(rows, 1):
        if len(row) != len(columns):
            raise InputError(f"{path}: row {number} has {len(row)} fields, expected {len(columns)}")
    return [dict(zip(columns, map(str.strip, row), strict=True)) for row in rows]


def file_named(text: str, root: Path, where: str) -> Path:
    """The file of a path that is written relative to `root`, or absolute; `where` begins a message.

    Raises InputError for a file that lies outside of `root` or is not there.
    """
    inner = Path(normpath(text))
    if inner.is_absolute() and inner.is_relative_to(normpath(root.absolute())):
        inner = inner.relative_to(normpath(root.absolute()))
    if inner.is_absolute() or ".." in inner.parts:
        raise InputError(f"{where}: {text} lies outside of {root}; expected a file in this folder or below it")
    if not (root / inner).is_file():
        raise InputError(f"{where}: {text}: no such file in {root}")
    return root / inner


def _names(cells: list[str]) -> list[str]:
    return [cell.strip().lower() for cell in cells]


def _lines(path: Path, errors: str = "strict") -> Iterator[list[str]]:
    """The head, then every row."""
    try:
        yield from _parquet_lines(path) if path.suffix.lower() == ".parquet" else _csv_lines(path, errors)
    except (OSError, ValueError, csv.Error) as error:  # pyarrow derives its own from these
        raise InputError(f"{path}: cannot be read as {path.suffix[1:].lower()} ({error})") from error


def _csv_lines(path: Path, errors: str) -> Iterator[list[str]]:
    with path.open(encoding="utf-8-sig", errors=errors, newline="") as file:
        separator = separator_of(file.readline())
        file.seek(0)
        yield from (row for row in csv.reader(file, delimiter=separator) if row)


def _parquet_lines(path: Path) -> Iterator[list[str]]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra(f"{path}: reading Parquet needs pip install 'algan-ad[train]'") from error
    with parquet.ParquetFile(path) as file:
        yield list(file.schema_arrow.names)
        for batch in file.iter_batches():
            yield from ([_text(value) for value in row.values()] for row in batch.to_pylist())


def _text(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:g}"  # integers beside empty cells were made floats
    return "" if value is None else str(value)
