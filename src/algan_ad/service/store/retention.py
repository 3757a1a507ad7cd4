"""Removal of old images and maps. The rows of the record stay; they say that the image is not kept any more.

Flagged parts, judged parts and the audit sample are kept. Of the others a random share is kept whatever its age, and
the oldest go first when all of them together take too much space.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Row, func, select, update
from sqlalchemy.orm import Session

from algan_ad.service.feedback.audit_sample import drawn
from algan_ad.service.record.outbox import prune
from algan_ad.service.record.tables import OK, InspectionRow
from algan_ad.service.store.blobs import Blobs

if TYPE_CHECKING:
    from algan_ad.service.station import Station

TOGETHER = 200  # rows changed in one transaction, so that inspections need not wait

_OTHERS = (
    InspectionRow.image_kept.is_(True),
    InspectionRow.verdict == OK,
    InspectionRow.judgement.is_(None),
    InspectionRow.audit.is_(False),
)
_BYTES = InspectionRow.image_bytes + InspectionRow.map_bytes
Place = tuple[Blobs, str]


def remove_old(station: "Station") -> int:
    """Remove what is too old or too much, and delivered events. Returns the number of parts without image now."""
    removed = 0
    for ids in (_too_old(station), _too_much(station)):
        while some := list(islice(ids, TOGETHER)):
            _forget(station, some)
            removed += len(some)
    station.record.write(prune)
    return removed


def remove_orphans(station: "Station") -> int:
    """Remove contents that no row names: a process was killed between the store and the record."""
    places = ((blobs, name) for blobs in (station.images, station.maps) for name in blobs.names())
    return _remove_unnamed(station, places)


def _too_old(station: "Station") -> Iterator[int]:
    settings, secret = station.settings, station.record.secret
    before = (datetime.now(UTC) - timedelta(days=settings.keep_days)).isoformat(timespec="milliseconds")
    for row in _oldest_first(station, InspectionRow.at < before):
        if not drawn(secret, row.id, settings.keep_share, "keep"):
            yield row.id


def _too_much(station: "Station") -> Iterator[int]:
    with station.record.reading() as session:
        excess = (session.scalar(select(func.sum(_BYTES)).where(*_OTHERS)) or 0) - station.settings.keep_bytes
    for row in _oldest_first(station):
        if excess <= 0:
            return
        excess -= row.bytes
        yield row.id


def _oldest_first(station: "Station", *conditions: ColumnElement[bool]) -> Iterator[Row[int, int]]:
    last = 0
    while True:
        with station.record.reading() as session:
            rows = session.execute(
                select(InspectionRow.id, _BYTES.label("bytes"))
                .where(*_OTHERS, *conditions, InspectionRow.id > last)
                .order_by(InspectionRow.id)
                .limit(TOGETHER)
            ).all()
        if not rows:
            return
        yield from rows
        last = rows[-1].id


def _forget(station: "Station", ids: Sequence[int]) -> None:
    """Say in the rows that their images are not kept, and only then remove those that no other row keeps."""

    def forget(session: Session) -> Sequence[Row[str | None, str | None]]:
        session.execute(update(InspectionRow).where(InspectionRow.id.in_(ids)).values(image_kept=False))
        return session.execute(select(InspectionRow.image, InspectionRow.map).where(InspectionRow.id.in_(ids))).all()

    rows = station.record.write(forget)
    places = [each for row in rows for each in ((station.images, row.image), (station.maps, row.map))]
    _remove_unnamed(station, ((blobs, name) for blobs, name in places if name is not None))


def _remove_unnamed(station: "Station", places: Iterable[Place]) -> int:
    """Remove contents that no row keeps.

    The writer does it, because no row can be committed meanwhile; a content whose row is about to come is held.
    """
    removed, places = 0, iter(places)
    while some := list(islice(places, TOGETHER)):
        removed += station.record.write(partial(_remove_each, some))
    return removed


def _remove_each(places: Sequence[Place], session: Session) -> int:
    return sum(_remove(session, *each) for each in places)


def _remove(session: Session, blobs: Blobs, name: str) -> bool:
    kept = InspectionRow.image_kept.is_(True)
    named = (
        select(InspectionRow.id).where(((InspectionRow.image == name) | (InspectionRow.map == name)) & kept).limit(1)
    )
    return session.scalar(named) is None and blobs.remove(name)
