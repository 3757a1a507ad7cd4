"""The status of the station: whether it inspects, what it did today, alarms, who changed what."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Response

from algan_ad.service.api.history import Id
from algan_ad.service.feedback.judgements import count_waiting
from algan_ad.service.inspection.part import Inspection
from algan_ad.service.page.faults import PageRoute
from algan_ad.service.page.visit import OperatorVisit
from algan_ad.service.record.alarms import acknowledge, open_alarms
from algan_ad.service.record.audit_log import entries
from algan_ad.service.record.counts import verdict_counts
from algan_ad.service.record.inspections import Filter, page
from algan_ad.service.record.tables import NOT_INSPECTED
from algan_ad.service.store.disk import free_bytes

router = APIRouter(route_class=PageRoute, include_in_schema=False)

FAILURES, ENTRIES = 10, 25


@router.get("/status")
def status(visit: OperatorVisit) -> Response:
    """The view."""
    station, day = visit.station, datetime.now(UTC) - timedelta(hours=24)
    with station.record.reading() as session:
        counts = verdict_counts(session, day.isoformat(timespec="milliseconds"))
        failures = [Inspection.of(row) for row in page(session, Filter(verdict=NOT_INSPECTED), limit=FAILURES)]
        log, waiting = entries(session, limit=ENTRIES) if visit.may("engineer") else [], count_waiting(session)
    return visit.page(
        "status.html.j2", view="status", ready=station.ready(), counts=counts, failures=failures, log=log,
        waiting=waiting, inside=station.inspector.gate.inside, free=free_bytes(station.settings.station),
        floor=station.settings.free_disk_bytes,
    )  # fmt: skip


@router.get("/alarms")
def alarms(visit: OperatorVisit, shown: str = "") -> Response:
    """The open alarms, for which every view asks now and then; nothing, 204, while they are those that it shows."""
    with visit.station.record.reading() as session:
        same = shown == " ".join(str(row.id) for row in open_alarms(session))
    return Response(status_code=204) if same else visit.page("_alarms.html.j2")


@router.post("/alarms/{alarm_id}/acknowledge")
def close(visit: OperatorVisit, alarm_id: Id, normal: Annotated[bool, Form()] = False) -> Response:
    """Close an alarm: what it reports was put right, or is normal from now on."""
    visit.station.record.write(lambda session: acknowledge(session, alarm_id, visit.caller.name, normal))
    return visit.page("_alarms.html.j2")
