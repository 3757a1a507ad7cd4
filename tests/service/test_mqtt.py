"""MQTT with a real broker: results in order after an outage, availability, the last will, triggers."""

import getpass
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from algan_ad.runtime.errors import AlganError, InputError, MissingExtra
from algan_ad.runtime.model_folder import CONFIG
from algan_ad.service.inspection.part import Part
from algan_ad.service.sinks.delivery import Delivery
from algan_ad.service.sinks.message import MESSAGE
from algan_ad.service.sinks.mqtt import Mqtt
from algan_ad.service.station import Station
from algan_ad.service.threads import Backoff

from .conftest import PLATES, grey
from .plant_helpers import at_work, free_port, wait_for
from .test_server import serving

paho = pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed")
MOSQUITTO = shutil.which("mosquitto", path="/usr/bin:/usr/sbin:/usr/local/bin:/usr/local/sbin:/opt/homebrew/sbin")
needs_broker = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto, the broker, is not installed")


@contextmanager
def broker(port: int, folder: Path) -> Iterator[None]:
    """A broker on loopback, which remembers its clients when it comes back."""
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
    with config.open("a") as file:
        file.write(f"persistence true\npersistence_location {folder}/\nuser {getpass.getuser()}\n")
    process = subprocess.Popen([str(MOSQUITTO), "-c", config], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


class Listener:
    """A client that keeps every message. The broker keeps for it what comes while it is away."""

    def __init__(self, port: int, name: str) -> None:
        self.subscribed = Event()
        self.got: list[tuple[str, Any, bool]] = []  # topic, payload, retained
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, name, clean_session=False)
        self.client.on_connect = lambda client, *_: client.subscribe([("line4/status", 1), ("line4/inspection", 1)])
        self.client.on_message = lambda _client, _, m: self.got.append((m.topic, json.loads(m.payload), m.retain))
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self.subscribed.wait(10)

    def events(self) -> list[Any]:
        return [payload for topic, payload, _ in self.got if topic == "line4/inspection"]

    def status(self) -> Any:
        return next((payload for topic, payload, _ in reversed(self.got) if topic == "line4/status"), None)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@contextmanager
def listening(port: int, name: str = "listener") -> Iterator[Listener]:
    listener = wait_for(lambda: _listener(port, name))
    try:
        yield listener
    finally:
        listener.close()


def _listener(port: int, name: str) -> Listener | None:
    try:
        return Listener(port, name)
    except OSError:  # the broker still starts
        return None


def sink(station: Station, port: int, triggers: list[Any] | None = None) -> Mqtt:
    taken = [] if triggers is None else triggers
    return Mqtt(f"mqtt://127.0.0.1:{port}/line4", station.faults.causes, lambda *given: taken.append(given))


@needs_broker
def test_results_of_an_outage_come_in_order_afterwards(station: Station, tmp_path: Path) -> None:
    port, given = free_port(), []

    def inspect(n: int) -> None:
        given.extend(each.id for each in station.inspector.inspect([Part(grey(50))] * n))

    with at_work(Delivery(station, sink(station, port), Backoff(0.01, 0.1)).run):
        with broker(port, tmp_path), listening(port) as before:
            inspect(5)
            wait_for(lambda: len(before.events()) == 5)
        for _ in range(100):
            inspect(10)
        with broker(port, tmp_path), listening(port) as after:
            wait_for(lambda: any(each["data"]["id"] == given[-1] for each in after.events()), 60)
    got = [each["data"]["id"] for each in before.events() + after.events()]
    assert list(dict.fromkeys(got)) == given
    for message in after.events():
        MESSAGE.validate_python(message)


@needs_broker
def test_the_status_is_retained_and_says_what_is_wrong(station: Station, tmp_path: Path) -> None:
    port = free_port()
    with broker(port, tmp_path), listening(port) as listener:
        with at_work(Delivery(station, sink(station, port), Backoff(0.01, 0.1)).run):
            wait_for(lambda: listener.status() == {"state": "online", "faults": []})
            with listening(port, "late") as late:
                wait_for(lambda: late.got == [("line4/status", {"state": "online", "faults": []}, True)])
            (PLATES / CONFIG).unlink()
            wait_for(lambda: listener.status() == {"state": "online", "faults": ["model"]})
        wait_for(lambda: listener.status() == {"state": "offline", "faults": []})


@needs_broker
def test_a_killed_server_is_offline_by_its_last_will(brightness_folder: Path, tmp_path: Path) -> None:
    port = free_port()
    with broker(port, tmp_path), listening(port) as listener:
        words = ("--mqtt", f"mqtt://127.0.0.1:{port}/line4")
        with serving(brightness_folder, tmp_path / "station", *words) as (server, client):
            client.post("/v1/inspect", content=grey(50))
            wait_for(lambda: listener.events() and listener.status() == {"state": "online", "faults": []})
            server.kill()
            wait_for(lambda: listener.status() == {"state": "offline", "faults": []})


@needs_broker
def test_a_trigger_goes_to_its_camera_unless_it_is_old(station: Station, tmp_path: Path) -> None:
    port, taken = free_port(), []
    with broker(port, tmp_path), listening(port) as listener:
        listener.client.publish("line4/trigger/camera0", "old", retain=True).wait_for_publish(5)
        with at_work(Delivery(station, sink(station, port, taken), Backoff(0.01, 0.1)).run):
            wait_for(listener.status)
            for payload in ("A-1", ""):
                listener.client.publish("line4/trigger/camera0", payload)
            wait_for(lambda: len(taken) == 2)
    assert taken == [("camera0", "A-1"), ("camera0", None)]


def test_no_broker_is_an_error_to_try_again(station: Station) -> None:
    with pytest.raises(AlganError, match="no connection"):
        sink(station, free_port()).keep()


@pytest.mark.parametrize(("url", "said"), [("http://host/x", "expected mqtt"), ("mqtt:///x", "expected mqtt"),
                                           ("mqtt://me:pw@host/x", "put no password"),
                                           ("mqtt://host/line+/x", "neither")])  # fmt: skip
def test_other_addresses_are_refused(url: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Mqtt(url, list, lambda *_: None)


def test_without_its_package_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "paho.mqtt", None)
    with pytest.raises(MissingExtra, match=r"algan-ad\[mqtt\]"):
        Mqtt("mqtt://host/x", list, lambda *_: None)
