"""Helpers for tests of sources and sinks: waiting for what a thread does, ports, a pretended camera."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from time import monotonic, sleep
from typing import TypeVar

import numpy as np

from algan_ad.service.sources.capture import Capture, Frame
from algan_ad.service.sources.wishes import CameraWish
from algan_ad.service.threads import running

Found = TypeVar("Found")


def wait_for(look: Callable[[], Found], seconds: float = 20) -> Found:
    """What `look` returns once it is true. The limit only ends a test that would hang."""
    end = monotonic() + seconds
    while not (found := look()):
        assert monotonic() < end, "it did not happen"
        sleep(0.01)
    return found


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def at_work(*works: Callable[[Event], None]) -> Iterator[None]:
    """Threads of sources and sinks, which end with the block."""
    if not works:
        yield
        return
    with running("test", works[0]), at_work(*works[1:]):
        yield


@dataclass
class Pretended:
    """A camera of one grey, which can be unplugged, and plugged in again."""

    grey: int = 50
    plugged: bool = True
    fps: float = 0
    opened: int = 0
    frames: list[Frame] = field(default_factory=list)  # shown first

    @contextmanager
    def __call__(self, wish: CameraWish) -> Iterator[Capture]:
        if not self.plugged:
            raise OSError("no such device")
        self.opened += 1
        yield self

    def read(self) -> Frame | None:
        sleep(0.002)
        if self.frames:
            return self.frames.pop(0)
        return np.full((8, 8, 3), self.grey, np.uint8) if self.plugged else None
