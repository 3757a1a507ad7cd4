"""Models, metrics, alarms and the audit log."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import Field

from algan_ad.runtime.schema import Schema
from algan_ad.service.api.guard import Admin, AStation, Engineer, Operator
from algan_ad.service.api.history import Cursor, Id
from algan_ad.service.drift.watch import DriftFacts
from algan_ad.service.models import Served
from algan_ad.service.record.alarms import AlarmFacts, acknowledge, open_alarms
from algan_ad.service.record.audit_log import entries

router = APIRouter(tags=["operations"])


class ModelFacts(Schema):
    """A model in service."""

    name: str
    version: int
    hash: str
    method: str
    draws_maps: bool


class Acknowledgement(Schema):
    """How an alarm is closed."""

    normal: bool = Field(default=False, description="the change is to stay: the next parts are the reference")


PUT_RIGHT = Acknowledgement()


class AuditEntry(Schema):
    """An action that changed verdicts, or who may change them."""

    id: int
    at: str
    by: str
    action: str
    subject: str
    details: dict[str, Any]


@router.get("/metrics", response_class=Response)
def metrics(station: AStation, caller: Operator) -> Response:
    """Figures for Prometheus."""
    return Response(station.figures(), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/models")
def models(station: AStation, caller: Operator) -> list[ModelFacts]:
    """The models in service."""
    return [_facts(each) for each in station.models]


@router.post("/v1/models/{name}/reload")
def reload(station: AStation, caller: Admin, name: str) -> ModelFacts:
    """Read the folder of a model again. The new one serves after its self-test; if it fails, the former one stays."""
    return _facts(station.models.replace(name, caller.name))


@router.get("/v1/alarms")
def alarms(station: AStation, caller: Operator) -> list[AlarmFacts]:
    """Open alarms, oldest first."""
    with station.record.reading() as session:
        return [AlarmFacts.of(row) for row in open_alarms(session)]


@router.post("/v1/alarms/{alarm_id}/acknowledge")
def acknowledge_alarm(
    station: AStation, caller: Operator, alarm_id: Id, how: Acknowledgement = PUT_RIGHT
) -> AlarmFacts:
    """Close an alarm. The test that raised it starts again."""
    row = station.record.write(lambda session: acknowledge(session, alarm_id, caller.name, how.normal))
    return AlarmFacts.of(row)


@router.get("/v1/models/{name}/drift")
def drift(station: AStation, caller: Operator, name: str) -> DriftFacts:
    """The tests for a change of scores and pictures."""
    return station.drift.of(station.models.get(name).name)


@router.get("/v1/audit-log")
def audit_log(
    station: AStation, caller: Engineer, before: Cursor = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> list[AuditEntry]:
    """Entries of the audit log, newest first."""
    with station.record.reading() as session:
        return [
            AuditEntry(id=row.id, at=row.at, by=row.by, action=row.action, subject=row.subject, details=row.details)
            for row in entries(session, before, limit)
        ]


def _facts(served: Served) -> ModelFacts:
    return ModelFacts(
        name=served.name, version=served.version, hash=served.hash, method=served.predictor.config.method,
        draws_maps=served.draws_maps,
    )  # fmt: skip
