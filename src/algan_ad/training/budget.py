"""A time budget: what is asked for, what is left of it, and the pace that decides how far it reaches."""

import re
import time
from dataclasses import dataclass

from algan_ad.runtime.errors import InputError, Option

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_of(text: str) -> float:
    """ "90s", "3m" or "1.5h" in seconds. Raises InputError for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if not found or float(found[1]) == 0:
        raise InputError(f"expected a time as 90s, 3m or 1h, found {text!r}")
    return float(found[1]) * _UNITS[found[2]]


def spell(seconds: float) -> str:
    """About 40 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@dataclass(frozen=True)
class Budget:
    """The time that a training may take, with what comes before and after its epochs.

    text: as the user put it. ends: when it is over, on the clock of `time.monotonic`.
    """

    text: str
    ends: float

    @property
    def left(self) -> float:
        """Seconds."""
        return self.ends - time.monotonic()

    def refuse_less_than(self, seconds: float, what: str) -> None:
        """Raises InputError if there is less time left than `what` takes."""
        if self.left < seconds:
            raise InputError(
                Option("within", self.text),
                f": cannot be kept here: {what} takes about {spell(seconds)}, {spell(max(0.0, self.left))} of it are "
                "left; allow more time",
            )
