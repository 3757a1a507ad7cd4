"""A watched folder: no file is skipped, repeated or read half; no file ends it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from algan_ad.runtime.errors import InputError
from algan_ad.service.record.tables import InspectionRow
from algan_ad.service.sources import folder
from algan_ad.service.sources.folder import WatchedFolder
from algan_ad.service.sources.wishes import FolderWish
from algan_ad.service.station import Station

from .conftest import Open, grey
from .plant_helpers import at_work, wait_for


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "LOOK_SECONDS", 0.01)


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """An empty folder."""
    made = tmp_path / "inbox"
    made.mkdir()
    return made


def watched(station: Station, inbox: Path, settle: float = 0, done: Path | None = None) -> WatchedFolder:
    return WatchedFolder(station, FolderWish(name="inbox", folder=inbox, settle=settle, done=done))


def rows(station: Station) -> list[tuple[str, str, str | None]]:
    """Name of the file, verdict and cause of each inspection."""
    with station.record.reading() as session:
        found = session.scalars(select(InspectionRow).order_by(InspectionRow.id)).all()
    return [((each.origin or "").split(" (")[0], each.verdict, each.cause) for each in found]


def put(path: Path, content: bytes, at: int = 0) -> None:
    """A file that is there as a whole, with a time."""
    temporary = path.with_name(f".{path.name}")
    temporary.write_bytes(content)
    if at:
        os.utime(temporary, (at, at))
    temporary.rename(path)


def count(station: Station, n: int) -> Callable[[], bool]:
    return lambda: len(rows(station)) >= n


def test_files_are_inspected_the_oldest_first_and_bad_ones_end_nothing(station: Station, inbox: Path) -> None:
    put(inbox / "b.png", grey(96), 100)
    put(inbox / "a.png", b"nonsense", 200)
    put(inbox / "c.png", b"", 300)
    put(inbox / "d.png", grey(40), 400)
    (inbox / "e.png").mkdir()
    (inbox / "f.png").symlink_to(inbox / "d.png")
    (inbox / "notes.txt").write_text("no picture")
    with at_work(watched(station, inbox).run):
        wait_for(count(station, 4))
        put(inbox / "later.png", grey(41))
        wait_for(count(station, 5))
    assert rows(station) == [
        ("b.png", "anomalous", None), ("a.png", "not inspected", "image"), ("c.png", "not inspected", "image"),
        ("d.png", "ok", None), ("later.png", "ok", None),
    ]  # fmt: skip


def test_a_restart_neither_skips_nor_repeats(open_station: Open, inbox: Path) -> None:
    for i in range(5):
        put(inbox / f"{i}.png", grey(40 + i))
    station = open_station()
    with at_work(watched(station, inbox).run):
        wait_for(count(station, 5))
    station = open_station()
    put(inbox / "5.png", grey(45))
    with at_work(watched(station, inbox).run):
        wait_for(count(station, 6))
        put(inbox / "6.png", grey(46))
        wait_for(count(station, 7))
    assert sorted(name for name, _, _ in rows(station)) == [f"{i}.png" for i in range(7)]


def test_a_file_that_is_written_anew_is_a_new_part(station: Station, inbox: Path) -> None:
    with at_work(watched(station, inbox).run):
        put(inbox / "latest.png", grey(40), 100)
        wait_for(count(station, 1))
        put(inbox / "latest.png", grey(96), 200)
        wait_for(count(station, 2))
    assert [verdict for _, verdict, _ in rows(station)] == ["ok", "anomalous"]


def test_a_half_written_file_is_waited_for(station: Station, inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(folder, "monotonic", lambda: clock[0])
    watching, path = watched(station, inbox, settle=1), inbox / "slow.png"

    def look(at: float) -> list[str]:
        clock[0] = at
        return [each.name for each, _ in watching._whole()]

    path.write_bytes(grey(40)[:20])
    assert look(0) == []
    assert look(0.9) == []
    with path.open("ab") as file:
        file.write(grey(40)[20:])
    assert look(1.5) == []
    assert look(2.4) == []
    assert look(2.5) == ["slow.png"]


def test_files_move_when_they_are_inspected_and_overwrite_none(station: Station, inbox: Path, tmp_path: Path) -> None:
    done = tmp_path / "done"
    done.mkdir()
    (done / "a.png").write_bytes(b"of yesterday")
    put(inbox / "a.png", grey(40))
    with at_work(watched(station, inbox, done=done).run):
        wait_for(lambda: not list(inbox.iterdir()))
    assert (done / "a.png").read_bytes() == b"of yesterday"
    assert (done / "a-2.png").read_bytes() == grey(40)


def test_a_file_that_was_inspected_before_a_crash_is_only_moved(
    open_station: Open, inbox: Path, tmp_path: Path
) -> None:
    put(inbox / "a.png", grey(40))
    station = open_station()
    with at_work(watched(station, inbox).run):
        wait_for(count(station, 1))
    done = tmp_path / "done"
    done.mkdir()
    station = open_station()
    with at_work(watched(station, inbox, done=done).run):
        wait_for((done / "a.png").exists)
    assert len(rows(station)) == 1


def test_files_wait_while_the_station_cannot_inspect(open_station: Open, inbox: Path) -> None:
    put(inbox / "a.png", grey(40))
    station = open_station(workers=1, waiting=0)
    refused: list[str | None] = []
    station.listeners.append(lambda inspection: refused.append(inspection.cause))
    with at_work(watched(station, inbox).run):
        with station.inspector.gate.admitted():
            wait_for(lambda: refused)
        wait_for(count(station, 1))
    assert (refused[0], rows(station)) == ("overload", [("a.png", "ok", None)])


def test_a_folder_that_goes_away_and_comes_back(station: Station, inbox: Path) -> None:
    with at_work(watched(station, inbox).run):
        moved = inbox.rename(inbox.with_name("away"))
        put(moved / "a.png", grey(40))
        moved.rename(inbox)
        wait_for(count(station, 1))


def test_an_unreadable_file_is_tried_again(station: Station, inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "RETRY_SECONDS", 0)
    put(inbox / "a.png", grey(40))
    put(inbox / "b.png", grey(41))
    watching, failures = watched(station, inbox), [OSError(5, "Input/output error")]
    read = watching._read

    def fail_once(path: Path) -> bytes:
        if path.name == "a.png" and failures:
            raise failures.pop()
        return read(path)

    monkeypatch.setattr(watching, "_read", fail_once)
    with at_work(watching.run):
        wait_for(count(station, 2))
    assert sorted(name for name, _, _ in rows(station)) == ["a.png", "b.png"]


def test_a_missing_folder_is_refused(station: Station, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder; make it first"):
        watched(station, tmp_path / "nothing")
