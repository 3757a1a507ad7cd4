"""The models in service, and their replacement."""

from fastapi import APIRouter, Response

from algan_ad.service.page.faults import PageRoute
from algan_ad.service.page.visit import AdminVisit, OperatorVisit, back_to
from algan_ad.service.thresholds.facts import facts
from algan_ad.service.thresholds.versions import active

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/models")
def models(visit: OperatorVisit) -> Response:
    """The view."""
    with visit.station.record.reading() as session:
        served = [(each, facts(session, active(session, each.id))) for each in visit.station.models]
    return visit.page("models.html.j2", view="models", served=served)


@router.post("/models/{name}/reload")
def reload(visit: AdminVisit, name: str) -> Response:
    """Read the folder of a model again."""
    visit.station.models.replace(name, visit.caller.name)
    return back_to("/models")
