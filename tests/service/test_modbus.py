"""A real Modbus client reads result, counter, heartbeat and faults, also when each plug is pulled."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from algan_ad.runtime.errors import InputError, MissingExtra
from algan_ad.runtime.model_folder import CONFIG
from algan_ad.service import faults
from algan_ad.service.inspection.part import Part
from algan_ad.service.sinks.modbus import serving_modbus
from algan_ad.service.sinks.registers import BITS, Registers
from algan_ad.service.sources.camera import Camera
from algan_ad.service.sources.wishes import CameraWish
from algan_ad.service.station import Station
from algan_ad.service.store import disk

from .conftest import PLATES, Open, Shelf, grey
from .plant_helpers import Pretended, at_work, free_port, wait_for
from .test_inspection import scorer
from .test_server import serving

client = pytest.importorskip("pymodbus.client", reason="pymodbus is not installed")

RESULT, COUNTER, HEARTBEAT, FAULTS, CAUSE, ID_HIGH, ID_LOW, VERSION = range(8)


class PLC:
    """A PLC that reads all registers in one request."""

    def __init__(self, port: int) -> None:
        self.client = client.ModbusTcpClient("127.0.0.1", port=port, retries=0)
        assert self.client.connect()

    def words(self) -> list[int]:
        found: list[int] = self.client.read_input_registers(0, count=8).registers
        return found

    def faults(self) -> set[str]:
        word = self.words()[FAULTS]
        return {cause for bit, cause in enumerate(BITS) if word >> bit & 1}


@contextmanager
def connected(station: Station) -> Iterator[PLC]:
    """A PLC beside a station."""
    port, registers = free_port(), Registers(station.faults)
    station.listeners.append(registers.hear)
    with serving_modbus(f"127.0.0.1:{port}", registers):
        plc = PLC(port)
        yield plc
        plc.client.close()


def test_result_counter_cause_and_id_belong_to_the_same_part(station: Station) -> None:
    with connected(station) as plc:
        before = plc.words()
        shown = []
        for content in (grey(40), grey(96), b"nonsense"):
            station.inspector.inspect([Part(content)])
            shown.append(plc.words())
    assert (before[RESULT], before[COUNTER], before[FAULTS], before[VERSION]) == (0, 0, 0, 1)
    assert [each[RESULT] for each in shown] == [1, 2, 0]
    assert [each[COUNTER] for each in shown] == [1, 2, 3]
    assert [each[CAUSE] for each in shown] == [0, 0, BITS.index("image") + 1]
    assert [each[ID_LOW] for each in shown] == [1, 2, 3]


def test_a_heartbeat_beats(station: Station) -> None:
    with connected(station) as plc:
        first = plc.words()[HEARTBEAT]
        wait_for(lambda: plc.words()[HEARTBEAT] != first)


def test_a_plc_writes_nothing(station: Station) -> None:
    with connected(station) as plc:
        for answer in (plc.client.write_register(0, 1), plc.client.write_registers(0, [1, 1])):
            assert answer.isError()
        assert plc.words()[RESULT] == 0
        assert plc.client.read_holding_registers(0, count=8).registers[:2] == [0, 0]
        assert plc.client.read_input_registers(7, count=2).isError()


def test_the_model_is_pulled(station: Station) -> None:
    with connected(station) as plc:
        station.inspector.inspect([Part(grey(40))])
        assert plc.words()[RESULT] == 1
        (PLATES / CONFIG).unlink()
        assert plc.faults() == {"model"}
        assert plc.words()[RESULT] == 0
        assert station.inspector.inspect([Part(grey(40))])[0].cause == "model"
        (PLATES / CONFIG).touch()
        station.inspector.inspect([Part(grey(40))])
        assert (plc.words()[RESULT], plc.faults()) == (1, set())


def test_the_disk_fills_up(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    with connected(station) as plc:
        station.inspector.inspect([Part(grey(40))])
        for module in (disk, faults):
            monkeypatch.setattr(module, "free_bytes", lambda _: -1)
        assert plc.faults() == {"disk"}
        assert plc.words()[RESULT] == 0
        assert station.inspector.inspect([Part(grey(40))])[0].verdict == "not inspected"
        assert plc.words()[:2][RESULT] == 0


def test_the_camera_is_pulled(open_station: Open) -> None:
    station, pretended = open_station(), Pretended()
    camera = Camera(station, CameraWish(name="c", kind="camera", place="0", rate=50, stale=0.3), pretended)
    station.faults.probes.append(camera.fault)
    with connected(station) as plc, at_work(camera.run, station.faults.watch):
        wait_for(lambda: plc.words()[RESULT] == 1)
        pretended.plugged = False
        wait_for(lambda: plc.faults() == {"camera"})
        assert plc.words()[RESULT] == 0
        pretended.plugged = True
        wait_for(lambda: plc.words()[RESULT] == 1 and plc.faults() == set())


def test_an_exception(station: Station, shelf: Shelf) -> None:
    with connected(station) as plc:
        scorer(shelf).error = RuntimeError("broken")
        station.inspector.inspect([Part(grey(40))])
        assert (plc.words()[RESULT], plc.faults()) == (0, {"error"})


def test_an_overload(open_station: Open) -> None:
    station = open_station(workers=1, waiting=0)
    with connected(station) as plc, station.inspector.gate.admitted():
        station.inspector.inspect([Part(grey(40))])
        assert (plc.words()[RESULT], plc.faults()) == (0, {"overload"})


def test_a_server_that_stops(station: Station) -> None:
    with connected(station) as plc:
        station.inspector.inspect([Part(grey(40))])
        station.draining = True
        assert (plc.words()[RESULT], plc.faults()) == (0, {"stopping"})


def test_the_state_that_cannot_be_known_is_a_fault(station: Station) -> None:
    def broken() -> None:
        raise OSError

    station.faults.probes.append(broken)
    with connected(station) as plc:
        station.inspector.inspect([Part(grey(40))])
        assert (plc.words()[RESULT], plc.faults()) == (0, {"error"})


def test_the_process_is_killed(brightness_folder: Path, tmp_path: Path) -> None:
    port = free_port()
    with serving(brightness_folder, tmp_path / "station", "--modbus", f"127.0.0.1:{port}") as (server, http):
        plc = PLC(port)
        http.post("/v1/inspect", content=grey(40))
        assert plc.words()[RESULT] == 1
        server.kill()
        server.wait()
        with pytest.raises(Exception, match=r"(?i)connect|response"):
            plc.words()
        plc.client.close()


@pytest.mark.parametrize("address", ["502", ":502", "host:", "127.0.0.1:99999"])
def test_other_addresses_are_refused(address: str, station: Station) -> None:
    with pytest.raises(InputError, match="expected HOST:PORT"), serving_modbus(address, Registers(station.faults)):
        pass


def test_a_taken_address_is_an_error(station: Station) -> None:
    port, registers = free_port(), Registers(station.faults)
    with (
        serving_modbus(f"127.0.0.1:{port}", registers),
        pytest.raises(InputError, match="cannot be listened on"),
        serving_modbus(f"127.0.0.1:{port}", registers),
    ):
        pass


def test_without_its_package_the_message_names_the_extra(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymodbus", None)
    with pytest.raises(MissingExtra, match=r"algan-ad\[modbus\]"), serving_modbus("h:1", Registers(station.faults)):
        pass
