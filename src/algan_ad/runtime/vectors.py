"""Tables of numbers -> float64 (n, d): arrays, .npy, .npz, CSV and Parquet."""

import csv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from algan_ad.runtime.errors import InputError, MissingExtra
from algan_ad.runtime.progress import log

Vectors = NDArray[np.float64]  # (n, d)

SUFFIXES = (".npy", ".npz", ".csv", ".parquet")
LARGEST = float(np.finfo(np.float32).max)  # networks compute in float32
LISTED = 10  # names in one message


@dataclass(frozen=True)
class Table:
    """Numbers and their source.

    name: the file, or "array". vectors: float64 (n, d), one sample per row. columns: the names of the d columns, None
    if the source has none.
    """

    name: str
    vectors: Vectors
    columns: tuple[str, ...] | None = None

    def in_order(self, columns: Sequence[str] | None) -> Vectors:
        """The vectors with their columns in the order of these names, or by position if either side has no names.

        Raises InputError, which lists the names, for columns that are missing or new.
        """
        if self.columns is None:
            return self.vectors
        if columns is None:
            log(f"{self.name}: its columns are taken by position, because the model was trained without names")
            return self.vectors
        place = {column: i for i, column in enumerate(self.columns)}
        missing = [column for column in columns if column not in place]
        new = [column for column in self.columns if column not in set(columns)]
        if missing or new:
            found = [f"{word} {_listed(names)}" for word, names in (("missing", missing), ("new", new)) if names]
            raise InputError(f"{self.name}: not the columns that the model was trained on: {'; '.join(found)}")
        return self.vectors[:, [place[column] for column in columns]]


def read_table(source: str | Path | ArrayLike) -> Table:
    """The numbers of `source`, with the names of its columns.

    Args:
        source: an array, or a file: .npy; .npz with the array "X"; .csv separated by comma, semicolon or tab,
            whose first line is a header when one of its fields is not a number; .parquet.

    Columns that never change are kept, with a warning.

    Raises:
        InputError: unreadable or missing file, text instead of numbers, a number that is not finite in
            float32, nothing in it, not two dimensions, or two columns of one name. Rows and columns in messages
            count from 1.
        MissingExtra: CSV or Parquet without pandas.
    """
    name, columns = "array", None
    if isinstance(source, str | Path):
        name = str(source)
        values, columns = _read(Path(source))
    else:
        values = np.asarray(source)
    vectors = _validate(name, values, columns)
    constant = np.flatnonzero((vectors == vectors[0]).all(axis=0))
    if len(vectors) > 1 and len(constant):
        first = _column(columns, constant[0])
        log(f"warning: {name}: {len(constant)} columns never change, the first is {first}")
    return Table(name, vectors, columns)


def read_labels(source: str | Path | ArrayLike) -> NDArray[np.int64] | None:
    """The labels that go with `read_table(source)`: int64 (n,), 0 normal, 1 anomalous.

    They are the array "y" of an .npz file; any other source has none. Raises InputError unless there is one 0 or
    1 for each row of "X".
    """
    if not isinstance(source, str | Path) or Path(source).suffix.lower() != ".npz":
        return None
    arrays = _load_numpy(Path(source))
    if "y" not in arrays:
        return None
    labels = arrays["y"]
    if labels.shape != arrays["X"].shape[:1] or not np.isin(labels, (0, 1)).all():
        raise InputError(f"{source}: 'y' must hold a 0 (normal) or 1 (anomalous) for each row of 'X'")
    return labels.astype(np.int64)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(map(repr, names[:LISTED])) + more


def _read(path: Path) -> tuple[NDArray[Any], tuple[str, ...] | None]:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: expected a file ending in {', '.join(SUFFIXES)}")
    if suffix in (".npy", ".npz"):
        return _load_numpy(path)["X"], None
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingExtra(f"{path}: reading {suffix} needs pip install 'algan-ad[train]'") from error
    try:
        options = _csv_options(path) if suffix == ".csv" else {}
        table = pd.read_csv(path, **options) if suffix == ".csv" else pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pandas and pyarrow derive theirs from these
        raise InputError(f"{path}: cannot be read as {suffix[1:]} ({error})") from error
    if not len(table):
        raise InputError(f"{path}: no row below its header; expected one row for each sample")
    columns = None if options.get("header", 0) is None else tuple(map(str, table.columns))
    for column in table.columns:
        if not pd.api.types.is_numeric_dtype(table[column]):
            bad = pd.to_numeric(table[column], errors="coerce").isna() & table[column].notna()
            row = int(bad.to_numpy().argmax())
            raise InputError(
                f"{path}: row {row + 1}, column {str(column)!r} holds {table[column].iloc[row]!r}; "
                "expected numbers only, leave out columns of text"
            )
    return table.to_numpy(dtype=np.float64, na_value=np.nan), columns


def _csv_options(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8-sig") as file:
        separator = separator_of(file.readline())
        file.seek(0)
        first, second = islice(chain(csv.reader(file, delimiter=separator), ([], [])), 2)
    header = any(field.strip() and not _is_number(field) for field in first)
    names = [field for field in first if field.strip()]
    if header and (twice := {name for name in names if names.count(name) > 1}):
        raise ValueError(f"two columns are named {min(twice)!r}; give each a name of its own")
    if len(second) > len(first):  # pandas would take the first column for the names of the rows
        raise ValueError(f"{len(first)} fields in the first line, {len(second)} in the second")
    return {"sep": separator, "header": 0 if header else None, "encoding": "utf-8-sig"}


def separator_of(line: str) -> str:
    """Comma, semicolon or tab: the one that the first line of a CSV file holds most of."""
    return max(",;\t", key=line.count)


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _load_numpy(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays "X" and "y" of an .npz, or that of an .npy as "X"."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"X": loaded}
        with loaded:
            arrays = {key: loaded[key] for key in loaded.files if key in ("X", "y")}
            held = ", ".join(loaded.files)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a NumPy file of plain numbers ({error})") from error
    if "X" not in arrays:
        raise InputError(f"{path}: expected an array named 'X', found {held or 'none'}")
    return arrays


def _validate(name: str, values: NDArray[Any], columns: tuple[str, ...] | None) -> Vectors:
    if values.dtype.kind not in "biuf":
        raise InputError(f"{name}: holds {values.dtype}; expected numbers")
    if values.ndim != 2:
        raise InputError(f"{name}: shape {values.shape}; expected (n, d), one sample per row")
    if not values.size:
        raise InputError(f"{name}: shape {values.shape}; expected at least one row and one column")
    vectors = values.astype(np.float64)
    bad = ~(np.abs(vectors) <= LARGEST)  # so that NaN is bad, too
    if bad.any():
        row, column = np.unravel_index(bad.argmax(), bad.shape)
        raise InputError(
            f"{name}: {bad.sum()} values are missing, infinite or beyond 3.4e38; the first is "
            f"{vectors[row, column]} in row {row + 1}, column {_column(columns, column)}; fill or remove them"
        )
    return vectors


def _column(columns: tuple[str, ...] | None, index: np.integer) -> str:
    return repr(columns[index]) if columns else str(index + 1)
