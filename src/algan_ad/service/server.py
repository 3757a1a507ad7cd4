"""The server: a station and its app under uvicorn, from the start to a graceful stop."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from socket import AF_INET, AF_INET6, create_server, socket
from threading import Event
from types import FrameType
from typing import Any

import structlog
import uvicorn

from algan_ad.runtime.errors import InputError, Option
from algan_ad.service.api.app import create_app
from algan_ad.service.connection import Connection
from algan_ad.service.models import Load
from algan_ad.service.plant import connected
from algan_ad.service.security.hosts import is_loopback
from algan_ad.service.security.tokens import any_token
from algan_ad.service.settings import Settings
from algan_ad.service.station import Station, opened
from algan_ad.service.store.retention import remove_old, remove_orphans
from algan_ad.service.threads import running

log = structlog.get_logger("algan.server")

DRAIN_SECONDS = 30  # that requests in flight may take after a stop was asked for
KEEP_SECONDS = 300.0  # between two rounds of the retention


def serve(settings: Settings, folders: Mapping[str, Path], load: Load, ready: Callable[[str], None]) -> None:
    """Serve models until the process is asked to stop; then finish what is in flight.

    ready: is called with the address once the server listens.
    Raises InputError when the station or a model cannot be used, and for an address that others reach while there is
    no token.
    """
    with opened(settings, folders, load) as station:
        _refuse_open_doors(station)
        with running("retention", partial(_keep, station)):
            config = uvicorn.Config(
                create_app(station), settings.host, settings.port, log_config=None, access_log=False,
                server_header=False, timeout_graceful_shutdown=DRAIN_SECONDS, lifespan="off", limit_concurrency=500,
                http=Connection, ws="none",
            )  # fmt: skip
            with listening(settings) as listener, connected(station):
                _Server(config, station, ready).run([listener])
        log.info("stopped")


def _refuse_open_doors(station: Station) -> None:
    with station.record.reading() as session:
        if not is_loopback(station.settings.host) and not any_token(session):
            raise InputError(
                Option("host", station.settings.host), ": others reach this address, so it needs a token first: "
                "algan station token add --role admin NAME",
            )  # fmt: skip


def listening(settings: Settings) -> socket:
    """A socket at the address of the settings. Raises InputError when it cannot be had."""
    family = AF_INET6 if ":" in settings.host else AF_INET
    try:
        return create_server((settings.host, settings.port), family=family, backlog=1024)
    except OSError as error:
        raise InputError(
            f"{settings.host}, port {settings.port}: cannot be listened on ({error.strerror}); choose another port"
        ) from error


def _keep(station: Station, stop: Event) -> None:
    """Remove old images now and then."""
    clean = remove_orphans
    while True:
        try:
            clean(station)
        except Exception:
            log.exception("retention failed")
        clean = remove_old
        if stop.wait(KEEP_SECONDS):
            return


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, station: Station, ready: Callable[[str], None]) -> None:
        super().__init__(config)
        self._station, self._ready = station, ready

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            log.info("listening", address=address)
            self._ready(address)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first signal, stop at the second. The signal ends nothing else: the station must be closed."""
        self._station.draining = True
        self.should_exit, self.force_exit = True, self.should_exit
