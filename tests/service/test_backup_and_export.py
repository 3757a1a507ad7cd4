"""Copies and tables of a station that runs."""

import csv
from pathlib import Path

import pytest
from pyarrow import parquet
from sqlalchemy import select

from algan_ad.runtime.errors import InputError
from algan_ad.service.backup import backup, restore
from algan_ad.service.export import export
from algan_ad.service.feedback.judgements import judge
from algan_ad.service.good_parts import export_good
from algan_ad.service.inspection.part import Part
from algan_ad.service.record.database import url_of
from algan_ad.service.record.inspections import Filter
from algan_ad.service.record.record import Record
from algan_ad.service.record.tables import InspectionRow
from algan_ad.service.station import Station
from algan_ad.service.store import blobs

from .conftest import grey


@pytest.fixture
def busy(station: Station) -> Station:
    """A station with three parts, one of them not inspected."""
    station.inspector.inspect([Part(grey(50), "p1"), Part(b"nonsense", "p2"), Part(grey(200))])
    return station


def test_a_table_as_csv_and_as_parquet(busy: Station, tmp_path: Path) -> None:
    for name in ("all.csv", "all.parquet"):
        assert export(busy.record, Filter(), tmp_path / name) == 3
    with (tmp_path / "all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    table = parquet.read_table(tmp_path / "all.parquet")
    assert [row["verdict"] for row in rows] == table["verdict"].to_pylist() == ["ok", "not inspected", "anomalous"]
    assert [row["score"] for row in rows] == ["50.0", "", "200.0"]
    assert table["score"].to_pylist() == [50, None, 200]
    assert export(busy.record, Filter(since="2999"), tmp_path / "none.parquet") == 0
    for name, said in (("all.csv", "exists already"), ("all.xls", "ends in .csv or .parquet")):
        with pytest.raises(InputError, match=said):
            export(busy.record, Filter(), tmp_path / name)


def test_judged_good_parts_become_a_training_folder(busy: Station, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no part was judged good"):
        export_good(busy.record, busy.images, Filter(), tmp_path / "good")
    (again,) = busy.inspector.inspect([Part(grey(200))])
    for number, said in ((1, "unsure"), (3, "good"), (again.id, "good")):
        busy.record.write(lambda session, number=number, said=said: judge(session, number, said, "me"))
    assert export_good(busy.record, busy.images, Filter(), tmp_path / "good") == 1
    (image,) = (tmp_path / "good").iterdir()
    assert (image.name, image.read_bytes()) == ("3.png", grey(200))
    with pytest.raises(InputError, match="exists already"):
        export_good(busy.record, busy.images, Filter(), tmp_path / "good")


def test_a_backup_is_whole_and_comes_back(busy: Station, tmp_path: Path) -> None:
    assert (
        backup(busy.settings.station, None, tmp_path / "copy") == 3
    )  # two images; the maps of plain images are the same
    with pytest.raises(InputError, match="exists already"):
        backup(busy.settings.station, None, tmp_path / "copy")
    restore(tmp_path / "copy", tmp_path / "other", None)
    with pytest.raises(InputError, match="not empty"):
        restore(tmp_path / "copy", tmp_path / "other", None)
    with pytest.raises(InputError, match=r"holds no record\.sqlite"):
        restore(tmp_path, tmp_path / "third", None)
    assert (tmp_path / "other" / "images").is_dir()


def test_an_image_that_retention_removed_meanwhile(busy: Station, tmp_path: Path) -> None:
    name = next(busy.images.names())
    busy.images.path(name).unlink()
    assert backup(busy.settings.station, None, tmp_path / "copy") == 2
    record = Record(url_of(tmp_path / "copy"))
    with record.reading() as session:
        kept = session.scalars(select(InspectionRow.image).where(InspectionRow.image_kept)).all()
    record.close()
    assert (len(kept), name in kept) == (1, False)


def test_a_backup_that_fails_leaves_nothing(busy: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: blobs.Blobs, name: str) -> Path:
        raise OSError(5, "Input/output error", name)

    monkeypatch.setattr(blobs.Blobs, "path", fail)
    with pytest.raises(InputError):
        backup(busy.settings.station, None, tmp_path / "copy")
    assert [each.name for each in tmp_path.iterdir()] == ["station"]
