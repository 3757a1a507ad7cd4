"""A visit of the page: who asks, in which language, and the way from a template to an answer."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from algan_ad.runtime.version import __version__
from algan_ad.service.api.guard import AStation, Caller, needs
from algan_ad.service.drift.alarms import Alarm
from algan_ad.service.page.environment import render
from algan_ad.service.page.preferences import CHOICES, Preferences
from algan_ad.service.page.words import LANGUAGES, Words, texts
from algan_ad.service.record.alarms import open_alarms
from algan_ad.service.security.tokens import ROLES, Role
from algan_ad.service.station import Station

VIEWS = ("live", "queue", "history", "trends", "threshold", "models", "status")


@dataclass(frozen=True)
class Visit:
    """One request for a page by somebody who may have it."""

    request: Request
    station: Station
    caller: Caller

    def may(self, role: Role) -> bool:
        """True when the visitor has this role or a higher one."""
        return ROLES.index(self.caller.role) >= ROLES.index(role)

    def page(self, template: str, **values: Any) -> HTMLResponse:
        """A page, or a piece of one."""
        with self.station.record.reading() as session:
            alarms = open_alarms(session)
        models = [each.name for each in self.station.models]
        own: dict[str, Any] = {
            "visitor": self.caller, "may": self.may, "models": models, "alarms": alarms,
            "drift_message": _drift_message,
        }  # fmt: skip
        return answer(self.request, template, **own, **values)


def answer(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A template filled in for a visitor, also for one who has not signed in."""
    preferences = Preferences.of(request)
    own = {
        "t": Words(preferences.language), "preferences": preferences, "choices": CHOICES, "views": VIEWS,
        "release": __version__, "languages": {each: texts(each)["format.name"] for each in LANGUAGES},
    }  # fmt: skip
    # The content depends on who asks, and on their language: only the browser itself may keep it, and must ask again.
    return HTMLResponse(render(template, **own, **values), status, {"Cache-Control": "no-store"})


def _drift_message(details: dict[str, Any], words: Words) -> str:
    """The message of an alarm of drift, which the record keeps in English, in the language of the visitor."""
    return Alarm(**details).message(words)


def back_to(path: str) -> RedirectResponse:
    """The answer to a change: the page that shows it."""
    return RedirectResponse(path, 303)


def _visitor(role: Role) -> Any:
    async def visit(request: Request, station: AStation, caller: Annotated[Caller, needs(role)]) -> Visit:
        return Visit(request, station, caller)

    made: Callable[..., Coroutine[Any, Any, Visit]] = visit
    return Depends(made)


OperatorVisit = Annotated[Visit, _visitor("operator")]
EngineerVisit = Annotated[Visit, _visitor("engineer")]
AdminVisit = Annotated[Visit, _visitor("admin")]
