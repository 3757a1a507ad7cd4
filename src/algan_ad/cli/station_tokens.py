"""`algan station token add`, `list` and `revoke`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

from algan_ad.cli.parsing import Database, Json, StationFolder, by, emit, open_record, parse


@dataclass
class Add:
    """Make a token and print it, once: the station keeps its hash alone. Each role may do what the ones before it may.

    operator: inspect, look, judge. engineer: also change thresholds. admin: also replace models.
    """

    label: Annotated[Positional[str], arg(metavar="NAME", help="the person or the place that uses the token")]
    role: Annotated[str, arg(help="operator, engineer or admin")] = "operator"
    station: StationFolder = Path("station")
    db: Database = None
    json: Json = False


@dataclass
class List:
    """List the tokens of a station."""

    station: StationFolder = Path("station")
    db: Database = None
    json: Json = False


@dataclass
class Revoke:
    """End a token, and every session that began with it, at once."""

    id: Annotated[Positional[int], arg(metavar="ID", help="number of the token in algan station token list")]
    station: StationFolder = Path("station")
    db: Database = None
    json: Json = False


def add_verb(argv: list[str]) -> int:
    o = parse(Add, "station token add", argv)
    from algan_ad.service.security.tokens import add_token

    with open_record(o.station, o.db, new=True) as record:
        token = record.write(lambda session: add_token(session, o.label, o.role, by()))
    result = {"label": o.label, "role": o.role, "token": token}
    return emit(result, o.json, lambda console: console.print(token, soft_wrap=True))


def list_verb(argv: list[str]) -> int:
    o = parse(List, "station token list", argv)
    from algan_ad.service.security.tokens import tokens

    names = ("id", "label", "role", "at", "revoked_at")
    with open_record(o.station, o.db) as record, record.reading() as session:
        found = [{name: getattr(row, name) for name in names} for row in tokens(session)]

    def show(console: Console) -> None:
        table = Table("id", "name", "role", "made", "revoked", box=None)
        for each in found:
            table.add_row(*(str(each[name] or "-") for name in names))
        console.print(table)

    return emit({"tokens": found}, o.json, show)


def revoke_verb(argv: list[str]) -> int:
    o = parse(Revoke, "station token revoke", argv)
    from algan_ad.service.security.tokens import revoke_token

    with open_record(o.station, o.db) as record:
        row = record.write(lambda session: revoke_token(session, o.id, by()))
    result = {"id": row.id, "label": row.label, "revoked_at": row.revoked_at}
    return emit(result, o.json, lambda console: console.print(f"{row.label}: revoked"))
