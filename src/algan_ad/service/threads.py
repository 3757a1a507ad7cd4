"""Threads that work beside the server, and the pauses of what is tried again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

STOP_SECONDS = 15  # that a thread may take to stop


@contextmanager
def running(name: str, work: Callable[[Event], None]) -> Iterator[None]:
    """Run `work` in a thread of its own. At the end its event is set, upon which it returns."""
    stop = Event()
    thread = Thread(target=work, args=(stop,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(STOP_SECONDS)


class Backoff:
    """Pauses between attempts, in seconds: each twice as long as the one before, up to `most`."""

    def __init__(self, first: float = 0.5, most: float = 60) -> None:
        self._first, self._most = first, most
        self._next = first

    def next(self) -> float:
        """The pause after one more attempt that failed."""
        pause, self._next = self._next, min(self._most, 2 * self._next)
        return pause

    def reset(self) -> None:
        """Begin again after an attempt that succeeded."""
        self._next = self._first
