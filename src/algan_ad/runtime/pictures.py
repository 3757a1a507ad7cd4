"""One picture among those to score, wherever it lies."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Pixels

Content = Path | bytes | Pixels  # an image file, the bytes of one, or pixels, uint8 (H, W, 3)


@dataclass(frozen=True)
class Picture:
    """A picture that has not been read yet.

    name: its name in the table; `parts.zip#good/1.png` and `clip.mp4#12` inside other files.
    file: the file on the disk that holds it.
    place: its path inside its source; with several sources, that begins with the source's name.
    read: gives its content. It is called before the next picture is asked for, or not at all, because tapes and videos
        are read forwards only. Raises InputError, which names the picture.
    """

    name: str
    file: Path
    place: Path
    read: Callable[[], Content]


def broken(name: str, file: Path, place: Path, reason: str) -> Picture:
    """A picture that cannot be read, and why."""
    return Picture(name, file, place, partial(_raise, f"{name}: {reason}"))


def _raise(reason: str) -> NoReturn:
    raise InputError(reason)
