"""GET /v1/inspections: pages, one inspection, its image and its map."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response

from algan_ad.runtime.schema import Schema
from algan_ad.service.api.guard import AStation, Operator
from algan_ad.service.errors import NotFound
from algan_ad.service.inspection.part import Inspection
from algan_ad.service.record.inspections import Filter, inspection, page
from algan_ad.service.record.tables import InspectionRow
from algan_ad.service.station import Station
from algan_ad.service.store.blobs import Blobs

router = APIRouter(tags=["history"])

MOST = 2**31 - 1  # the largest id that PostgreSQL holds
Id = Annotated[int, Path(ge=1, le=MOST)]
Cursor = Annotated[int | None, Query(ge=0, le=MOST)]


class Wanted(Filter):
    """A filter and a place in the list."""

    limit: int = Query(100, ge=1, le=1000)
    before: int | None = Query(None, ge=0, le=MOST, description="ids below this, newest first")
    after: int | None = Query(None, ge=0, le=MOST, description="ids above this, oldest first")


class Page(Schema):
    """A page of inspections. next: the value of `before`, or of `after`, for the page that follows; None: the end."""

    inspections: list[Inspection]
    next: int | None


@router.get("/v1/inspections")
def inspections(station: AStation, caller: Operator, wanted: Annotated[Wanted, Query()]) -> Page:
    """Inspections, newest first; with `after`, oldest first, which suits a reader who follows the line."""
    with station.record.reading() as session:
        rows = page(session, wanted, wanted.before, wanted.after, wanted.limit)
    found = [Inspection.of(row) for row in rows]
    return Page(inspections=found, next=found[-1].id if len(found) == wanted.limit else None)


@router.get("/v1/inspections/{inspection_id}")
def one(station: AStation, caller: Operator, inspection_id: Id) -> Inspection:
    """One inspection."""
    return Inspection.of(_row(station, inspection_id))


@router.get("/v1/inspections/{inspection_id}/{kind}", response_class=Response)
def picture(station: AStation, caller: Operator, inspection_id: Id, kind: Literal["image", "map"]) -> Response:
    """The image as it came, or the map as a grey PNG. 404 once it is not kept any more."""
    row = _row(station, inspection_id)
    image = kind == "image"
    name, blobs = (row.image, station.images) if image else (row.map, station.maps)
    if name is None or not row.image_kept:
        raise NotFound(f"inspection {inspection_id}: its {kind} is not kept")
    return _answer(blobs, name, row.image_type if image and row.image_type else "image/png")


def _row(station: Station, inspection_id: int) -> InspectionRow:
    with station.record.reading() as session:
        return inspection(session, inspection_id)


def _answer(blobs: Blobs, name: str, media_type: str) -> Response:
    headers = {"Cache-Control": "private, max-age=86400, immutable", "Content-Security-Policy": "sandbox"}
    return Response(blobs.read(name), media_type=media_type, headers=headers)
