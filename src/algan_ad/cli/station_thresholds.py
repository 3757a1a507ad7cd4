"""`algan station threshold list`, `propose`, `approve` and `roll-back`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

from algan_ad.cli.parsing import Database, Json, StationFolder, by, emit, open_record, parse
from algan_ad.runtime.numbers import percent

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from algan_ad.service.thresholds.facts import ThresholdFacts
    from algan_ad.service.thresholds.proposals import Preview

Model = Annotated[str | None, arg(help="name of the model (default: the only one)")]
Reason = Annotated[str | None, arg(help="recorded beside the change")]


@dataclass
class List:
    """Show the versions of a threshold, and which one is in use."""

    model: Model = None
    station: StationFolder = Path("station")
    db: Database = None
    json: Json = False


@dataclass
class Propose:
    """Propose a version from the audited good parts, and show what it would change. Nothing changes before approval."""

    model: Model = None
    false_alarm_rate: Annotated[float | None, arg(help="wanted share of good parts flagged (default: as now)")] = None
    reason: Reason = None
    station: StationFolder = Path("station")
    db: Database = None
    json: Json = False


@dataclass
class Approve:
    """Put a version to use, from the next part on, also in a running station."""

    version: Annotated[Positional[int], arg(metavar="VERSION", help="number in algan station threshold list")]
    model: Model = None
    reason: Reason = None
    station: StationFolder = Path("station")
    db: Database = None
    json: Json = False


@dataclass
class RollBack:
    """Put the version to use that was in use before, from the next part on, also in a running station."""

    model: Model = None
    reason: Reason = None
    station: StationFolder = Path("station")
    db: Database = None
    json: Json = False


def list_verb(argv: list[str]) -> int:
    o = parse(List, "station threshold list", argv)
    from algan_ad.service.record.models import model_named
    from algan_ad.service.thresholds.facts import all_facts

    with open_record(o.station, o.db) as record, record.reading() as session:
        found = all_facts(session, model_named(session, o.model).id)
    result = {"thresholds": [each.model_dump() for each in found]}
    return emit(result, o.json, lambda console: _show(console, found))


def propose_verb(argv: list[str]) -> int:
    o = parse(Propose, "station threshold propose", argv)
    from algan_ad.service.record.models import model_named
    from algan_ad.service.thresholds.facts import facts
    from algan_ad.service.thresholds.proposals import preview, propose

    def change(session: "Session") -> "tuple[ThresholdFacts, Preview]":
        row = propose(session, model_named(session, o.model).id, by(), o.false_alarm_rate, o.reason)
        return facts(session, row), preview(session, row)

    with open_record(o.station, o.db) as record:
        made, shown = record.write(change)

    def show(console: Console) -> None:
        _show(console, [made])
        console.print(made.promise, soft_wrap=True)
        console.print(
            f"of {shown.n} recorded parts it flags {shown.flagged_then} (now: {shown.flagged_now}): "
            f"{shown.newly_flagged} more, {shown.newly_ok} no longer", soft_wrap=True,
        )  # fmt: skip

    return emit({"threshold": made.model_dump(), "preview": shown.model_dump()}, o.json, show)


def approve_verb(argv: list[str]) -> int:
    o = parse(Approve, "station threshold approve", argv)
    from algan_ad.service.record.models import model_named
    from algan_ad.service.thresholds.facts import facts
    from algan_ad.service.thresholds.versions import approve

    return _change(
        o, lambda session: facts(session, approve(session, model_named(session, o.model).id, o.version, by(), o.reason))
    )


def roll_back_verb(argv: list[str]) -> int:
    o = parse(RollBack, "station threshold roll-back", argv)
    from algan_ad.service.record.models import model_named
    from algan_ad.service.thresholds.facts import facts
    from algan_ad.service.thresholds.versions import roll_back

    return _change(
        o, lambda session: facts(session, roll_back(session, model_named(session, o.model).id, by(), o.reason))
    )


def _change(o: Any, change: Any) -> int:
    with open_record(o.station, o.db) as record:
        made = record.write(change)
    return emit(made.model_dump(), o.json, lambda console: _show(console, [made]))


def _show(console: Console, found: "Sequence[ThresholdFacts]") -> None:
    table = Table("version", "threshold", "false alarms", "from", "by", "at", "in use", box=None)
    for each in found:
        table.add_row(
            str(each.version), f"{each.threshold:.6g}", percent(each.false_alarm_rate),
            f"{each.n_scores} scores, {each.origin}", each.by, each.at, "yes" if each.in_use else "",
        )  # fmt: skip
    console.print(table)
