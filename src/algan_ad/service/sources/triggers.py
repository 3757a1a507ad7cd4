"""Triggers: which of the pictures of a camera are inspected."""

from typing import Protocol

import numpy as np

from algan_ad.service.sources.capture import Frame, opencv
from algan_ad.service.sources.wishes import CameraWish

_SMALL = (64, 48)  # width and height of the picture in which motion is sought
_LEVELS = 20  # a pixel has changed when it is brighter or darker by more than this, of 255


class Trigger(Protocol):
    """Looks at every picture, in order."""

    def fires(self, frame: Frame, at: float) -> bool:
        """True for a picture to inspect. at: seconds, of any beginning."""


class Rate:
    """So many pictures a second."""

    def __init__(self, rate: float) -> None:
        self._period, self._due = 1 / rate, -np.inf

    def fires(self, frame: Frame, at: float) -> bool:
        """True for the first picture of each period."""
        if at < self._due:
            return False
        self._due = at + self._period if at - self._due > self._period else self._due + self._period
        return True


class Motion:
    """One picture for each part that comes to rest: something moved, then nothing has moved for `rest` seconds."""

    def __init__(self, share: float, rest: float) -> None:
        self._share, self._rest = share, rest
        self._former: Frame | None = None
        self._moved_at: float | None = None

    def fires(self, frame: Frame, at: float) -> bool:
        """True for the first picture of a part at rest."""
        cv2 = opencv()
        small = cv2.resize(frame, _SMALL, interpolation=cv2.INTER_AREA)
        former, self._former = self._former, small
        if former is None or former.shape != small.shape:
            return False
        if float((cv2.absdiff(former, small) > _LEVELS).mean()) >= self._share:
            self._moved_at = at
            return False
        if self._moved_at is None or at - self._moved_at < self._rest:
            return False
        self._moved_at = None
        return True


class External:
    """No picture of its own accord: each request takes the next one."""

    def fires(self, frame: Frame, at: float) -> bool:
        """False."""
        return False


def trigger_of(wish: CameraWish) -> Trigger:
    """The trigger that a camera is wished with."""
    if wish.trigger == "rate":
        return Rate(wish.rate)
    return Motion(wish.motion, wish.rest) if wish.trigger == "motion" else External()
