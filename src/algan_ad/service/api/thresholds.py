"""Versions of a threshold: list, propose, preview, approve, roll back."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from algan_ad.runtime.schema import Schema
from algan_ad.service.api.guard import AStation, Engineer, Operator
from algan_ad.service.api.history import Id
from algan_ad.service.thresholds.facts import ThresholdFacts, all_facts, facts
from algan_ad.service.thresholds.proposals import Preview, preview, propose
from algan_ad.service.thresholds.versions import approve, roll_back, version

router = APIRouter(tags=["thresholds"], prefix="/v1/models/{name}/thresholds")

Reason = Annotated[str | None, Field(max_length=1000, pattern=r"^[^\x00]*$", description="kept beside the change")]


class Why(Schema):
    """The reason of a change."""

    reason: Reason = None


class Proposal(Why):
    """A wish for another threshold."""

    false_alarm_rate: float | None = Field(default=None, ge=1e-6, lt=1, description="None: as now")


@router.get("")
def versions(station: AStation, caller: Operator, name: str) -> list[ThresholdFacts]:
    """All versions, oldest first; one of them is in use."""
    model_id = station.models.get(name).id
    with station.record.reading() as session:
        return all_facts(session, model_id)


@router.post("")
def make(station: AStation, caller: Engineer, name: str, wish: Proposal) -> ThresholdFacts:
    """Propose a version from the audited good parts. Nothing changes before it is approved."""
    model_id = station.models.get(name).id
    return station.record.write(
        lambda session: facts(session, propose(session, model_id, caller.name, wish.false_alarm_rate, wish.reason))
    )


@router.get("/{number}/preview")
def show(station: AStation, caller: Operator, name: str, number: Id) -> Preview:
    """The recorded parts that a version would decide otherwise."""
    model_id = station.models.get(name).id
    with station.record.reading() as session:
        return preview(session, version(session, model_id, number))


@router.post("/{number}/approve")
def put_to_use(station: AStation, caller: Engineer, name: str, number: Id, why: Why) -> ThresholdFacts:
    """Put a version to use, from the next inspection on."""
    model_id = station.models.get(name).id
    return station.record.write(
        lambda session: facts(session, approve(session, model_id, number, caller.name, why.reason))
    )


@router.post("/roll-back")
def back(station: AStation, caller: Engineer, name: str, why: Why) -> ThresholdFacts:
    """Put the version to use that was in use before."""
    model_id = station.models.get(name).id
    return station.record.write(lambda session: facts(session, roll_back(session, model_id, caller.name, why.reason)))
