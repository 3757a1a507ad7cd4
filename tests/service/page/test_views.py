"""Every view, for every role, in every language: found, whole, and without anything from elsewhere."""

import re
from collections.abc import Sequence

import pytest
from fastapi.testclient import TestClient

from algan_ad.service.inspection.part import Part
from algan_ad.service.page.words import LANGUAGES, texts
from algan_ad.service.record.alarms import raise_alarm
from algan_ad.service.security.tokens import ROLES, Role, add_token
from algan_ad.service.station import Station
from service.conftest import Open, client_of, grey

VIEWS = [
    "/",
    "/queue",
    "/history",
    "/history/1",
    "/history/4",
    "/trends",
    "/threshold",
    "/threshold/1",
    "/models",
    "/status",
]


@pytest.fixture
def busy(open_station: Open) -> Station:
    """A station with a good part, a flagged one, an audited one, one without picture, and an alarm."""
    station = open_station(audit_share=1)
    station.inspector.inspect([Part(grey(value), f"<b>{value}") for value in (50, 200, 60)])
    station.inspector.inspect([Part(b"nonsense")])
    station.record.write(lambda session: raise_alarm(session, "light", "<i>darker", 2).id)
    return station


def signed_in(station: Station, role: Role) -> TestClient:
    """A browser after the sign-in with a new token."""
    token = station.record.write(lambda session: add_token(session, f"the {role}", role, "test"))
    client = client_of(station)
    assert client.post("/sign-in", data={"token": token, "after": "/queue"}).url.path == "/queue"
    return client


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("role", ROLES)
def test_every_view(busy: Station, role: Role, language: str) -> None:
    client = signed_in(busy, role)
    client.put(f"/preferences/language/{language}")
    for path in VIEWS:
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert f'<html lang="{language}"' in answer.text
        assert texts(language)["view.history"] in answer.text
        _refers_to_this_server_only(answer.text)
        _is_accessible(answer.text)
        assert "<b>" not in answer.text  # part numbers are data
        assert "<i>" not in answer.text


def _refers_to_this_server_only(page: str) -> None:
    assert re.findall(r"""(?:https?:)?//[^\s"'<]+""", page.replace("http://www.w3.org", "")) == []
    assert re.findall(r"\s(?:style|on\w+|hx-on[^=]*|href=.javascript)=", page) == []  # the CSP forbids them
    assert re.findall(r"<style|<script(?![^>]* src=\"/static/)", page) == []


def _is_accessible(page: str) -> None:
    assert [page.count(f"<{each}") for each in ("main", "h1", "footer")] == [1, 1, 1]
    assert re.findall(r"<img(?![^>]* alt=)", page) == []
    assert re.findall(r"<(?:input|select)(?![^>]*hidden)[^>]*>", page) == re.findall(
        r"<(?:input|select)(?![^>]*hidden)[^>]*>", "".join(re.findall(r"<label.*?</label>", page, re.DOTALL))
    )


def test_pages_are_not_kept_by_others(busy: Station) -> None:
    answer = client_of(busy).get("/queue")
    assert answer.headers["cache-control"] == "no-store"
    assert "script-src" not in answer.headers["content-security-policy"]  # default-src 'self' alone
    assert "unsafe" not in answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", [*VIEWS, "/live", "/alarms", "/trends/series", "/pictures/1/small", "/pictures/1/map"])
def test_without_a_session_there_is_the_door_only(busy: Station, path: str) -> None:
    signed_in(busy, "operator")
    stranger = client_of(busy)
    answer = stranger.get(path, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"].startswith("/sign-in")) == (303, True)
    assert stranger.get(path, headers={"HX-Request": "true"}).headers["hx-redirect"] == "/sign-in"
    assert stranger.get(path).url.path == "/sign-in"


def test_the_door(busy: Station) -> None:
    signed_in(busy, "operator")
    stranger = client_of(busy)
    refused = stranger.post("/sign-in", data={"token": "wrong"})
    assert (refused.status_code, texts("en")["sign_in.wrong"] in refused.text) == (401, True)
    client = signed_in(busy, "engineer")
    assert client.post("/sign-out", headers={"X-CSRF-Token": csrf(client)}).headers["hx-redirect"] == "/sign-in"
    assert client.get("/").url.path == "/sign-in"


@pytest.mark.parametrize("after", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_the_door_leads_nowhere_else(busy: Station, after: str) -> None:
    token = busy.record.write(lambda session: add_token(session, "me", "operator", "test"))
    answer = client_of(busy).post("/sign-in", data={"token": token, "after": after}, follow_redirects=False)
    assert answer.headers["location"] == "/"


def csrf(client: TestClient) -> str:
    """The token against forged requests, as the page hands it to htmx."""
    found = re.search(r'"X-CSRF-Token": "([^"]+)"', client.get("/status").text)
    assert found is not None
    return found[1]


CHANGES: Sequence[tuple[Role, str]] = [
    ("operator", "/queue/2/good"), ("operator", "/queue/undo"), ("operator", "/history/2/defect"),
    ("operator", "/history/2/undo"), ("operator", "/alarms/1/acknowledge"), ("engineer", "/threshold"),
    ("engineer", "/threshold/roll-back"), ("engineer", "/threshold/1/approve"), ("admin", "/models/plates/reload"),
]  # fmt: skip


@pytest.mark.parametrize(("needed", "path"), CHANGES)
@pytest.mark.parametrize("role", ROLES)
def test_changes_need_their_role_and_the_page(busy: Station, role: Role, needed: Role, path: str) -> None:
    client = signed_in(busy, role)
    assert client.post(path).status_code == 403  # a page of elsewhere does not know the token
    allowed = ROLES.index(role) >= ROLES.index(needed)
    assert (client.post(path, headers={"X-CSRF-Token": csrf(client)}).status_code != 403) == allowed


@pytest.mark.parametrize("role", ROLES)
def test_a_view_offers_what_the_role_may_do(busy: Station, role: Role) -> None:
    client = signed_in(busy, role)
    shown = client.get("/threshold").text, client.get("/models").text, client.get("/status").text
    words = texts("en")
    assert (words["threshold.propose"] in shown[0]) == (role != "operator")
    assert (words["models.reload_hint"] in shown[1]) == (role == "admin")
    assert (words["status.log"] in shown[2]) == (role != "operator")


def test_errors_are_pages(busy: Station) -> None:
    client = client_of(busy)
    for path, status in (
        ("/history/99", 404),
        ("/trends?model=bolts", 404),
        ("/history?verdict=fine", 422),
        ("/history/x", 422),
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8"), path
        assert 'id="message"' in answer.text


def test_the_form_of_the_door_passes_the_check_of_origins(busy: Station) -> None:
    """Under the policy no-referrer, browsers send the sign-in with `Origin: null`, which the edge refuses."""
    assert client_of(busy).get("/sign-in").headers["referrer-policy"] == "same-origin"
