"""Trends: scores and alarm rate along the record, alarms, and what the judgements say about errors."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from algan_ad.service.drift.monitor import NAMES
from algan_ad.service.feedback.estimates import estimates
from algan_ad.service.page.faults import PageRoute
from algan_ad.service.page.model_choice import chosen
from algan_ad.service.page.series import Series, groups_of
from algan_ad.service.page.visit import OperatorVisit, Visit
from algan_ad.service.record.counts import newest_scored
from algan_ad.service.thresholds.versions import active, calibration_of

router = APIRouter(route_class=PageRoute, include_in_schema=False)

SPANS = (300, 3000, 30_000)  # newest parts that are shown
Span = Annotated[int, Query(ge=1, le=SPANS[-1])]
Name = Annotated[str | None, Query(max_length=200)]


@router.get("/trends")
def trends(visit: OperatorVisit, model: Name = None, span: Span = SPANS[0]) -> Response:
    """The view."""
    served = chosen(visit, model)
    with visit.station.record.reading() as session:
        version = active(session, served.id)
        found, guaranteed = estimates(session, version.id), calibration_of(version).guaranteed_rate is not None
    rates = {name: getattr(found, name) for name in ("false_alarm_rate", "precision", "miss_rate")}
    return visit.page(
        "trends.html.j2", view="trends", model=served.name, span=span, spans=SPANS, series=_series(visit, model, span),
        guaranteed=guaranteed, version=version.number, estimates=found, rates=rates,
        drift=visit.station.drift.of(served.name), figures=NAMES,
    )  # fmt: skip


@router.get("/trends/series")
def series(visit: OperatorVisit, model: Name = None, span: Span = SPANS[0]) -> Series:
    """The numbers of the charts."""
    return _series(visit, model, span)


def _series(visit: Visit, model: str | None, span: int) -> Series:
    served = chosen(visit, model)
    with visit.station.record.reading() as session:
        calibration = calibration_of(active(session, served.id))
        parts = newest_scored(session, served.id, span)
    return Series(groups=groups_of(parts), threshold=calibration.threshold, promise=calibration.nominal_rate)
