"""`algan station sink list` and `remove`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

from algan_ad.cli.parsing import Database, Json, StationFolder, by, emit, open_record, parse


@dataclass
class List:
    """List the receivers of results (webhooks, brokers), with the number of messages that wait for each."""

    station: StationFolder = Path("station")
    db: Database = None
    json: Json = False


@dataclass
class Remove:
    """Forget a receiver that is not used any more, and the messages that wait for it."""

    name: Annotated[Positional[str], arg(metavar="NAME", help="name in algan station sink list")]
    station: StationFolder = Path("station")
    db: Database = None
    json: Json = False


def list_verb(argv: list[str]) -> int:
    o = parse(List, "station sink list", argv)
    from algan_ad.service.record.outbox import sinks

    with open_record(o.station, o.db) as record, record.reading() as session:
        found = sinks(session)

    def show(console: Console) -> None:
        table = Table("name", "waiting", box=None)
        for name, waiting in found.items():
            table.add_row(name, str(waiting))
        console.print(table)

    return emit({"sinks": [{"name": name, "waiting": n} for name, n in found.items()]}, o.json, show)


def remove_verb(argv: list[str]) -> int:
    o = parse(Remove, "station sink remove", argv)
    from algan_ad.service.record.outbox import remove_sink

    with open_record(o.station, o.db) as record:
        lost = record.write(lambda session: remove_sink(session, o.name, by()))
    result = {"name": o.name, "messages": lost}
    return emit(result, o.json, lambda console: console.print(f"{o.name}: removed, with {lost} messages"))
