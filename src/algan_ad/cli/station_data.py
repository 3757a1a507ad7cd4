"""`algan station export`, `backup` and `restore`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from algan_ad.cli.parsing import Database, Json, StationFolder, emit, open_record, parse
from algan_ad.runtime.errors import InputError, Option


@dataclass
class Export:
    """Write the record of a station as a table, a row per part, oldest first; or its good parts as a folder."""

    out: Annotated[Path | None, arg(help="file to write, .csv or .parquet")] = None
    good: Annotated[Path | None, arg(help="folder to make, with images of parts judged good, to train on")] = None
    since: Annotated[str | None, arg(help="from this time on, UTC: 2026-11-01, or longer")] = None
    until: Annotated[str | None, arg(help="before this time, UTC")] = None
    station: StationFolder = Path("station")
    db: Database = None
    overwrite: Annotated[bool, arg(help="replace the file if it exists")] = False
    json: Json = False


@dataclass
class Backup:
    """Copy a station into a new folder, also while it runs. The copy is a station itself."""

    out: Annotated[Path, arg(help="folder to make")]
    station: StationFolder = Path("station")
    db: Database = None
    json: Json = False


@dataclass
class Restore:
    """Put a backup back as a station, or move one between SQLite and PostgreSQL."""

    backup: Annotated[Positional[Path], arg(metavar="BACKUP", help="folder that algan station backup made")]
    station: StationFolder = Path("station")
    db: Database = None
    json: Json = False


def export_verb(argv: list[str]) -> int:
    o = parse(Export, "station export", argv)
    from algan_ad.service.export import export
    from algan_ad.service.good_parts import export_good
    from algan_ad.service.record.inspections import Filter
    from algan_ad.service.station import stores

    out, wanted = o.out or o.good, Filter(since=o.since, until=o.until)
    if out is None or (o.out and o.good):
        raise InputError("station export: give either ", Option("out"), " or ", Option("good"))
    with open_record(o.station, o.db) as record:
        if o.good:
            n = export_good(record, stores(o.station)[0], wanted, out)
        else:
            n = export(record, wanted, out, o.overwrite)
    return emit({"out": str(out), "n": n}, o.json, lambda console: console.print(f"{out}: {n} parts"))


def backup_verb(argv: list[str]) -> int:
    o = parse(Backup, "station backup", argv)
    from algan_ad.service.backup import backup

    n = backup(o.station, o.db, o.out)
    result = {"out": str(o.out), "n_images_and_maps": n}
    return emit(result, o.json, lambda console: console.print(f"{o.out}: the record, {n} images and maps"))


def restore_verb(argv: list[str]) -> int:
    o = parse(Restore, "station restore", argv)
    from algan_ad.service.backup import restore

    restore(o.backup, o.station, o.db)
    return emit({"station": str(o.station)}, o.json, lambda console: console.print(f"{o.station}: restored"))
