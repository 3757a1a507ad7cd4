"""The session of the page: a token is shown once, then a cookie stands for it."""

from fastapi import APIRouter, HTTPException, Request, Response

from algan_ad.runtime.schema import Schema
from algan_ad.service.api.guard import AStation, Caller, Operator, wrong_credentials
from algan_ad.service.security import sessions
from algan_ad.service.security.tokens import Role, find_token, role_of

router = APIRouter(tags=["session"])


class Credentials(Schema):
    """A token of the station."""

    token: str


class Signed(Schema):
    """Who is signed in. csrf: goes into the header X-CSRF-Token of requests that change something."""

    name: str
    role: Role
    csrf: str | None


@router.post("/v1/session")
def begin(station: AStation, request: Request, response: Response, credentials: Credentials) -> Signed:
    """Sign in with a token. The cookie lasts for a shift."""
    with station.record.reading() as session:
        row = find_token(session, credentials.token)
    if row is None:
        wrong_credentials(request)
        raise HTTPException(401, "this token is not valid")
    page, cookie = sessions.begin(station.record.secret, row.id)
    response.set_cookie(
        sessions.COOKIE, cookie, max_age=sessions.SECONDS, httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip
    return Signed(name=row.label, role=role_of(row), csrf=page.csrf)


@router.get("/v1/session")
def current(caller: Operator) -> Signed:
    """Who is signed in."""
    return _signed(caller)


@router.delete("/v1/session", status_code=204)
def end(response: Response) -> None:
    """Sign out."""
    response.delete_cookie(sessions.COOKIE, httponly=True, samesite="strict")


def _signed(caller: Caller) -> Signed:
    return Signed(name=caller.name, role=caller.role, csrf=caller.csrf)
