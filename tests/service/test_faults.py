"""Faults as the station reports them over HTTP."""

from pathlib import Path

from fastapi.testclient import TestClient

from algan_ad.runtime.model_folder import CONFIG
from algan_ad.service.record.outbox import add_sink, announce
from algan_ad.service.station import Station

from .conftest import PLATES, grey


def test_a_model_that_is_gone_serves_nothing_until_it_is_back(client: TestClient) -> None:
    (PLATES / CONFIG).unlink()
    answer = client.post("/v1/inspect", content=grey(50))
    assert (answer.status_code, answer.json()["verdict"]) == (404, "not inspected")
    assert client.get("/v2/health/ready").status_code == 503
    (fault,) = client.get("/v1/faults").json()
    assert (fault["cause"], fault["source"]) == ("model", None)
    (PLATES / CONFIG).touch()
    assert client.post("/v1/inspect", content=grey(50)).json()["verdict"] == "ok"
    assert client.get("/v1/faults").json() == []


def test_faults_and_waiting_messages_are_figures(station: Station, client: TestClient) -> None:
    station.record.write(lambda session: add_sink(session, "mqtt"))
    station.record.write(lambda session: announce(session, "alarm", {}))
    (PLATES / CONFIG).unlink()
    figures = client.get("/metrics").text
    assert 'algan_outbox_waiting{sink="mqtt"} 1.0' in figures
    assert 'algan_fault{cause="model"} 1.0' in figures
    (Path(PLATES) / CONFIG).touch()
    assert "algan_fault{" not in client.get("/metrics").text
