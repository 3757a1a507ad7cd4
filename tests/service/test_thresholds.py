"""A threshold's way: proposed from audited good parts, previewed, approved, rolled back."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from algan_ad.service.inspection.part import Part
from algan_ad.service.record.tables import AuditRow, InspectionRow, OutboxRow
from algan_ad.service.station import Station

from .conftest import Open, client_of, grey

THRESHOLDS = "/v1/models/plates/thresholds"


@pytest.fixture
def audited(open_station: Open) -> Station:
    """A station of which every part is audited: 20 good ones with the scores 40 to 59, flagged from 96 on."""
    station = open_station(audit_share=1)
    station.inspector.inspect([Part(grey(value)) for value in range(40, 60)])
    return station


@pytest.fixture
def client(audited: Station) -> TestClient:
    return client_of(audited)


def judge(client: TestClient, *ids: int) -> None:
    for number in ids:
        client.put(f"/v1/inspections/{number}/judgement", json={"judgement": "good"})


def test_from_proposal_to_roll_back(client: TestClient, audited: Station) -> None:
    judge(client, *range(1, 20))
    made = client.post(THRESHOLDS, json={"reason": "new lamp"}).json()
    assert (made["version"], made["threshold"], made["n_scores"], made["in_use"]) == (2, 58, 19, False)
    assert client.post("/v1/inspect", content=grey(59)).json()["verdict"] == "ok"
    shown = client.get(f"{THRESHOLDS}/2/preview").json()
    assert (shown["n"], shown["flagged_now"], shown["flagged_then"]) == (21, 0, 2)
    assert (shown["newly_flagged_ids"], shown["newly_ok_ids"]) == ([21, 20], [])
    assert client.post(f"{THRESHOLDS}/2/approve", json={"reason": "seen"}).json()["in_use"]
    after = client.post("/v1/inspect", content=grey(59)).json()
    assert (after["verdict"], after["threshold_version"]) == ("anomalous", 2)
    assert client.post(f"{THRESHOLDS}/2/approve", json={}).status_code == 422
    assert client.post(f"{THRESHOLDS}/roll-back", json={}).json()["version"] == 1
    assert client.post("/v1/inspect", content=grey(59)).json()["threshold_version"] == 1
    assert [each["in_use"] for each in client.get(THRESHOLDS).json()] == [True, False]
    with audited.record.reading() as session:
        actions = session.scalars(select(AuditRow.action).where(AuditRow.action.contains("threshold"))).all()
        events = session.scalars(select(OutboxRow).where(OutboxRow.event == "threshold")).all()
        decided = session.scalars(select(InspectionRow.threshold_id).order_by(InspectionRow.id)).all()
    assert actions == ["adopt threshold", "propose threshold", "approve threshold", "roll back threshold"]
    assert [each.payload["version"] for each in events] == [1, 2, 1]
    assert decided == [1] * 21 + [2, 1]


def test_too_few_audited_parts_promise_nothing(client: TestClient) -> None:
    assert "no audited part" in client.post(THRESHOLDS, json={}).json()["detail"]
    judge(client, *range(1, 19))
    answer = client.post(THRESHOLDS, json={})
    assert (answer.status_code, "it takes 19" in answer.json()["detail"]) == (422, True)
    assert client.post(THRESHOLDS, json={"false_alarm_rate": 0.1}).json()["threshold"] == 57


def test_flagged_good_parts_move_nothing(open_station: Open) -> None:
    station = open_station(audit_share=0)
    station.inspector.inspect([Part(grey(value)) for value in range(100, 116)])
    client = client_of(station)
    judge(client, *range(1, 17))
    assert "no audited part" in client.post(THRESHOLDS, json={"false_alarm_rate": 0.5}).json()["detail"]


def test_what_is_not_there(client: TestClient) -> None:
    for method, place in (
        ("GET", "/7/preview"), ("POST", "/7/approve"), ("POST", "/7/roll-back"),
    ):  # fmt: skip
        assert client.request(method, THRESHOLDS + place, json={}).status_code == 404
    assert client.post(f"{THRESHOLDS}/roll-back", json={}).status_code == 422
    assert client.get("/v1/models/bolts/thresholds").status_code == 404
