"""A watched folder: every image that is put there is inspected once, also across restarts.

The folder is looked at again and again, because the notices of operating systems do not reach across network drives. A
file is whole when its size and time have stayed for a while, or sooner never: programs that write under another name
and rename are served best. The inspection of a file is recorded together with its name, size and time, in one
transaction; a restart therefore neither skips nor repeats one, and a file that is written anew is a new part.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from time import monotonic

import structlog

from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.images import IMAGE_SUFFIXES
from algan_ad.service.inspection.part import Part
from algan_ad.service.record.inspections import with_origin
from algan_ad.service.sources.wishes import FolderWish
from algan_ad.service.station import Station
from algan_ad.service.threads import Backoff

log = structlog.get_logger("algan.folder")

LOOK_SECONDS = 0.25
RETRY_SECONDS = 30.0  # after which a file that could not be read is tried again
State = tuple[int, int]  # size in bytes, time of the last change in nanoseconds


class WatchedFolder:
    """The source of one folder. Raises InputError when there is no such folder."""

    def __init__(self, station: Station, wish: FolderWish) -> None:
        for folder in (wish.folder, wish.done):
            if folder is not None and not folder.is_dir():
                raise InputError(Option("watch"), f": {folder}: no such folder; make it first")
        self.name, self._station, self._wish = wish.name, station, wish
        self._seen: dict[str, tuple[State, float]] = {}  # by name: the state, and since when it has been that
        self._finished: dict[str, State] = {}
        self._backoff = Backoff(0.5, 10)

    def run(self, stop: Event) -> None:
        """Inspect files until `stop` is set. No file, however bad, ends this."""
        pause = LOOK_SECONDS
        while not stop.wait(pause):
            pause = LOOK_SECONDS
            try:
                for path, state in self._whole():
                    if stop.is_set():
                        return
                    if not self._finish(path, state):
                        pause = self._backoff.next()
                        break  # the station cannot inspect now: the files wait
                    self._backoff.reset()
            except Exception as error:  # a network drive, or the database, is away
                log.warning("folder", source=self.name, reason=str(error))
                pause = self._backoff.next()

    def _whole(self) -> Iterator[tuple[Path, State]]:
        """Files that have not changed for a while and are not finished, the oldest first."""
        now, found = monotonic(), {}
        with os.scandir(self._wish.folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or Path(entry.name).suffix.lower() not in IMAGE_SUFFIXES:
                    continue
                try:
                    if entry.is_file(follow_symlinks=False):
                        found[entry.name] = _state(entry.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue
        former = self._seen
        self._seen = {
            name: former[name] if name in former and former[name][0] == state else (state, now)
            for name, state in found.items()
        }
        self._finished = {name: state for name, state in self._finished.items() if found.get(name) == state}
        ready = [
            (state, name)
            for name, (state, since) in self._seen.items()
            if now - since >= self._wish.settle and name not in self._finished
        ]
        for state, name in sorted(ready, key=lambda each: (each[0][1], each[1])):
            yield self._wish.folder / name, state

    def _finish(self, path: Path, state: State) -> bool:
        """Inspect a file unless it was, and move it if wished. Returns False when the station could not inspect it."""
        try:
            if not self._known(path, state):
                content = self._read(path)
                if _state(path.stat()) != state:
                    return True  # it settles again, under another state
                part = Part(content, source=self.name, origin=_origin(path, state))
                (found,) = self._station.inspector.inspect([part], self._wish.model)
                if found.id is None:
                    return False
            if self._wish.done is not None and _state(path.stat()) == state:
                _move(path, self._wish.done)
            self._finished[path.name] = state
        except OSError as error:  # unreadable, gone, or not movable: a matter of this file, which is tried again later
            log.warning("file", source=self.name, file=path.name, reason=error.strerror)
            self._seen[path.name] = state, monotonic() + RETRY_SECONDS
        return True

    def _known(self, path: Path, state: State) -> bool:
        with self._station.record.reading() as session:
            return with_origin(session, self.name, _origin(path, state)) is not None

    def _read(self, path: Path) -> bytes:
        with path.open("rb") as file:
            return file.read(self._station.settings.max_image_bytes + 1)  # one more is refused as too large


def _origin(path: Path, state: State) -> str:
    return f"{path.name} ({state[0]} bytes, {state[1]})"


def _state(status: os.stat_result) -> State:
    return status.st_size, status.st_mtime_ns


def _move(path: Path, folder: Path) -> None:
    """Move a file into a folder, under a free name."""
    target, n = folder / path.name, 1
    while target.exists():
        n += 1
        target = folder / f"{path.stem}-{n}{path.suffix}"
    shutil.move(path, target)
