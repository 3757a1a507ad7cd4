"""The app: all addresses, behind the edge."""

import json

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from algan_ad.runtime.errors import AlganError
from algan_ad.runtime.version import __version__
from algan_ad.service.api import feedback, history, inspect, kserve, operations, session, sources, thresholds
from algan_ad.service.api.description import STATION, Described
from algan_ad.service.api.edge import Edge
from algan_ad.service.errors import NotFound
from algan_ad.service.inspection.causes import NotInspected
from algan_ad.service.page.site import add_page
from algan_ad.service.security.rates import Rates
from algan_ad.service.station import Station

WRONG_CREDENTIALS_A_MINUTE = 10


def create_app(station: Station) -> FastAPI:
    """The app of a station, which stays open as long as the app is used."""
    app = Described(title="algan-ad station", description=STATION, version=__version__, docs_url=None, redoc_url=None)
    app.state.station = station
    app.state.wrong_credentials = Rates(WRONG_CREDENTIALS_A_MINUTE / 60, WRONG_CREDENTIALS_A_MINUTE)
    for each in (session, inspect, feedback, history, thresholds, operations, sources, kserve):
        app.include_router(each.router)
    add_page(app, station)
    app.add_middleware(Edge, settings=station.settings)
    app.add_exception_handler(AlganError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _failed)
    return app


def _refused(request: Request, error: Exception) -> JSONResponse:
    missing = isinstance(error, NotFound | NotInspected)
    return JSONResponse({"detail": str(error)}, 404 if missing else 422)


def _invalid(request: Request, error: Exception) -> Response:
    """The errors of a request without its content, which may be a token, or something that JSON cannot hold."""
    assert isinstance(error, RequestValidationError)
    detail = [{name: each[name] for name in ("type", "loc", "msg")} for each in error.errors()]
    return Response(json.dumps({"detail": detail}), 422, media_type="application/json")


def _failed(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": "an error of the station; its log has the details"}, 500)
