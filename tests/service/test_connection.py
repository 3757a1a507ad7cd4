"""Slow senders and readers, at a real socket."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from algan_ad.service import connection
from algan_ad.service.api.app import create_app
from algan_ad.service.connection import Connection
from algan_ad.service.server import listening
from algan_ad.service.station import Station

from .conftest import Open

HEAD = b"POST /v1/session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"


@contextmanager
def connected(
    station: Station, http: type[Connection] = Connection, listener: socket.socket | None = None
) -> Iterator[socket.socket]:
    """A socket that is connected to a server of the station."""
    config = uvicorn.Config(create_app(station), port=0, log_config=None, lifespan="off", http=http)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener] if listener else None,), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    with socket.create_connection(server.servers[0].sockets[0].getsockname(), timeout=20) as client:
        yield client
    server.should_exit = True
    thread.join(20)


def test_answers_do_not_wait_for_an_acknowledgement(open_station: Open) -> None:
    """The listening socket is that of `algan serve`, which asyncio leaves as it is."""
    station, made = open_station(port=0), list[socket.socket]()

    class Watched(Connection):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            made.append(transport.get_extra_info("socket"))

    with listening(station.settings) as listener, connected(station, Watched, listener) as client:
        client.sendall(b"GET /v2 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert client.recv(4096)
        assert made[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def answers(client: socket.socket) -> bytes:
    """Everything that comes until the server closes the connection."""
    return b"".join(iter(lambda: client.recv(4096), b""))


@pytest.mark.parametrize("begun", [b"", b"GET /v2 HTTP/1.1\r\nHost: 127.0"], ids=["silent", "half a head"])
def test_a_head_that_does_not_come(station: Station, monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.1)
    with connected(station) as client:
        client.sendall(begun)
        assert answers(client) == b""


def test_the_second_head_of_a_connection_does_not_come(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.1)
    with connected(station) as client:
        client.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        client.sendall(b"GET /v2")
        answers(client)


@pytest.mark.parametrize("path", [b"/v1/session", b"/v1/inspect"])
def test_a_body_that_does_not_come(open_station: Open, monkeypatch: pytest.MonkeyPatch, path: bytes) -> None:
    """Also where nobody has asked yet who sends it."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.1)
    with connected(open_station(body_seconds=0.1)) as client:
        client.sendall(HEAD.replace(b"/v1/session", path) + b"{")
        assert client.recv(4096).startswith(b"HTTP/1.1 408")
        client.sendall(b"}")  # and goes on all the same
        answers(client)


class Small(Connection):
    """A connection whose side of the network holds next to nothing."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)


def ask(client: socket.socket, times: int) -> None:
    client.sendall(times * b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")


def test_answers_that_are_never_read(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is not only closed, which would wait for its client, but gone."""
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 0.1)
    lost = threading.Event()

    class Watched(Small):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            lost.set()

    with connected(station, Watched) as client:
        ask(client, 30)  # more than the buffers hold
        assert lost.wait(10)


def test_the_time_for_an_answer_ends_when_it_is_read(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 1.0)
    with connected(station, Small) as client:
        for _ in range(2):
            ask(client, 1)
            answer = b""
            while not answer.endswith(b"}}}"):
                more = client.recv(65536)
                assert more, "closed"
                answer += more
            time.sleep(1.2)
