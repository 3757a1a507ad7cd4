"""Tables of predictions: whole, cut anywhere and gone on with, or refused."""

import csv
import json
import os
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from algan_ad.runtime import tables
from algan_ad.runtime.errors import AlganError, InputError, MissingExtra
from algan_ad.runtime.images import Skipped
from algan_ad.runtime.prediction import Prediction
from algan_ad.runtime.rows import COLUMNS, Outcome
from algan_ad.runtime.tables import Table, open_table, write_csv

ROWS: list[Outcome] = [
    Prediction(1 / 3, 0.05, True, 0.25, "ä b,c.png"),
    Skipped(Path('two\r\nlines, and "quotes".png'), 'ä b.png: not an image;\n"bad"'),
    Prediction(-2.0, source="plain.png"),
    Prediction(1e-300, 1.0, False, 0.25, "bad\udcff.png"),
    Prediction(0.0, source="True"),
]
NAMES = [str(each.path) if isinstance(each, Skipped) else str(each.source) for each in ROWS]
SUFFIXES = ("csv", "jsonl", "parquet")


def made(path: Path, upto: int = len(ROWS), commit: bool = True) -> Path:
    """A table of the first rows."""
    table = open_table(path, "model")
    table.write(ROWS[:upto])
    if commit:
        table.commit()
    table.close()
    return path


def gone_on(path: Path, model: str = "model", names: list[str] = NAMES) -> Table:
    """The table after the rest of its rows was written."""
    table = open_table(path, model, resume=True)
    done = len(list(table.old(iter(names))))
    table.write(ROWS[done:])
    table.commit()
    table.close()
    return table


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_is_written_is_read_again(tmp_path: Path, suffix: str) -> None:
    path = made(tmp_path / "new folder" / f"t.{suffix}")
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    found = list(open_table(path, "model", resume=True).old(iter(NAMES)))
    assert found[:3] == ROWS[:3]
    assert isinstance(found[3], Prediction)
    assert (found[3].source, found[3].score) == ("bad\\udcff.png", 1e-300)
    assert found[4] == ROWS[4]


def test_csv_for_other_programs(tmp_path: Path) -> None:
    with made(tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "source": "ä b,c.png", "score": repr(1 / 3), "p_value": "0.05", "threshold": "0.25", "anomalous": "True",
        "error": "", "model": "model",
    }  # fmt: skip
    assert (rows[1]["score"], rows[1]["error"]) == ("", 'ä b.png: not an image;\n"bad"')
    assert [row["source"] for row in rows] == [*NAMES[:3], "bad\\udcff.png", "True"]


def test_json_lines_and_parquet_for_other_programs(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    lines = [json.loads(line) for line in made(tmp_path / "t.jsonl").read_text().splitlines()]
    assert lines == parquet.read_table(made(tmp_path / "t.parquet")).to_pylist()
    assert lines[2] == dict.fromkeys(COLUMNS) | {"source": "plain.png", "score": -2.0, "model": "model"}


def test_parquet_is_written_a_row_group_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(tables, "ROW_GROUP", 2)
    file = parquet.ParquetFile(made(tmp_path / "t.parquet"))
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [2, 2, 1]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_cut_anywhere_it_goes_on_to_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    whole = made(tmp_path / f"whole.{suffix}").read_bytes()
    path = tmp_path / f"t.{suffix}"
    partial = tmp_path / f"t.{suffix}.partial"
    made(path, commit=False)
    rows = partial.read_bytes()
    for end in [*range(0, len(rows), 7), len(rows) - 2, len(rows) - 1, len(rows)]:
        partial.write_bytes(rows[:end])
        gone_on(path)
        assert path.read_bytes() == whole
        path.unlink()
    assert not partial.exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_complete_table_stays_as_it_is(tmp_path: Path, suffix: str) -> None:
    path = made(tmp_path / f"t.{suffix}")
    before = path.stat()
    gone_on(path)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError, match=r"complete, and without a row of more\.png"):
        gone_on(path, names=[*NAMES, "more.png"])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("commit", [True, False])
def test_a_table_of_something_else_is_refused_and_kept(tmp_path: Path, suffix: str, commit: bool) -> None:
    path = made(tmp_path / f"t.{suffix}", commit=commit)
    (file,) = tmp_path.iterdir()
    before = file.read_bytes()
    with pytest.raises(InputError, match="belongs to another model"):
        gone_on(path, "other")
    with pytest.raises(InputError, match=r"has a row of plain\.png where the sources have else\.png"):
        gone_on(path, names=[*NAMES[:2], "else.png"])
    with pytest.raises(InputError, match="where the sources have nothing any more"):
        gone_on(path, names=NAMES[:2])
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        ("csv", b"source,score\r\na.png,1\r\n"), ("csv", b"\x00\xff\r\n"), ("jsonl", b'{"source": "a.png"}\n'),
        ("jsonl", b"[]\n"), ("jsonl", b"1\n"), ("jsonl", b"\xff\n"), ("parquet", b"PAR1"),
    ],
)  # fmt: skip
def test_other_columns_are_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"begins no row of the columns source, score|not a Parquet file"):
        gone_on(path)
    assert path.read_bytes() == content


def test_other_columns_of_parquet_are_refused(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    arrow.parquet.write_table(arrow.table({"score": [1.0]}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match="has other columns than source, score"):
        gone_on(tmp_path / "t.parquet")


def test_nothing_is_thrown_away_unasked(tmp_path: Path) -> None:
    path = made(tmp_path / "t.csv")
    with pytest.raises(InputError, match=r"t\.csv: exists already; choose another place, or set overwrite=True"):
        open_table(path, "model")
    with pytest.raises(InputError, match="overwrite=True and resume=True: choose one of them"):
        open_table(path, "model", overwrite=True, resume=True)
    path.unlink()
    made(path, 2, commit=False)
    with pytest.raises(InputError, match=r"t\.csv\.partial: rows of a call that did not end; go on with resume=True"):
        open_table(path, "model")
    table = open_table(path, "other", overwrite=True)
    table.write(ROWS[:1])
    table.commit()
    assert len(path.read_bytes().splitlines()) == 2
    with pytest.raises(InputError, match="a folder; name a file"):
        open_table(tmp_path, "model", overwrite=True)


def test_two_processes_do_not_write_one_table(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    made(tmp_path / "t.csv", 2, commit=False)
    first, second = (open_table(tmp_path / "t.csv", "model", resume=True) for _ in range(2))
    for table in (first, second):
        list(table.old(iter(NAMES)))
    first.write(ROWS[2:])
    with pytest.raises(InputError, match="another process is writing it"):
        second.write(ROWS[2:])
    first.close()
    second.write(ROWS[2:])
    second.commit()


def test_a_pipe_takes_rows_as_they_come(tmp_path: Path) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    with pytest.raises(InputError, match="takes CSV or JSON lines, from the beginning"):
        open_table(fifo, "model", resume=True)
    table, seen = open_table(fifo, "model"), list[bytes]()

    def read() -> None:
        with fifo.open("rb") as file:
            seen.extend(islice(file, 2))  # and goes away

    reader = threading.Thread(target=read)
    reader.start()
    table.write(ROWS[:1])
    reader.join(10)
    assert seen[1].startswith('"ä b,c.png",0.333'.encode())
    with pytest.raises(BrokenPipeError):
        table.write(ROWS)


def test_without_pyarrow_parquet_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match=r"Parquet needs pip install pyarrow; or name a \.csv or a \.jsonl file"):
        open_table(tmp_path / "t.parquet", "model")


def test_a_failure_halfway_leaves_the_previous_csv(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    write_csv(ROWS, path)
    before = path.read_bytes()

    def rows() -> Iterator[Prediction]:
        yield Prediction(1.0)
        raise AlganError

    with pytest.raises(AlganError):
        write_csv(rows(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_no_predictions_make_a_header(tmp_path: Path) -> None:
    write_csv([], tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text().split() == [",".join(COLUMNS)]
