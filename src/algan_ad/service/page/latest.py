"""The newest inspections, as the live view shows them: also those that could not be recorded."""

from collections import deque
from collections.abc import Sequence
from threading import Lock

from algan_ad.service.inspection.part import Inspection
from algan_ad.service.record.inspections import Filter, page
from algan_ad.service.station import Station

SHOWN = 13  # the last part, and those before it


class Latest:
    """A listener of a station. Every inspection has a number here, because not all of them have an id."""

    def __init__(self, station: Station) -> None:
        with station.record.reading() as session:
            rows = page(session, Filter(), limit=SHOWN)
        self._newest = deque([Inspection.of(row) for row in rows], maxlen=SHOWN)
        self._count, self._lock = len(self._newest), Lock()
        station.listeners.append(self.receive)

    def receive(self, inspection: Inspection) -> None:
        """Take an inspection in."""
        with self._lock:
            self._count += 1
            self._newest.appendleft(inspection)

    def after(self, number: int) -> tuple[int, Sequence[Inspection]] | None:
        """The number of the newest inspection, and the newest ones, the last one first; None while that is `number`."""
        with self._lock:
            return None if self._count == number else (self._count, list(self._newest))
