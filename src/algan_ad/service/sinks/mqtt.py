"""A broker of MQTT: each message at BASE/EVENT with QoS 1, and the state of the station, retained, at BASE/status.

The last will sets the status to offline when the station is gone without a word. The broker's BASE/trigger/SOURCE takes
the trigger of a camera; the payload is the part number, or nothing.
"""

import json
import os
import re
from collections.abc import Callable
from threading import Event
from typing import Any
from urllib.parse import unquote, urlsplit

from algan_ad.runtime.errors import AlganError, InputError, MissingExtra, Option
from algan_ad.service.sinks.message import Message

PASSWORD = "ALGAN_MQTT_PASSWORD"  # noqa: S105  the name of the variable
SECONDS = 10.0  # that the broker may take to answer
KEEPALIVE = 15  # seconds; the broker takes a station for gone after one and a half of them
OFFLINE = json.dumps({"state": "offline", "faults": []})

Trigger = Callable[[str, str | None], None]


class Mqtt:
    """A broker at mqtt://[USER@]HOST[:PORT]/BASE, or mqtts:// for TLS.

    causes: gives the faults of the station. trigger: is called with a source and a part number.
    Raises InputError for another address, MissingExtra without paho-mqtt.
    """

    def __init__(self, url: str, causes: Callable[[], list[str]], trigger: Trigger) -> None:
        parts, shown = urlsplit(url), Option("mqtt", url)
        if parts.password:
            raise InputError(Option("mqtt"), f": put no password into the address, set the variable {PASSWORD} instead")
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.query or parts.fragment:
            raise InputError(shown, ": expected mqtt://HOST/TOPIC or mqtts://HOST/TOPIC")
        self._base = parts.path.strip("/") or "algan"
        if re.search(r"[+#\x00]", self._base):
            raise InputError(shown, ": a topic holds neither + nor #")
        self._tls, self._host = parts.scheme == "mqtts", parts.hostname
        self._port, self._user = parts.port or (8883 if self._tls else 1883), parts.username
        self.name = f"{parts.scheme}://{self._host}:{self._port}/{self._base}"
        self._causes, self._trigger = causes, trigger
        self._client: Any = None
        self._status = ""
        _paho()

    def keep(self) -> None:
        """Connect if need be, and publish the status when it has changed. Raises AlganError without the broker."""
        if self._client is None:
            self._connect()
        status = self._online()
        if status != self._status:
            self._publish("status", status, retain=True)
            self._status = status

    def send(self, message: Message) -> None:
        """Publish a message. Raises AlganError unless the broker acknowledges it."""
        self._publish(message["event"], json.dumps(message, allow_nan=False))

    def close(self) -> None:
        """Say that the station is offline, and disconnect."""
        if self._client is None:
            return
        try:
            self._publish("status", OFFLINE, retain=True)
        finally:
            self._drop()

    def _online(self) -> str:
        return json.dumps({"state": "online", "faults": self._causes()})

    def _connect(self) -> None:
        """A new client each time: one that lost its connection would send what it holds out of turn."""
        paho, answered, refusals = _paho(), Event(), []
        client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        client.connect_timeout = SECONDS
        client.reconnect_delay_set(1, 30)
        client.suppress_exceptions = True  # of a message that comes in; they would end its thread
        client.will_set(f"{self._base}/status", OFFLINE, qos=1, retain=True)
        if self._user:
            client.username_pw_set(unquote(self._user), os.environ.get(PASSWORD))
        if self._tls:
            client.tls_set()

        def connected(client: Any, _: Any, flags: Any, reason: Any, properties: Any) -> None:
            if reason.is_failure:
                refusals.append(str(reason))
            else:
                client.subscribe(f"{self._base}/trigger/+", qos=0)  # twice would be two parts
                client.publish(f"{self._base}/status", self._online(), qos=1, retain=True)  # the will has come
            answered.set()

        client.on_connect, client.on_message = connected, self._received
        self._client = client
        try:
            client.connect(self._host, self._port, KEEPALIVE)
            client.loop_start()
            if not answered.wait(SECONDS) or refusals:
                raise AlganError(f"the broker refuses: {refusals[0]}" if refusals else "the broker does not answer")
        except (OSError, ValueError, AlganError) as error:
            self._drop()
            raise AlganError(f"no connection ({error or type(error).__name__})") from error

    def _publish(self, topic: str, payload: str, retain: bool = False) -> None:
        info = self._client.publish(f"{self._base}/{topic}", payload, qos=1, retain=retain)
        try:
            info.wait_for_publish(SECONDS)
            taken = info.is_published()
        except (RuntimeError, ValueError):
            taken = False
        if not taken:
            self._drop()
            raise AlganError("the broker has not acknowledged a message")

    def _received(self, client: Any, _: Any, message: Any) -> None:
        if not message.retain:  # a retained one is old
            number = message.payload[:200].decode(errors="replace").strip()
            self._trigger(message.topic.rsplit("/", 1)[1], number or None)

    def _drop(self) -> None:
        client, self._client, self._status = self._client, None, ""
        if client is not None:
            client.disconnect()
            client.loop_stop()


def _paho() -> Any:
    try:
        from paho.mqtt import client
    except ImportError as error:
        raise MissingExtra(Option("mqtt"), " needs pip install 'algan-ad[mqtt]'") from error
    return client
