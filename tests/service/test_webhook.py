"""A webhook on loopback that is down for a thousand results, and then up."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from algan_ad.runtime.errors import AlganError, InputError
from algan_ad.service.inspection.part import Part
from algan_ad.service.sinks.delivery import Delivery
from algan_ad.service.sinks.webhook import Webhook
from algan_ad.service.station import Station
from algan_ad.service.threads import Backoff

from .conftest import grey
from .plant_helpers import at_work, free_port, wait_for

MESSAGE = {"id": 7, "event": "alarm", "at": "2026-11-25T06:00:00.000+00:00", "data": {}}


@contextmanager
def receiving(port: int, got: list[tuple[Any, Any]], status: int = 204) -> Iterator[None]:
    """A receiver of webhooks, which answers with a status."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), json.loads(body)))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def test_a_thousand_results_while_it_is_down_all_come_in_order_afterwards(station: Station) -> None:
    port, got = free_port(), []
    sink = Webhook(f"http://127.0.0.1:{port}/results?line=4")
    with at_work(Delivery(station, sink, Backoff(0.01, 0.05)).run):
        given = [each.id for _ in range(100) for each in station.inspector.inspect([Part(grey(50))] * 10)]
        assert len(given) == 1000
        with receiving(port, got):
            wait_for(lambda: len({message["data"]["id"] for _, message in got}) == 1000, 60)
    ids = list(dict.fromkeys(message["data"]["id"] for _, message in got))
    assert ids == given
    assert all(headers["Idempotency-Key"] == str(message["id"]) for headers, message in got)


def test_the_token_goes_along_and_is_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALGAN_WEBHOOK_TOKEN", "secret")
    port, got = free_port(), []
    sink = Webhook(f"http://127.0.0.1:{port}/")
    with receiving(port, got):
        sink.send(MESSAGE)
        sink.send(MESSAGE | {"id": None})
        sink.close()
    assert [headers["Authorization"] for headers, _ in got] == ["Bearer secret"] * 2
    assert ["Idempotency-Key" in headers for headers, _ in got] == [True, False]
    assert "secret" not in sink.name


@pytest.mark.parametrize("status", [302, 400, 500])
def test_any_answer_except_2xx_is_no_delivery(status: int) -> None:
    port, got = free_port(), []
    sink = Webhook(f"http://127.0.0.1:{port}/")
    with receiving(port, got, status), pytest.raises(AlganError, match=str(status)):
        sink.send(MESSAGE)
    sink.close()
    assert len(got) == 1


@pytest.mark.parametrize(("url", "said"), [("ftp://x", "expected http"), ("http://", "expected http"),
                                           ("http://me:pw@host/", "put no password")])  # fmt: skip
def test_other_addresses_are_refused(url: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        Webhook(url)
    assert "pw" not in str(refused.value)
