"""POST /v1/inspect and /v1/inspect/batch."""

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from algan_ad.runtime.schema import Schema
from algan_ad.service.api.bodies import ModelName, PartNumber, receive
from algan_ad.service.api.examples import INSPECTION, NOT_INSPECTED
from algan_ad.service.api.guard import AStation, Operator
from algan_ad.service.inspection import causes
from algan_ad.service.inspection.part import Inspection, Part

router = APIRouter(tags=["inspect"])

STATUS = {
    causes.IMAGE: 422, causes.CONFLICT: 409, causes.OVERLOAD: 503, causes.MODEL: 404, causes.DISK: 503,
    causes.CAMERA: 503, causes.ERROR: 500,
}  # fmt: skip


class Batch(Schema):
    """Inspections in the order of the images."""

    inspections: list[Inspection]


def _form(several: bool) -> dict[str, Any]:
    """The body in OpenAPI's words: a form, or the bytes of one image."""
    file = {"type": "string", "format": "binary"}
    fields: dict[str, Any] = {"image": file, "part": {"type": "string"}}
    if several:
        fields = {name: {"type": "array", "items": each} for name, each in fields.items()}
    form = {"type": "object", "required": ["image"], "properties": {**fields, "model": {"type": "string"}}}
    kinds = {"multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": True, "content": kinds if several else {**kinds, "image/*": {"schema": file}}}}


def _answers(status: int) -> dict[int | str, dict[str, Any]]:
    refused = {
        "description": "not inspected", "model": Inspection, "content": {"application/json": {"example": NOT_INSPECTED}}
    }  # fmt: skip
    return {200: {"content": {"application/json": {"example": INSPECTION}}}, **dict.fromkeys(STATUS.values(), refused)}


@router.post("/v1/inspect", response_model=Inspection, openapi_extra=_form(False), responses=_answers(200))
async def inspect(
    request: Request, response: Response, station: AStation, caller: Operator, part: PartNumber = None,
    model: ModelName = None,
) -> Inspection:  # fmt: skip
    """Inspect one part: the image as the body, or as the file `image` of a form, with `part` and `model` beside it.

    The answer is committed. Any status except 200 means *not inspected*.
    """
    received = await receive(request, 1)
    number = part or next(iter(received.numbers), None)
    parts = [Part(received.images[0], number)]
    (found,) = await run_in_threadpool(station.inspector.inspect, parts, model or received.model)
    return answered(found, response)


@router.post("/v1/inspect/batch", response_model=Batch, openapi_extra=_form(True))
async def inspect_batch(request: Request, station: AStation, caller: Operator, model: ModelName = None) -> Batch:
    """Inspect several parts, the files `image` of a form. Each answer stands for itself: look at every verdict.

    Part numbers are fields `part`, one for each image, in their order; an empty one stands for none.
    """
    received = await receive(request, station.settings.max_batch)
    numbers = received.numbers or [None] * len(received.images)
    parts = [Part(image, number) for image, number in zip(received.images, numbers, strict=True)]
    found = await run_in_threadpool(station.inspector.inspect, parts, model or received.model)
    return Batch(inspections=found)


def answered(found: Inspection, response: Response) -> Inspection:
    """An inspection as the answer of a request, with its status."""
    if found.cause is not None:
        response.status_code = STATUS[found.cause]
        if found.cause == causes.OVERLOAD:
            response.headers["Retry-After"] = "1"
    return found
