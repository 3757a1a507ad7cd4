"""The plant around a station: sources that parts come from, sinks that results go to, as the settings name them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import structlog

from algan_ad.runtime.errors import InputError, Option
from algan_ad.service.record.outbox import sinks
from algan_ad.service.sinks.delivery import Delivery, Sink
from algan_ad.service.sinks.modbus import serving_modbus
from algan_ad.service.sinks.mqtt import Mqtt, Trigger
from algan_ad.service.sinks.registers import Registers
from algan_ad.service.sinks.webhook import Webhook
from algan_ad.service.sources.camera import Camera
from algan_ad.service.sources.folder import WatchedFolder
from algan_ad.service.sources.wishes import FolderWish, source_wish
from algan_ad.service.station import Station
from algan_ad.service.threads import running

log = structlog.get_logger("algan.plant")


@contextmanager
def connected(station: Station) -> Iterator[None]:
    """Run the sources and the sinks of a station; the sources stop first. Raises InputError, MissingExtra."""
    sources = _sources(station)
    with ExitStack() as stack, ThreadPoolExecutor(4, thread_name_prefix="trigger") as triggers:

        def trigger(name: str, number: str | None) -> None:
            camera = station.cameras.get(name)
            if camera is None:
                log.warning("trigger", reason=f"no camera {name!r}")
            else:
                triggers.submit(camera.inspect_next, number)

        deliveries = [Delivery(station, sink) for sink in _sinks(station, trigger)]
        if station.settings.modbus is not None:
            registers = Registers(station.faults)
            station.listeners.append(registers.hear)
            stack.enter_context(serving_modbus(station.settings.modbus, registers))
        for delivery in deliveries:
            stack.enter_context(running(delivery.name, delivery.run))
        stack.enter_context(running("faults", station.faults.watch))
        stack.enter_context(running("drift", station.drift.watch))
        for source in sources:
            if isinstance(source, Camera):
                station.cameras[source.name] = source
                station.faults.probes.append(source.fault)
            stack.enter_context(running(source.name, source.run))
        yield


def _sources(station: Station) -> list[WatchedFolder | Camera]:
    wishes = [source_wish(text) for text in station.settings.watch]
    names = [each.name for each in wishes]
    for name in names:
        if names.count(name) > 1:
            raise InputError(Option("watch"), f": two sources are named {name!r}; add #name=ANOTHER to one of them")
    return [WatchedFolder(station, each) if isinstance(each, FolderWish) else Camera(station, each) for each in wishes]


def _sinks(station: Station, trigger: Trigger) -> list[Sink]:
    settings = station.settings
    found: list[Sink] = [Webhook(url) for url in settings.webhook]
    if settings.mqtt is not None:
        found.append(Mqtt(settings.mqtt, station.faults.causes, trigger))
    with station.record.reading() as session:
        known = sinks(session)
    for name in known.keys() - {each.name for each in found}:
        log.warning(
            "sink without address", sink=name, waiting=known[name],
            remedy="events are kept for it; give its address, or: algan station sink remove",
        )  # fmt: skip
    return found
