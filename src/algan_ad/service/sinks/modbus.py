"""A Modbus TCP server for PLCs, which read its registers and write nothing."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any

import structlog

from algan_ad.runtime.errors import InputError, MissingExtra, Option
from algan_ad.service.sinks.registers import N_REGISTERS, Registers
from algan_ad.service.threads import running

log = structlog.get_logger("algan.modbus")

START_SECONDS = 10


@contextmanager
def serving_modbus(address: str, registers: Registers) -> Iterator[None]:
    """Serve registers at HOST:PORT, as input and as holding registers from address 0 on, to any unit.

    They are put together when they are read, so that what a PLC reads is never older than its request.
    Raises InputError for an address that cannot be had, MissingExtra without pymodbus.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) >= 2**16:
        raise InputError(Option("modbus", address), ": expected HOST:PORT, such as 127.0.0.1:502")
    _pymodbus()
    started, failures = Event(), []

    def work(stop: Event) -> None:
        try:
            asyncio.run(_serve((host.strip("[]"), int(port)), registers, started, stop))
        except Exception as error:
            failures.append(error)
            log.error("stopped", reason=str(error))  # the PLC sees that the connection has ended
        started.set()

    with running("modbus", work):
        if not started.wait(START_SECONDS) or failures:
            raise InputError(Option("modbus", address), ": cannot be listened on; choose another address")
        yield


async def _serve(address: tuple[str, int], registers: Registers, started: Event, stop: Event) -> None:
    server, device = _pymodbus()
    serving = server.ModbusTcpServer(_device(device, registers), address=address)
    await serving.serve_forever(background=True)
    started.set()
    while not stop.is_set():
        await asyncio.sleep(0.1)
    await serving.shutdown()


def _device(simulator: Any, registers: Registers) -> Any:
    async def read(code: int, start: int, address: int, count: int, current: list[int], values: Any) -> None:
        current[:] = await asyncio.to_thread(registers.words)

    words = simulator.SimData(0, count=N_REGISTERS, datatype=simulator.DataType.REGISTERS, readonly=True)
    return simulator.SimDevice(0, [words], action=read)


def _pymodbus() -> Any:
    try:
        from pymodbus import server, simulator
    except ImportError as error:
        raise MissingExtra(Option("modbus"), " needs pip install 'algan-ad[modbus]'") from error
    return server, simulator
