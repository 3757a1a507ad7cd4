"""`algan serve` as a process on loopback: start, drain, kill, refusal."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import pytest

from .conftest import grey, write_brightness

# Model folders that ONNX Runtime scores need no torch, and the station must not ask for it; nor for SciPy, which would
# make a start slow.
ALGAN = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "matplotlib", "sklearn", "scipy"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
from algan_ad.cli import main
main()
"""


def command(*words: object) -> list[str]:
    return [sys.executable, "-c", ALGAN, *map(str, words)]


@contextmanager
def serving(model: Path, station: Path, *words: object) -> Iterator[tuple[subprocess.Popen[str], httpx2.Client]]:
    """A server, and a client of it. It is killed at the end if it still runs."""
    words = ("serve", model, "--station", station, "--port", 0, "--free-gb", 0, "--json", *words)
    server = subprocess.Popen(command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line, server.communicate()[1]
        with httpx2.Client(base_url=json.loads(line)["address"], timeout=20) as client:
            yield server, client
    finally:
        server.kill()
        server.communicate()


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, text=True, check=False, timeout=60)


def found(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_inspect_change_the_threshold_back_up_and_stop(brightness_folder: Path, tmp_path: Path) -> None:
    station = tmp_path / "station"
    with serving(brightness_folder, station, "--audit-share", 1) as (server, client):
        parts = [client.post(f"/v1/inspect?part=p{value}", content=grey(value)).json() for value in (40, 41, 96)]
        assert [each["verdict"] for each in parts] == ["ok", "ok", "anomalous"]
        second = run("serve", brightness_folder, "--station", station, "--port", 0)
        assert (second.returncode, "another server uses this station" in second.stderr) == (2, True)
        for number in (1, 2):
            client.put(f"/v1/inspections/{number}/judgement", json={"judgement": "good"})
        made = found(run("station", "threshold", "propose", "--station", station, "--false-alarm-rate", 0.4, "--json"))
        assert (made["threshold"]["threshold"], made["preview"]["newly_flagged"]) == (41, 0)
        found(run("station", "threshold", "approve", 2, "--station", station, "--json"))
        assert client.post("/v1/inspect", content=grey(42)).json()["verdict"] == "anomalous"
        copied = found(run("station", "backup", "--station", station, "--out", tmp_path / "copy", "--json"))
        assert copied["n_images_and_maps"] == 5  # the maps of plain images are the same
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
    assert client.is_closed
    found(run("station", "restore", tmp_path / "copy", "--station", tmp_path / "other", "--json"))
    with serving(brightness_folder, tmp_path / "other") as (_, client):
        again = client.post("/v1/inspect?part=p40", content=grey(40)).json()
        assert (again["id"], again["repeated"]) == (1, True)
        assert client.get(again["image_url"]).content == grey(40)
        assert client.post("/v1/inspect", content=grey(43)).json()["id"] == 5


def test_what_was_answered_is_there_after_a_kill(brightness_folder: Path, tmp_path: Path) -> None:
    station, answers = tmp_path / "station", []
    with serving(brightness_folder, station) as (server, client):

        def send() -> None:
            for i in range(1000):
                try:
                    answers.append(client.post(f"/v1/inspect?part=p{i}", content=grey(i % 250)).json())
                except httpx2.TransportError:
                    return

        sender = Thread(target=send)
        sender.start()
        while len(answers) < 20 and sender.is_alive():
            sender.join(0.01)
        server.kill()
        sender.join()
    assert len(answers) >= 20
    with serving(brightness_folder, station) as (_, client):
        rows = client.get("/v1/inspections?after=0&limit=1000").json()["inspections"]
        assert rows[: len(answers)] == answers
        assert len(rows) - len(answers) in (0, 1)  # committed, and killed before the answer
        assert client.get(rows[-1]["image_url"]).status_code == 200


def test_a_stop_lets_requests_in_flight_finish(brightness_folder: Path, tmp_path: Path) -> None:
    with serving(brightness_folder, tmp_path / "station") as (server, client):
        content, sent = grey(50), []

        def slowly() -> Iterator[bytes]:
            yield content[:10]
            os.kill(server.pid, signal.SIGTERM)
            sent.append(True)
            yield content[10:]

        answer = client.post("/v1/inspect", content=slowly())
        assert (answer.status_code, answer.json()["verdict"], sent) == (200, "ok", [True])
        assert server.wait(20) == 0


def test_a_model_whose_scores_are_not_the_trained_ones_never_serves(tmp_path: Path) -> None:
    model, station = write_brightness(tmp_path / "plates"), tmp_path / "station"
    with serving(model, station) as (_, client):
        write_brightness(model, added=1)
        refused = client.post("/v1/models/plates/reload")
        assert (refused.status_code, "self-test failed" in refused.json()["detail"]) == (422, True)
        assert client.post("/v1/inspect", content=grey(50)).json()["score"] == 50
        assert [each["action"] for each in client.get("/v1/audit-log").json()] == ["adopt threshold"]
    done = run("serve", model, "--station", station, "--port", 0)
    assert done.returncode == 1
    assert "plates: self-test failed: of 2 samples" in done.stderr
    assert "listening" not in done.stderr
    (model / "self-test.safetensors").write_bytes(b"")  # not what the configuration says
    assert "self-test.safetensors" in run("serve", model, "--station", station, "--port", 0).stderr


def test_an_open_address_needs_a_token_first(brightness_folder: Path, tmp_path: Path) -> None:
    station = tmp_path / "station"
    refused = run("serve", brightness_folder, "--station", station, "--host", "0.0.0.0", "--port", 0)
    assert refused.returncode == 2
    assert "--host 0.0.0.0: others reach this address, so it needs a token first" in refused.stderr
    token = found(run("station", "token", "add", "Line 4", "--station", station, "--json"))["token"]
    with serving(brightness_folder, station, "--host", "0.0.0.0") as (_, client):
        assert client.get("/v1/models").status_code == 401
        headers = {"Authorization": f"Bearer {token}"}
        assert client.get("/v1/models", headers=headers).status_code == 200
        found(run("station", "token", "revoke", 1, "--station", station, "--json"))
        assert client.get("/v1/models", headers=headers).status_code == 401
    (listed,) = found(run("station", "token", "list", "--station", station, "--json"))["tokens"]
    assert listed["revoked_at"] is not None


def test_logs_are_json_with_the_id_of_the_request(brightness_folder: Path, tmp_path: Path) -> None:
    with serving(brightness_folder, tmp_path / "station") as (server, client):
        client.post("/v1/inspect", content=grey(50), headers={"X-Request-ID": "line-4"})
        server.send_signal(signal.SIGTERM)
        lines = [json.loads(line) for line in server.communicate(timeout=20)[1].splitlines()]
    (ours,) = [line for line in lines if line.get("request") == "line-4"]
    assert (ours["path"], ours["status"], ours["level"]) == ("/v1/inspect", 200, "info")


def test_a_taken_port_and_a_missing_model(brightness_folder: Path, tmp_path: Path) -> None:
    with serving(brightness_folder, tmp_path / "station") as (_, client):
        taken = run("serve", brightness_folder, "--station", tmp_path / "b", "--port", client.base_url.port)
    assert (taken.returncode, "choose another port" in taken.stderr) == (2, True)
    missing = run("serve", tmp_path / "nothing", "--station", tmp_path / "c")
    assert (missing.returncode, "no such model folder" in missing.stderr) == (2, True)


@pytest.mark.parametrize("words", [("token", "list"), ("threshold", "list"), ("export", "--out", "x.csv")])
def test_verbs_of_a_station_that_is_not_there(words: tuple[str, ...], tmp_path: Path) -> None:
    done = run("station", *words, "--station", tmp_path / "nothing")
    assert (done.returncode, "no station; name its folder with --station" in done.stderr) == (2, True)
