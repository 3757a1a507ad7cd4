"""Limits of how often a client may ask: a bucket of tokens each, refilled steadily."""

from collections import OrderedDict
from threading import Lock
from time import monotonic

CLIENTS = 10_000  # remembered; the one that was silent longest is forgotten first


class Rates:
    """At most `per_second` on average, and `burst` at once, for each client."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second, self._burst = per_second, burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def allows(self, client: str) -> bool:
        """True while the client stays within the limit. This time counts, too."""
        at = monotonic()
        with self._lock:
            left, since = self._left.get(client, (self._burst, at))
            left = min(self._burst, left + (at - since) * self._per_second)
            allowed = left >= 1
            self._left[client] = (left - 1 if allowed else left, at)
            self._left.move_to_end(client)
            if len(self._left) > CLIENTS:
                self._left.popitem(last=False)
        return allowed
