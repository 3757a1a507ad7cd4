"""Sessions of the page: a signed cookie that names the token it began with, and a secret against forged requests."""

import secrets
from dataclasses import dataclass

from itsdangerous import BadData, URLSafeTimedSerializer

COOKIE = "algan_session"
SECONDS = 12 * 3600  # a shift


@dataclass(frozen=True)
class PageSession:
    """A session. The page repeats `csrf` in the header X-CSRF-Token of everything that changes something."""

    token_id: int
    csrf: str


def begin(secret: bytes, token_id: int) -> tuple[PageSession, str]:
    """A new session, and the value of its cookie."""
    session = PageSession(token_id, secrets.token_urlsafe(16))
    return session, _serializer(secret).dumps([session.token_id, session.csrf])


def read(secret: bytes, cookie: str) -> PageSession | None:
    """The session of a cookie; None for one that is forged or too old."""
    try:
        token_id, csrf = _serializer(secret).loads(cookie, max_age=SECONDS)
    except (BadData, ValueError, TypeError):
        return None
    return PageSession(int(token_id), str(csrf))


def _serializer(secret: bytes) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret, salt="page session")
