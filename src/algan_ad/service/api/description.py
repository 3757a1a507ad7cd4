"""The OpenAPI description, at /openapi.json: each operation says in words who may ask for it."""

from typing import Any

from fastapi import FastAPI

from algan_ad.service.security.tokens import ROLES

STATION = (
    "An inspection station. Most operations need a token of access, with a role: an operator looks, inspects and "
    "judges, an engineer also moves thresholds, an admin also replaces models. A station on loopback that has no token "
    "yet asks for none."
)


class Described(FastAPI):
    """An app whose description names the role that each operation needs, as the dependencies of `guard.py` ask."""

    def openapi(self) -> dict[str, Any]:
        """The description, made once."""
        if self.openapi_schema is None:
            for methods in super().openapi()["paths"].values():
                for operation in methods.values():
                    _say_who_may(operation)
        return super().openapi()


def _say_who_may(operation: dict[str, Any]) -> None:
    roles = [role for scheme in operation.get("security", ()) for role, *_ in scheme.values()]
    sentence = _needs(roles[0]) if roles else "Needs no token."
    operation["description"] = f"{operation.get('description', '')}\n\n{sentence}".lstrip()
    if roles:
        operation["responses"] |= {
            "401": {"description": "no valid token"},
            "403": {"description": "the role is too low, or a session did not send its X-CSRF-Token"},
            "429": {"description": "too many wrong credentials, or too many requests"},
        }


def _needs(role: str) -> str:
    return f"Needs the role {role}" + (", or a higher one." if role != ROLES[-1] else ".")
