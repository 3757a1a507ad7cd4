"""The KServe v2 inference protocol, for clients of Triton and of OpenVINO Model Server.

An inference is an inspection like any other: recorded, and an error when a part was not inspected.
"""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.version import __version__
from algan_ad.service.api.bodies import receive
from algan_ad.service.api.guard import AStation, Operator
from algan_ad.service.api.inspect import STATUS
from algan_ad.service.api.kserve_tensors import InferRequest, read_request
from algan_ad.service.errors import NotFound
from algan_ad.service.inspection.causes import NotInspected
from algan_ad.service.inspection.part import Inspection, Part
from algan_ad.service.models import Served
from algan_ad.service.station import Station

router = APIRouter(tags=["kserve"], prefix="/v2")

OUTPUTS = {"score": "FP64", "p_value": "FP64", "threshold": "FP64", "anomalous": "BOOL", "inspection": "INT64"}


def _inlined(schema: Any, models: dict[str, Any]) -> Any:
    """A schema with the models that it refers to in their places: OpenAPI has no room for them beside it."""
    if isinstance(schema, list):
        return [_inlined(each, models) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(models[schema["$ref"].rpartition("/")[2]], models)
    return {key: _inlined(value, models) for key, value in schema.items() if key != "$defs"}


_SCHEMA = InferRequest.model_json_schema()
_INFER_BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _inlined(_SCHEMA, _SCHEMA["$defs"])}}}
}


@router.get("")
def server() -> dict[str, Any]:
    """The server and its extensions."""
    return {"name": "algan-ad", "version": __version__, "extensions": ["binary_tensor_data"]}


@router.get("/health/live")
def live() -> dict[str, bool]:
    """The process answers."""
    return {"live": True}


@router.get("/health/ready", responses={503: {"description": "not ready"}})
def ready(station: AStation, response: Response) -> dict[str, bool]:
    """The station inspects: it has a model, space on the disk, and is not about to stop."""
    found = station.ready()
    response.status_code = 200 if found else 503
    return {"ready": found}


@router.get("/models/{name}")
@router.get("/models/{name}/versions/{version}")
def model(station: AStation, caller: Operator, name: str, version: str | None = None) -> dict[str, Any]:
    """Inputs and outputs of a model."""
    served = _served(station, name, version)
    return {
        "name": served.name, "versions": [str(served.version)], "platform": "algan-ad",
        "inputs": [{"name": "images", "datatype": "UINT8", "shape": [-1, -1, -1, 3]}],
        "outputs": [{"name": key, "datatype": kind, "shape": [-1]} for key, kind in OUTPUTS.items()],
    }  # fmt: skip


@router.get("/models/{name}/ready")
@router.get("/models/{name}/versions/{version}/ready")
def model_ready(station: AStation, caller: Operator, name: str, version: str | None = None) -> dict[str, Any]:
    """The model serves. 404 for one that does not."""
    return {"name": _served(station, name, version).name, "ready": True}


@router.post("/models/{name}/infer", openapi_extra=_INFER_BODY)
@router.post("/models/{name}/versions/{version}/infer", openapi_extra=_INFER_BODY)
async def infer(
    request: Request, station: AStation, caller: Operator, name: str, version: str | None = None
) -> JSONResponse:
    """Inspect the images of one tensor, UINT8 pixels or BYTES files. When one was not inspected, all is an error."""
    try:
        served = _served(station, name, version)
        body = (await receive(request, 1)).images[0]
        wanted, images = read_request(body, request.headers.get("inference-header-content-length"))
        if len(images) > station.settings.max_batch:
            raise InputError(f"inputs.0: more than {station.settings.max_batch} images")
    except (NotFound, NotInspected) as error:
        return JSONResponse({"error": str(error)}, 404)
    except InputError as error:
        return JSONResponse({"error": str(error)}, 400)
    parts = [Part(image, wanted.part, "kserve") for image in images]
    found = await run_in_threadpool(station.inspector.inspect, parts, name)
    for each in found:
        if each.cause is not None:
            return JSONResponse({"error": f"not inspected: {each.reason}"}, STATUS[each.cause])
    return JSONResponse(_answer(served, wanted, found))


def _answer(served: Served, wanted: InferRequest, found: list[Inspection]) -> dict[str, Any]:
    values = {
        "score": [each.score for each in found], "p_value": [each.p_value for each in found],
        "threshold": [each.threshold for each in found], "anomalous": [each.verdict == "anomalous" for each in found],
        "inspection": [each.id for each in found],
    }  # fmt: skip
    return {
        "model_name": served.name, "model_version": str(found[0].model_version),
        **({"id": wanted.id} if wanted.id else {}),
        "outputs": [
            {"name": key, "datatype": OUTPUTS[key], "shape": [len(found)], "data": data} for key, data in values.items()
        ],
    }  # fmt: skip


def _served(station: Station, name: str, version: str | None) -> Served:
    """The model of a name. Raises NotInspected for an unknown one, NotFound for a version that is not in service."""
    served = station.models.get(name)
    if version not in (None, str(served.version)):
        raise NotFound(f"version {version} of {name} is not in service; version {served.version} is")
    return served
