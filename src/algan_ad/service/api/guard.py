"""Who asks, and whether that role may do it."""

import hmac
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from algan_ad.service.security import sessions
from algan_ad.service.security.hosts import is_loopback
from algan_ad.service.security.rates import Rates
from algan_ad.service.security.tokens import ROLES, Role, any_token, find_token, live_token, role_of
from algan_ad.service.station import Station

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

# Two ways to say who asks, which the OpenAPI description names, too.
_BEARER = HTTPBearer(
    scheme_name="token", auto_error=False,
    description="A token of access: algan station token add NAME --role operator | engineer | admin",
)  # fmt: skip
_COOKIE = APIKeyCookie(
    name=sessions.COOKIE, scheme_name="session", auto_error=False,
    description="The session of a page, which POST /v1/session begins. Requests that change something also send its "
    "csrf in the header X-CSRF-Token.",
)  # fmt: skip
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
Cookie = Annotated[str | None, Depends(_COOKIE)]


async def station_of(request: Request) -> Station:
    """The station that the app serves."""
    station: Station = request.app.state.station
    return station


AStation = Annotated[Station, Depends(station_of)]


@dataclass(frozen=True)
class Caller:
    """Somebody with a role. csrf: of their page session, None for a token."""

    name: str
    role: Role
    csrf: str | None = None


def caller_of(request: Request, station: AStation, bearer: Bearer, cookie: Cookie) -> Caller:
    """The caller by bearer token, by session cookie, or, on a loopback station without tokens, without either.

    Raises HTTPException: 401 without valid credentials, 403 for a forged request, 429 after too many wrong ones.
    """
    authorized = "authorization" in request.headers  # in this way or another: then no other credentials count
    if authorized:
        found = None if bearer is None else _by_token(station, bearer.credentials)
    else:
        found = _without_tokens(station) if cookie is None else _by_cookie(station, cookie)
    if found is None:
        if authorized or cookie is not None:
            wrong_credentials(request)
        raise HTTPException(401, "a valid token is needed", {"WWW-Authenticate": "Bearer"})
    if found.csrf is not None and request.method not in SAFE:
        sent = request.headers.get("x-csrf-token", "")
        if not hmac.compare_digest(sent.encode(), found.csrf.encode()):
            raise HTTPException(403, "the header X-CSRF-Token of the session is missing or wrong")
    return found


def wrong_credentials(request: Request) -> None:
    """Count wrong credentials of an address. Raises HTTPException 429 when they are too many."""
    rates: Rates = request.app.state.wrong_credentials
    if not rates.allows(request.client.host if request.client else ""):
        raise HTTPException(429, "too many wrong credentials; wait a minute", {"Retry-After": "60"})


def needs(role: Role) -> Any:
    """A dependency of FastAPI: the caller, who has this role or a higher one. Otherwise the answer is 403."""

    async def check(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        if ROLES.index(caller.role) < ROLES.index(role):
            raise HTTPException(403, f"this needs the role {role}; this token has the role {caller.role}")
        return caller

    return Security(check, scopes=[role])


Operator = Annotated[Caller, needs("operator")]
Engineer = Annotated[Caller, needs("engineer")]
Admin = Annotated[Caller, needs("admin")]


def _without_tokens(station: Station) -> Caller | None:
    """The person at the machine itself, as long as the station has no token."""
    if not is_loopback(station.settings.host):
        return None
    with station.record.reading() as session:
        return None if any_token(session) else Caller("local", "admin")


def _by_token(station: Station, token: str) -> Caller | None:
    with station.record.reading() as session:
        row = find_token(session, token.strip())
    return None if row is None else Caller(row.label, role_of(row))


def _by_cookie(station: Station, cookie: str) -> Caller | None:
    page = sessions.read(station.record.secret, cookie)
    if page is None:
        return None
    with station.record.reading() as session:
        row = live_token(session, page.token_id)
    return None if row is None else Caller(row.label, role_of(row), page.csrf)
