"""The queue of parts to judge, judgements, and the estimates that follow from them."""

from typing import Annotated

from fastapi import APIRouter, Query

from algan_ad.runtime.schema import Schema
from algan_ad.service.api.guard import AStation, Operator
from algan_ad.service.api.history import MOST, Id
from algan_ad.service.feedback.estimates import Estimates, estimates
from algan_ad.service.feedback.judgements import Judgement, judge, queue, undo
from algan_ad.service.inspection.part import Inspection
from algan_ad.service.thresholds.versions import active_id

router = APIRouter(tags=["feedback"])


class Waiting(Schema):
    """A part to judge. It says neither verdict nor score: both would lead the judgement, and mark the audited ones."""

    id: int
    at: str
    part: str | None
    model: str
    image_url: str
    map_url: str | None


class Said(Schema):
    """A judgement."""

    judgement: Judgement


@router.get("/v1/queue")
def waiting(
    station: AStation, caller: Operator, after: Annotated[int, Query(ge=0, le=MOST)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[Waiting]:  # fmt: skip
    """Parts that wait for a judgement, oldest first: flagged ones, and some that were drawn at random."""
    with station.record.reading() as session:
        found = [Inspection.of(row) for row in queue(session, after, limit)]
    return [
        Waiting(
            id=each.id, at=each.at, part=each.part, model=each.model, image_url=each.image_url, map_url=each.map_url
        )
        for each in found
        if each.id is not None and each.image_url is not None
    ]


@router.put("/v1/inspections/{inspection_id}/judgement")
def say(station: AStation, caller: Operator, inspection_id: Id, said: Said) -> Inspection:
    """Judge a part."""
    return Inspection.of(
        station.record.write(lambda session: judge(session, inspection_id, said.judgement, caller.name))
    )


@router.delete("/v1/inspections/{inspection_id}/judgement")
def take_back(station: AStation, caller: Operator, inspection_id: Id) -> Inspection:
    """Take the last judgement of a part back; the one before it counts again."""
    return Inspection.of(station.record.write(lambda session: undo(session, inspection_id, caller.name)))


@router.get("/v1/models/{name}/estimates")
def estimated(station: AStation, caller: Operator, name: str) -> Estimates:
    """False alarm rate, precision and miss rate under the threshold in use, with exact intervals."""
    model_id = station.models.get(name).id
    with station.record.reading() as session:
        return estimates(session, active_id(session, model_id))
