"""Inspections added to the record and read from it: by id, by part number, by pages.

The statements that every part needs are built once, and go past the unit of work of the session, which would take
several times as long.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field
from sqlalchemy import bindparam, insert, select
from sqlalchemy.orm import Session

from algan_ad.runtime.schema import Schema
from algan_ad.service.errors import NotFound
from algan_ad.service.record.tables import NOT_INSPECTED, InspectionRow

Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]  # PostgreSQL holds no NUL

_ADD = insert(InspectionRow)
_ADDED = tuple(column.name for column in InspectionRow.__table__.columns if not column.primary_key)
_NEWEST = select(InspectionRow.id, InspectionRow.at).order_by(InspectionRow.id.desc()).limit(1)
_NUMBERED = select(InspectionRow.id).where(
    InspectionRow.model_name == bindparam("model"), InspectionRow.part == bindparam("part"),
    InspectionRow.verdict != NOT_INSPECTED,
)  # fmt: skip


class Filter(Schema):
    """The inspections that are wanted; None: all. Times are UTC, ISO 8601, of any length: 2026-11 is a beginning."""

    model: Text | None = None
    verdict: Literal["ok", "anomalous", "not inspected"] | None = None
    judgement: Literal["defect", "good", "unsure"] | None = None
    part: Text | None = None
    source: Text | None = None
    since: Text | None = Field(default=None, description="from this time on", max_length=40)
    until: Text | None = Field(default=None, description="before this time", max_length=40)


def add_inspection(session: Session, row: InspectionRow) -> None:
    """Add a row with all its columns, and give it its id. It does not become part of the session."""
    values = {name: getattr(row, name) for name in _ADDED}
    key = session.connection().execute(_ADD, values).inserted_primary_key
    assert key is not None
    row.id = key[0]


def inspection(session: Session, inspection_id: int) -> InspectionRow:
    """The inspection of an id. Raises NotFound when there is none."""
    row = session.get(InspectionRow, inspection_id)
    if row is None:
        raise NotFound(f"inspection {inspection_id}: there is none")
    return row


class Newest(NamedTuple):
    """Id and time of an inspection."""

    id: int
    at: str


def newest(session: Session) -> Newest | None:
    """The inspection that was recorded last."""
    last = session.connection().execute(_NEWEST).first()
    return None if last is None else Newest(*last)


def with_number(session: Session, model_name: str, number: str | None) -> InspectionRow | None:
    """The one inspection of a part by a model, except those that failed."""
    if number is None:
        return None
    found = session.connection().execute(_NUMBERED, {"model": model_name, "part": number}).scalar()
    return None if found is None else inspection(session, found)


def with_origin(session: Session, source: str, origin: str) -> InspectionRow | None:
    """The inspection of a file of a watched folder."""
    return session.scalar(
        select(InspectionRow).where(InspectionRow.source == source, InspectionRow.origin == origin).limit(1)
    )


def page(
    session: Session, wanted: Filter, before: int | None = None, after: int | None = None, limit: int = 100
) -> Sequence[InspectionRow]:
    """Inspections below the id `before`, newest first; or, with `after`, those above it, oldest first."""
    query = select(InspectionRow).limit(limit)
    for name in ("verdict", "judgement", "part", "source"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(getattr(InspectionRow, name) == value)
    if wanted.model is not None:
        query = query.where(InspectionRow.model_name == wanted.model)
    if wanted.since is not None:
        query = query.where(InspectionRow.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(InspectionRow.at < wanted.until)
    if after is not None:
        return session.scalars(query.where(InspectionRow.id > after).order_by(InspectionRow.id)).all()
    if before is not None:
        query = query.where(InspectionRow.id < before)
    return session.scalars(query.order_by(InspectionRow.id.desc())).all()
