"""Sources and sinks of `algan serve` as a process: nothing lost, nothing twice, killed at any moment."""

import json
from pathlib import Path
from typing import Any

import pytest

from algan_ad.runtime.errors import InputError
from algan_ad.service.plant import connected
from algan_ad.service.sinks.message import MESSAGE

from .conftest import Open, grey
from .plant_helpers import free_port, wait_for
from .test_server import found, run, serving
from .test_watched_folder import put
from .test_webhook import receiving


def test_a_folder_and_a_webhook_across_a_kill(brightness_folder: Path, tmp_path: Path) -> None:
    station, inbox, port, got = tmp_path / "station", tmp_path / "inbox", free_port(), []
    inbox.mkdir()
    words = ("--watch", f"folder:{inbox}#settle=0.1", "--webhook", f"http://127.0.0.1:{port}/")
    for i in range(40):
        put(inbox / f"{i:02}.png", grey(40 + i), 1000 + i)
    with serving(brightness_folder, station, *words) as (server, client):
        wait_for(lambda: len(_files(client)) > 5)
        server.kill()
    with serving(brightness_folder, station, *words) as (server, client), receiving(port, got):
        wait_for(lambda: len(_files(client)) == 40)
        wait_for(lambda: len({each["data"]["id"] for _, each in got}) == 40)
        assert _files(client) == [f"{i:02}.png" for i in range(40)]
    ids = [message["data"]["id"] for _, message in got]
    assert ids == sorted(ids)
    listed = found(run("station", "sink", "list", "--station", station, "--json"))["sinks"]
    assert [each["name"] for each in listed] == [f"webhook http://127.0.0.1:{port}/"]
    found(run("station", "sink", "remove", listed[0]["name"], "--station", station, "--json"))


def _files(client: Any) -> list[str]:
    rows = client.get("/v1/inspections?after=0&limit=1000&source=inbox").json()["inspections"]
    return [each["origin"].split(" (")[0] for each in rows]


def test_two_sources_of_one_name_are_refused(open_station: Open) -> None:
    station = open_station(watch=("video:a/clip.avi", "video:b/clip.avi"))
    with pytest.raises(InputError, match="two sources are named 'clip'"), connected(station):
        pass


def test_the_schema_of_the_messages_is_current() -> None:
    kept = Path(__file__).parents[2] / "docs" / "message.schema.json"
    assert json.loads(kept.read_text()) == MESSAGE.json_schema(), "run: python docs/make_message_schema.py"
