"""What a person wants of the page, in cookies: language, colours, keys. Nothing about the station."""

from dataclasses import dataclass
from typing import Self

from fastapi import APIRouter, HTTPException, Request, Response

from algan_ad.service.page.words import LANGUAGES

router = APIRouter(include_in_schema=False)

CHOICES = {"language": LANGUAGES, "theme": ("auto", "light", "dark"), "keys": ("on", "off")}
YEAR = 365 * 24 * 3600


@dataclass(frozen=True)
class Preferences:
    """The choices of a browser."""

    language: str
    theme: str
    keys: str

    @classmethod
    def of(cls, request: Request) -> Self:
        """The choices that the cookies of a request name; otherwise the browser's language, and the first of each."""
        return cls(
            language=_chosen(request, "language") or _accepted(request.headers.get("accept-language", "")),
            theme=_chosen(request, "theme") or "auto",
            keys=_chosen(request, "keys") or "on",
        )


@router.put("/preferences/{name}/{value}")
def choose(request: Request, name: str, value: str) -> Response:
    """Remember a choice for a year, and load the page again."""
    if value not in CHOICES.get(name, ()):
        raise HTTPException(404, "there is no such choice")
    response = Response(status_code=204, headers={"HX-Refresh": "true"})
    response.set_cookie(_cookie(name), value, max_age=YEAR, samesite="strict", secure=request.url.scheme == "https")
    return response


def _cookie(name: str) -> str:
    return f"algan_{name}"


def _chosen(request: Request, name: str) -> str | None:
    value = request.cookies.get(_cookie(name))
    return value if value in CHOICES[name] else None


def _accepted(header: str) -> str:
    """The first language of an Accept-Language header that there is; browsers send the dearest first."""
    wanted = (each.partition(";")[0].strip()[:2].lower() for each in header.split(","))
    return next((each for each in wanted if each in LANGUAGES), LANGUAGES[0])
