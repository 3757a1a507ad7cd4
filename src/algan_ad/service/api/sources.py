"""Cameras, and the trigger of their next picture; the faults of the station."""

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from algan_ad.runtime.schema import Schema
from algan_ad.service.api.bodies import PartNumber
from algan_ad.service.api.guard import AStation, Operator
from algan_ad.service.api.inspect import answered
from algan_ad.service.errors import NotFound
from algan_ad.service.inspection.part import Inspection

router = APIRouter(tags=["sources"])


class FaultFacts(Schema):
    """A fault that stands. While there is one of the station itself, nothing is inspected."""

    cause: str
    message: str
    source: str | None


@router.get("/v1/faults")
def faults(station: AStation, caller: Operator) -> list[FaultFacts]:
    """Faults that stand now."""
    return [
        FaultFacts(cause=each.cause, message=each.message, source=each.source) for each in station.faults.standing()
    ]


@router.get("/v1/cameras")
def cameras(station: AStation, caller: Operator) -> list[str]:
    """The names of the cameras, streams and video files of this station."""
    return sorted(station.cameras)


@router.post("/v1/cameras/{name}/trigger", response_model=Inspection)
async def trigger(
    response: Response, station: AStation, caller: Operator, name: str, part: PartNumber = None
) -> Inspection:
    """Inspect the next picture of a camera. The answer is that of POST /v1/inspect."""
    if name not in station.cameras:
        raise NotFound(f"no camera {name!r}; there are {', '.join(sorted(station.cameras)) or 'none'}")
    return answered(await run_in_threadpool(station.cameras[name].inspect_next, part), response)
