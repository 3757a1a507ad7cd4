"""The registers that a PLC reads. docs/plc.md describes them; numbers here never change their meaning.

The result is 0, not inspected, from the start, whenever a fault stands, and for every part that has no verdict.
"""

from threading import Lock
from time import monotonic

from algan_ad.service.faults import STOPPING, Faults
from algan_ad.service.inspection.causes import CAMERA, CONFLICT, DISK, ERROR, IMAGE, MODEL, OVERLOAD
from algan_ad.service.inspection.part import Inspection
from algan_ad.service.record.tables import ANOMALOUS, OK

MAP_VERSION = 1
NOT_INSPECTED_WORD = 0
RESULTS = {OK: 1, ANOMALOUS: 2}
#: Bits of the fault word, and numbers of the cause of a part, which are one higher than the bit.
BITS = (STOPPING, MODEL, DISK, CAMERA, OVERLOAD, ERROR, IMAGE, CONFLICT)
HEARTBEATS_A_SECOND = 2
N_REGISTERS = 8
WORD = 0x10000


class Registers:
    """The newest part and the faults, as eight words."""

    def __init__(self, faults: Faults) -> None:
        self._faults, self._lock = faults, Lock()
        self._counter, self._last = 0, (NOT_INSPECTED_WORD, 0, 0)  # result, id, number of the cause

    def hear(self, inspection: Inspection) -> None:
        """Show a part, inspected or not."""
        result = RESULTS.get(inspection.verdict, NOT_INSPECTED_WORD)
        cause = BITS.index(inspection.cause) + 1 if inspection.cause in BITS else 0
        with self._lock:
            self._counter = (self._counter + 1) % WORD
            self._last = result, inspection.id or 0, cause

    def words(self) -> list[int]:
        """Result, part counter, heartbeat, fault word, cause, id (high word, low word), version of this map."""
        standing, causes = self._faults.standing(), self._faults.causes()
        with self._lock:
            counter, (result, number, cause) = self._counter, self._last
        if standing:
            result = NOT_INSPECTED_WORD
        heartbeat = int(monotonic() * HEARTBEATS_A_SECOND) % WORD
        faults = sum(1 << BITS.index(each) for each in causes)
        return [result, counter, heartbeat, faults, cause, number // WORD % WORD, number % WORD, MAP_VERSION]
