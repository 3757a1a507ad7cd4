"""Copies of a station: made while it runs, whole or not at all, and put back."""

import shutil
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import explaining_write_errors
from algan_ad.service.lock import held
from algan_ad.service.new_folder import new_folder
from algan_ad.service.record.copying import copy_rows
from algan_ad.service.record.database import RECORD, connect, for_writing, url_of
from algan_ad.service.record.tables import InspectionRow
from algan_ad.service.store.blobs import Blobs


def backup(station: Path, db: str | None, out: Path) -> int:
    """Copy a station into a new folder, which is a station itself, with its record in SQLite. Returns its images.

    db: URL of the record; None: SQLite in the station.
    Raises InputError when there is no such station, or something in `out` already; AlganError on a full disk.
    """
    if db is None:
        _expect_record(station)
    source = connect(db or url_of(station))
    with new_folder(out) as folder:
        target = connect(url_of(folder))
        copy_rows(source, target)
        with Session(for_writing(target)) as session, session.begin():
            copied = sum(_copy_images(session, station, folder, kind) for kind in ("image", "map"))
        target.dispose()
    source.dispose()
    return copied


def restore(copy: Path, station: Path, db: str | None) -> None:
    """Put a backup back as a station. Raises InputError when the station or the database is in use already."""
    _expect_record(copy)
    with held(station):
        if any(each.name != ".lock" for each in station.iterdir()):
            raise InputError(f"{station}: is not empty; name an empty place, or move it away")
        with explaining_write_errors(station):
            for kind in ("images", "maps"):
                shutil.copytree(copy / kind, station / kind)
        source, target = connect(url_of(copy)), connect(db or url_of(station))
        copy_rows(source, target)
        source.dispose()
        target.dispose()


def _expect_record(folder: Path) -> None:
    if not (folder / RECORD).is_file():
        raise InputError(f"{folder}: holds no {RECORD}; expected the folder of a station, or a backup of one")


def _copy_images(session: Session, station: Path, folder: Path, kind: str) -> int:
    """Copy what the rows name. A row whose image was removed meanwhile says so in the copy."""
    source, target = Blobs(station / f"{kind}s"), Blobs(folder / f"{kind}s")
    column = getattr(InspectionRow, kind)
    names = session.scalars(select(column).where(InspectionRow.image_kept, column.is_not(None)).distinct()).all()
    copied = 0
    for name in names:
        try:
            shutil.copyfile(source.path(name), target.path(name))
            copied += 1
        except FileNotFoundError:
            session.execute(update(InspectionRow).where(column == name).values(image_kept=False))
    return copied
