"""Pictures as every browser shows them: decoded by the one path, made smaller, maps in colour."""

from io import BytesIO
from typing import Literal

from fastapi import APIRouter, Response
from PIL import Image

from algan_ad.runtime.images import Levels, decode
from algan_ad.service.api.history import Id
from algan_ad.service.errors import NotFound
from algan_ad.service.inspection.causes import NotInspected
from algan_ad.service.page.faults import PageRoute
from algan_ad.service.page.overlay import coloured, scale_of
from algan_ad.service.page.visit import OperatorVisit, Visit
from algan_ad.service.record.inspections import inspection

router = APIRouter(route_class=PageRoute, include_in_schema=False)

SIDES = {"small": 256, "large": 1600}  # longest side, in pixels


@router.get("/pictures/{inspection_id}/map")
def heat(visit: OperatorVisit, inspection_id: Id) -> Response:
    """The map of a part in colour."""
    with visit.station.record.reading() as session:
        row = inspection(session, inspection_id)
        if row.map is None or row.map_low is None or row.map_high is None or not row.image_kept:
            raise NotFound(f"inspection {inspection_id}: its map is not kept")
        scale = scale_of(session, row)
    return _png_or_jpeg(coloured(visit.station.maps.read(row.map), row.map_low, row.map_high, scale), "png", 600)


@router.get("/pictures/{inspection_id}/{size}")
def picture(visit: OperatorVisit, inspection_id: Id, size: Literal["small", "large"]) -> Response:
    """The image of a part, no larger than a screen needs it."""
    with visit.station.record.reading() as session:
        row = inspection(session, inspection_id)
    if row.image is None or not row.image_kept:
        raise NotFound(f"inspection {inspection_id}: its image is not kept")
    content = visit.station.images.read(row.image)
    pixels = decode(content, _levels(visit, row.model_name), visit.station.settings.max_pixels)
    shown, buffer = Image.fromarray(pixels), BytesIO()
    shown.thumbnail((SIDES[size], SIDES[size]))
    shown.save(buffer, "jpeg", quality=88)
    return _png_or_jpeg(buffer.getvalue(), "jpeg", 24 * 3600)


def _levels(visit: Visit, model: str) -> Levels | None:
    """The levels by which a model shows 16-bit grey; None for a model that is no longer served."""
    try:
        return visit.station.models.get(model).preprocessing.levels
    except NotInspected:
        return None


def _png_or_jpeg(content: bytes, kind: str, seconds: int) -> Response:
    headers = {"Cache-Control": f"private, max-age={seconds}"}
    return Response(content, media_type=f"image/{kind}", headers=headers)
