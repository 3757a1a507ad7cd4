"""Errors as pages: in words, where a program would get JSON. Whoever is not signed in is led to the door."""

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from algan_ad.runtime.errors import AlganError
from algan_ad.service.errors import NotFound
from algan_ad.service.inspection.causes import NotInspected
from algan_ad.service.page.visit import answer

log = structlog.get_logger("algan.page")


class PageRoute(APIRoute):
    """A route of the page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of FastAPI, with its errors as pages."""
        handler = super().get_route_handler()

        async def explained(request: Request) -> Response:
            try:
                return await handler(request)
            except HTTPException as error:
                return _door(request) if error.status_code == 401 else _fault(request, error.status_code, error.detail)
            except RequestValidationError as error:
                first = error.errors()[0]
                return _fault(request, 422, f"{first['loc'][-1]}: {first['msg']}")
            except (NotFound, NotInspected) as error:
                return _fault(request, 404, str(error))
            except AlganError as error:
                return _fault(request, 422, str(error))
            except Exception:
                log.exception("page failed")
                return _fault(request, 500, "an error of the station; its log has the details")

        return explained


def _door(request: Request) -> Response:
    """The way to the sign-in, for a page as well as for a piece of one."""
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
    return RedirectResponse(f"/sign-in?after={quote(request.url.path)}", 303)


def _fault(request: Request, status: int, detail: str) -> Response:
    return answer(request, "fault.html.j2", status, detail=detail)
