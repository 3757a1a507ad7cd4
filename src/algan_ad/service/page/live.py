"""The live view: the part that was inspected last, and those before it."""

from fastapi import APIRouter, Response

from algan_ad.service.inspection.part import Inspection
from algan_ad.service.page.faults import PageRoute
from algan_ad.service.page.histogram import Histogram, histogram
from algan_ad.service.page.latest import Latest
from algan_ad.service.page.visit import OperatorVisit, Visit
from algan_ad.service.record.inspections import inspection
from algan_ad.service.thresholds.versions import calibration_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

NONE_YET = -1  # a number that no part has


@router.get("/")
def live(visit: OperatorVisit) -> Response:
    """The view."""
    return visit.page("live.html.j2", view="live", **_newest(visit, NONE_YET))


@router.get("/live")
def newer(visit: OperatorVisit, after: int = NONE_YET) -> Response:
    """The view's content, when there is a newer part than the browser shows; otherwise nothing, 204."""
    found = _newest(visit, after)
    return visit.page("_live.html.j2", **found) if found else Response(status_code=204)


def _newest(visit: Visit, after: int) -> dict[str, object]:
    latest: Latest = visit.request.app.state.latest
    found = latest.after(after)
    if found is None:
        return {}
    number, parts = found
    last = parts[0] if parts else None
    return {"number": number, "last": last, "before": parts[1:], "histogram": last and histogram_of(visit, last)}


def histogram_of(visit: Visit, part: Inspection) -> Histogram | None:
    """The score of a part among those of the good parts that set its threshold; None when it has no score."""
    if part.id is None or part.score is None:
        return None
    with visit.station.record.reading() as session:
        threshold = inspection(session, part.id).threshold
    if threshold is None:
        return None
    return histogram(calibration_of(threshold).scores, [threshold.threshold], part.score)
