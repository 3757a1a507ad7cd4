"""The door of the page: a token goes in, a session cookie comes out."""

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from algan_ad.service.api import session as sessions
from algan_ad.service.api.guard import AStation
from algan_ad.service.page.faults import PageRoute
from algan_ad.service.page.visit import OperatorVisit, answer

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/sign-in")
def form(request: Request, after: str = "/") -> Response:
    """The form."""
    return answer(request, "sign_in.html.j2", after=_own(after), wrong=False)


@router.post("/sign-in")
def sign_in(
    request: Request,
    station: AStation,
    token: Annotated[str, Form(max_length=200)],
    after: Annotated[str, Form()] = "/",
) -> Response:
    """Begin a session, and go where the visitor wanted to go."""
    response = RedirectResponse(_own(after), 303)
    try:
        sessions.begin(station, request, response, sessions.Credentials(token=token.strip()))
    except HTTPException as error:
        if error.status_code != 401:
            raise
        return answer(request, "sign_in.html.j2", 401, after=_own(after), wrong=True)
    return response


@router.post("/sign-out")
def sign_out(visit: OperatorVisit) -> Response:
    """End the session."""
    response = Response(status_code=204, headers={"HX-Redirect": "/sign-in"})
    sessions.end(response)
    return response


def _own(path: str) -> str:
    """The path when it is one of this server; otherwise the first page."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
