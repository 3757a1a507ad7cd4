"""A webhook: each message is POSTed as JSON, and delivered when the answer is 2xx."""

import json
import os
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from algan_ad.runtime.errors import AlganError, InputError, Option
from algan_ad.service.sinks.message import Message

TOKEN = "ALGAN_WEBHOOK_TOKEN"  # noqa: S105  the name of the variable
SECONDS = 10.0  # that an answer may take


class Webhook:
    """A receiver at an http:// or https:// address. Redirections are no delivery, because a POST would turn into a GET.

    Raises InputError for another address, or for one with a password, which every list of processes would show.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(Option("webhook", url), ": expected http://HOST/PATH or https://HOST/PATH")
        if parts.username or parts.password:
            raise InputError(Option("webhook"), f": put no password into the address, set the variable {TOKEN} instead")
        self.name = f"webhook {parts.scheme}://{parts.netloc}{parts.path}"
        self._kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._host, self._port = parts.hostname, parts.port
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._connection: HTTPConnection | None = None

    def keep(self) -> None:
        """A webhook needs no connection between two messages."""

    def send(self, message: Message) -> None:
        """POST a message. Raises AlganError unless the receiver takes it."""
        headers = {"Content-Type": "application/json"}
        if message["id"] is not None:
            headers["Idempotency-Key"] = str(message["id"])
        if token := os.environ.get(TOKEN):
            headers["Authorization"] = f"Bearer {token}"
        if self._connection is None:
            self._connection = self._kind(self._host, self._port, timeout=SECONDS)
        try:
            self._connection.request("POST", self._target, json.dumps(message, allow_nan=False), headers)
            answer = self._connection.getresponse()
            answer.read(2**20)
            if not answer.isclosed():  # an answer without end
                self.close()
        except (OSError, HTTPException) as error:
            self.close()
            raise AlganError(f"no answer ({error or type(error).__name__})") from error
        if answer.status // 100 != 2:
            raise AlganError(f"the answer is {answer.status} {answer.reason}")

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
