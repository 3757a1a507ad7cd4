"""Tokens of access with roles. A token is shown once; the record keeps its SHA-256.

The tokens are random and long, so that a plain hash suffices: there is nothing to guess.
"""

import hashlib
import secrets
from collections.abc import Sequence
from typing import Literal, get_args

from sqlalchemy import bindparam, exists, select
from sqlalchemy.orm import Session

from algan_ad.runtime.clock import now
from algan_ad.runtime.errors import InputError, Option
from algan_ad.service.errors import NotFound
from algan_ad.service.record.audit_log import note
from algan_ad.service.record.tables import TokenRow

Role = Literal["operator", "engineer", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)  # each may do what those before it may do
PREFIX = "algan_"  # so that a token is recognised where it should not be

# Every request asks for one of these, so they are built once.
_LIVE = select(TokenRow).where(TokenRow.revoked_at.is_(None))
_ANY = select(exists().where(TokenRow.revoked_at.is_(None)))
_BY_HASH = _LIVE.where(TokenRow.hash == bindparam("hash"))
_BY_ID = _LIVE.where(TokenRow.id == bindparam("id"))


def add_token(session: Session, label: str, role: Role, by: str) -> str:
    """Make a token and return it. Raises InputError for an unknown role or an empty label."""
    if role not in ROLES:
        raise InputError(Option("role", role), f": expected one of {', '.join(ROLES)}")
    if not label.strip():
        raise InputError(Option("label", label), ": expected a name, of the person or the place that uses the token")
    token = PREFIX + secrets.token_urlsafe(32)
    row = TokenRow(label=label, role=role, hash=_hash(token), at=now())
    session.add(row)
    session.flush()
    note(session, by, "add token", label, id=row.id, role=role)
    return token


def revoke_token(session: Session, token_id: int, by: str) -> TokenRow:
    """End a token, and every session that began with it. Raises NotFound when there is none."""
    row = session.get(TokenRow, token_id)
    if row is None:
        raise NotFound(f"token {token_id}: there is none")
    if row.revoked_at is None:
        row.revoked_at = now()
        note(session, by, "revoke token", row.label, id=token_id)
    return row


def tokens(session: Session) -> Sequence[TokenRow]:
    """All tokens, also those that were revoked, oldest first."""
    return session.scalars(select(TokenRow).order_by(TokenRow.id)).all()


def any_token(session: Session) -> bool:
    """True when there is a token that is not revoked."""
    return bool(session.scalar(_ANY))


def find_token(session: Session, token: str) -> TokenRow | None:
    """The row of a token; None for one that is unknown or was revoked."""
    return session.scalar(_BY_HASH, {"hash": _hash(token)})


def live_token(session: Session, token_id: int) -> TokenRow | None:
    """The row of an id; None for one that is unknown or was revoked."""
    return session.scalar(_BY_ID, {"id": token_id})


def role_of(row: TokenRow) -> Role:
    """The role of a token."""
    return next(role for role in ROLES if role == row.role)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()  # anybody may send anything
