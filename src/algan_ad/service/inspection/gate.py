"""The limit of inspections at the same time: some run, some wait, the next ones are refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock

from algan_ad.service.inspection.causes import OVERLOAD, NotInspected


class Gate:
    """Places for `running` inspections, and for `waiting` more."""

    def __init__(self, running: int, waiting: int) -> None:
        self._places = running + waiting
        self._turns = BoundedSemaphore(running)
        self._lock = Lock()
        self.inside = 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Wait for a turn. Raises NotInspected at once when all places are taken."""
        with self._lock:
            if self.inside >= self._places:
                raise NotInspected(OVERLOAD, f"{self._places} inspections are under way; send the part again later")
            self.inside += 1
        try:
            with self._turns:
                yield
        finally:
            with self._lock:
                self.inside -= 1
