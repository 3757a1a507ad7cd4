"""Faults: what keeps the station from inspecting, as of now. Whoever shows verdicts asks here whether to trust them."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING

import structlog

from algan_ad.service.inspection.causes import CAMERA, DISK, ERROR, MODEL, OVERLOAD, NotInspected
from algan_ad.service.inspection.part import Inspection, Part
from algan_ad.service.record.alarms import raise_alarm
from algan_ad.service.store.disk import free_bytes

if TYPE_CHECKING:
    from algan_ad.service.station import Station

log = structlog.get_logger("algan.faults")

STOPPING = "stopping"  # the server has been asked to stop
SHOWN_SECONDS = 5.0  # that a fault of one part, overload or error, is shown for
CHECK_SECONDS = 0.5


@dataclass(frozen=True)
class Fault:
    """A standing fault. cause: a word of `causes.py`, or STOPPING. source: of parts that cannot come because of it."""

    cause: str
    message: str
    source: str | None = None
    model: str | None = None


class Faults:
    """The faults of one station. `probes` are asked for more: a source adds one that reports its camera."""

    def __init__(self, station: "Station") -> None:
        self._station = station
        self.probes: list[Callable[[], Fault | None]] = [self._stopping, self._model, self._disk]
        self._passing: dict[str, float] = {}  # cause: when a part last had it

    def standing(self) -> list[Fault]:
        """Faults that stand now. A probe that fails is a fault itself."""
        found = []
        for probe in list(self.probes):
            try:
                fault = probe()
            except Exception as error:
                log.exception("probe failed")
                fault = Fault(ERROR, f"the state of the station is unknown ({type(error).__name__})")
            if fault is not None:
                found.append(fault)
        return found

    def causes(self) -> list[str]:
        """The causes of standing faults, and of parts that failed by overload or error a moment ago; sorted."""
        now = monotonic()
        passing = {cause for cause, at in list(self._passing.items()) if now - at < SHOWN_SECONDS}
        return sorted({each.cause for each in self.standing()} | passing)

    def hear(self, inspection: Inspection) -> None:
        """Take note of a part that failed by overload or error: nobody could see such a fault coming."""
        if inspection.cause in (OVERLOAD, ERROR, DISK):
            self._passing[inspection.cause] = monotonic()

    def watch(self, stop: Event) -> None:
        """Raise an alarm for each fault that begins; a camera without pictures also gives a part not inspected."""
        former: set[Fault] = set()
        while not stop.wait(CHECK_SECONDS):
            standing = {each for each in self.standing() if each.cause != STOPPING}
            for fault in standing - former:
                self._begin(fault)
            former = standing

    def _begin(self, fault: Fault) -> None:
        log.error("fault", cause=fault.cause, reason=fault.message)
        if fault.source is not None:
            part = Part(b"", source=fault.source)
            self._station.inspector.refuse(part, fault.model, NotInspected(fault.cause, fault.message))
        try:
            kind = f"{fault.cause} {fault.source}" if fault.source else fault.cause
            self._station.record.write(lambda session: raise_alarm(session, kind, fault.message))
        except Exception:  # on a full disk
            log.exception("alarm could not be recorded")

    def _stopping(self) -> Fault | None:
        return Fault(STOPPING, "the server stops") if self._station.draining else None

    def _model(self) -> Fault | None:
        missing = self._station.models.missing()
        return Fault(MODEL, f"the folder of the model {', '.join(missing)} is gone; put it back") if missing else None

    def _disk(self) -> Fault | None:
        settings = self._station.settings
        if free_bytes(settings.station) >= settings.free_disk_bytes:
            return None
        return Fault(DISK, "the station's disk has too little free space; nothing is inspected until it has more")


def camera_fault(name: str, model: str | None, seconds: float) -> Fault:
    """The fault of a camera that has sent no picture for longer than its limit."""
    return Fault(CAMERA, f"{name}: no picture for {seconds:g} s; check the camera and its cable", name, model)
