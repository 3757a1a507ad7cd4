"""Tokens, roles, sessions, and the checks that every request passes."""

import json
import re

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from algan_ad.runtime.errors import InputError
from algan_ad.service.api.app import create_app
from algan_ad.service.record.tables import TokenRow
from algan_ad.service.security import sessions
from algan_ad.service.security.hosts import is_loopback
from algan_ad.service.security.rates import Rates
from algan_ad.service.security.tokens import Role, add_token, revoke_token
from algan_ad.service.station import Station

from .conftest import Open, client_of, grey


def token(station: Station, role: Role = "operator") -> dict[str, str]:
    made = station.record.write(lambda session: add_token(session, f"the {role}", role, "test"))
    return {"Authorization": f"Bearer {made}"}


def test_only_the_hash_of_a_token_is_kept(station: Station) -> None:
    made = token(station)["Authorization"].split()[1]
    with station.record.reading() as session:
        row = session.scalars(select(TokenRow)).one()
    assert re.fullmatch("[0-9a-f]{64}", row.hash)
    assert made not in json.dumps([row.hash, row.label])


def test_loopback_without_tokens_is_open_and_closes_with_the_first_token(station: Station, client: TestClient) -> None:
    assert client.get("/v1/models").status_code == 200
    headers = token(station)
    for method, path in (
        ("GET", "/v1/models"),
        ("POST", "/v1/inspect"),
        ("GET", "/metrics"),
        ("GET", "/v1/inspections"),
    ):
        assert client.request(method, path).status_code == 401
    assert client.get("/v1/models", headers=headers).status_code == 200
    assert client.get("/v2/health/ready").status_code == 200


def test_every_address_except_health_needs_a_token(station: Station, client: TestClient) -> None:
    token(station)
    open_ones = {"/v2", "/v2/health/live", "/v2/health/ready", "/v1/session"}
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        place = re.sub(r"\{\w+\}", "1", path)
        for method in methods:
            if path not in open_ones:
                assert client.request(method, place).status_code == 401, f"{method} {path}"


def test_the_description_says_who_may_ask(client: TestClient) -> None:
    description = client.get("/openapi.json").json()
    schemes = description["components"]["securitySchemes"]
    assert (schemes["token"]["scheme"], schemes["session"]["name"]) == ("bearer", "algan_session")
    for path, method, role, words in (
        ("/v1/inspect", "post", "operator", "Needs the role operator, or a higher one."),
        ("/v1/audit-log", "get", "engineer", "Needs the role engineer, or a higher one."),
        ("/v1/models/{name}/reload", "post", "admin", "Needs the role admin."),
    ):
        operation = description["paths"][path][method]
        assert operation["security"] == [{"token": [role]}, {"session": [role]}]
        assert operation["description"].endswith(f"\n\n{words}")
        assert {"401", "403"} <= operation["responses"].keys()
    assert description["paths"]["/v2/health/live"]["get"]["description"].endswith("Needs no token.")
    assert "security" not in description["paths"]["/v2/health/live"]["get"]


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [("operator", "reload", 403), ("engineer", "reload", 403), ("admin", "reload", 200),
     ("operator", "audit-log", 403), ("engineer", "audit-log", 200)],
)  # fmt: skip
def test_roles(station: Station, client: TestClient, role: Role, path: str, status: int) -> None:
    method, place = ("POST", "/v1/models/plates/reload") if path == "reload" else ("GET", "/v1/audit-log")
    assert client.request(method, place, headers=token(station, role)).status_code == status


def test_a_revoked_token_ends_at_once(station: Station, client: TestClient) -> None:
    headers = token(station)
    token(station)
    assert client.get("/v1/models", headers=headers).status_code == 200
    station.record.write(lambda session: revoke_token(session, 1, "test"))
    assert client.get("/v1/models", headers=headers).status_code == 401


def test_wrong_tokens_are_refused_and_then_slowed_down(station: Station, client: TestClient) -> None:
    token(station)
    found = [client.get("/v1/models", headers={"Authorization": "Bearer wrong"}).status_code for _ in range(12)]
    assert found == [401] * 10 + [429] * 2


def test_a_session_of_the_page(station: Station, client: TestClient) -> None:
    secret = token(station)["Authorization"].split()[1]
    begun = client.post("/v1/session", json={"token": secret})
    assert begun.json()["role"] == "operator"
    cookie = begun.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert secret.lower() not in cookie
    assert client.get("/v1/models").status_code == 200
    assert client.post("/v1/inspect", content=grey(50)).status_code == 403
    csrf = {"X-CSRF-Token": begun.json()["csrf"]}
    assert client.post("/v1/inspect", content=grey(50), headers=csrf).status_code == 200
    assert client.get("/v1/session").json()["csrf"] == begun.json()["csrf"]
    station.record.write(lambda session: revoke_token(session, 1, "test"))
    token(station)
    assert client.get("/v1/models").status_code == 401
    assert client.delete("/v1/session").status_code == 204
    assert sessions.COOKIE not in client.cookies


def test_a_wrong_token_begins_no_session(station: Station, client: TestClient) -> None:
    token(station)
    assert client.post("/v1/session", json={"token": "wrong"}).status_code == 401


def test_a_forged_cookie(station: Station) -> None:
    _, cookie = sessions.begin(b"another secret", 1)
    assert sessions.read(station.record.secret, cookie) is None
    assert sessions.read(station.record.secret, "nonsense") is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Host": "evil.example"}, 421), ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403),
     ({"Origin": "http://["}, 403),
     ({"Sec-Fetch-Site": "cross-site"}, 403), ({"Origin": "http://127.0.0.1"}, 200), ({}, 200)],
)  # fmt: skip
def test_pages_of_elsewhere_change_nothing(client: TestClient, headers: dict[str, str], status: int) -> None:
    assert client.post("/v1/inspect", content=grey(50), headers=headers).status_code == status


def test_bodies_are_limited_with_and_without_a_length(open_station: Open) -> None:
    client = client_of(open_station(max_image_bytes=1000))
    for content in (bytes(2001), iter([bytes(1500)] * 2)):
        assert client.post("/v1/inspect", content=content).status_code == 413


@pytest.mark.parametrize("host", ["[", "[::1", "", "127.0.0.1:x", "127.0.0.1/x"])
def test_a_host_that_is_none(open_station: Open, host: str) -> None:
    for bound in ("127.0.0.1", "0.0.0.0"):
        assert client_of(open_station(host=bound)).get("/v2/health/live", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize(
    "content", [b'{"token": "\\ud800"}', b'{"\\ud800": 1}', b'{"token": NaN}', b'{"token": 1e999}']
)
def test_what_json_cannot_hold_is_refused_and_not_repeated(client: TestClient, content: bytes) -> None:
    answer = client.post("/v1/session", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (401, 422)
    assert answer.status_code == 401 or set(answer.json()["detail"][0]) == {"type", "loc", "msg"}


def test_a_part_number_in_an_odd_encoding(client: TestClient) -> None:
    """UTF-7 can write half of a character."""
    form = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    body = form % (b'image"; filename="a', grey(50)) + form % (b"part", b"+2AA-") + b"--x--\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x; charset=utf-7"}
    for name in ("part", "model"):
        answer = client.post("/v1/inspect", content=body.replace(b"part", name.encode()), headers=headers)
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith(f"{name}: expected")


def test_the_rate_is_limited(open_station: Open) -> None:
    client = client_of(open_station(requests_per_second=1))
    assert [client.get("/v2/health/live").status_code for _ in range(3)] == [200, 200, 429]


def test_a_bucket_fills_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from algan_ad.service.security import rates

    at = [0.0]
    monkeypatch.setattr(rates, "monotonic", lambda: at[0])
    bucket = Rates(1, 2)
    assert [bucket.allows("a") for _ in range(3)] == [True, True, False]
    at[0] = 1.0
    assert [bucket.allows("a") for _ in range(2)] == [True, False]


def test_headers_and_request_ids(client: TestClient) -> None:
    answer = client.get("/v2/health/live", headers={"X-Request-ID": "line-4"})
    assert answer.headers["x-request-id"] == "line-4"
    assert "unsafe-inline" not in answer.headers["content-security-policy"]
    assert client.get("/v2/health/live", headers={"X-Request-ID": "a\tb"}).headers["x-request-id"] != "a\tb"


@pytest.mark.parametrize(
    ("host", "alone"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
                        ("192.168.0.4", False), ("localhost.example", False)],
)  # fmt: skip
def test_loopback(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone


def test_bad_labels_and_roles(station: Station) -> None:
    for label, role in (("", "operator"), ("x", "king")):
        with pytest.raises(InputError):
            station.record.write(lambda session, label=label, role=role: add_token(session, label, role, "test"))  # type: ignore[misc]


def test_the_app_has_no_pages_from_elsewhere(station: Station) -> None:
    assert {"/docs", "/redoc"}.isdisjoint(getattr(each, "path", "") for each in create_app(station).routes)
