"""Events for the sinks: written with what they report, read in order, kept until every sink has delivered them.

A sink repeats `undelivered`, sends, and `mark_delivered`: each event arrives at least once, and in order.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from algan_ad.runtime.clock import now
from algan_ad.service.errors import NotFound
from algan_ad.service.record.audit_log import note
from algan_ad.service.record.tables import OutboxRow, SinkRow

_ADD = insert(OutboxRow)


def announce(session: Session, event: str, payload: dict[str, Any]) -> None:
    """Add an event to the transaction of what it reports."""
    session.connection().execute(_ADD, {"event": event, "payload": payload, "at": now()})


def add_sink(session: Session, name: str) -> None:
    """Make a sink known. Events are kept for it from now on."""
    if session.get(SinkRow, name) is None:
        session.add(SinkRow(name=name, delivered=_newest(session)))


def remove_sink(session: Session, name: str, by: str) -> int:
    """Forget a sink, so that no event is kept for it. Returns the number of events lost. Raises NotFound."""
    known = sinks(session)
    if name not in known:
        raise NotFound(f"no sink {name!r}; there are {', '.join(known) or 'none'}")
    session.execute(delete(SinkRow).where(SinkRow.name == name))
    note(session, by, "remove sink", name, waiting=known[name])
    return known[name]


def sinks(session: Session) -> dict[str, int]:
    """The known sinks, with the number of events that each has not delivered."""
    return {
        row.name: session.scalar(select(func.count()).where(OutboxRow.id > row.delivered)) or 0
        for row in session.scalars(select(SinkRow).order_by(SinkRow.name))
    }


def undelivered(session: Session, name: str, limit: int = 100) -> Sequence[OutboxRow]:
    """The oldest events that a known sink has not delivered."""
    sink = session.get_one(SinkRow, name)
    return session.scalars(
        select(OutboxRow).where(OutboxRow.id > sink.delivered).order_by(OutboxRow.id).limit(limit)
    ).all()


def mark_delivered(session: Session, name: str, event_id: int) -> None:
    """Record that a sink has delivered everything up to an event."""
    session.get_one(SinkRow, name).delivered = event_id


def prune(session: Session) -> int:
    """Remove the events that every sink has delivered, except the newest, whose id is the position of new sinks."""
    delivered = session.scalar(select(func.min(SinkRow.delivered)))
    newest = _newest(session)
    last = newest - 1 if delivered is None else min(delivered, newest - 1)
    return int(session.connection().execute(delete(OutboxRow).where(OutboxRow.id <= last)).rowcount)


def _newest(session: Session) -> int:
    return session.scalar(select(func.max(OutboxRow.id))) or 0
