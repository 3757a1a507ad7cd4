"""Files named by the SHA-256 of their content: written once, never changed, on the disk before they are named."""

import hashlib
import os
import re
import secrets
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import explaining_write_errors

_HASH = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """A folder of contents. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: Counter[str] = Counter()
        self._lock = Lock()
        with explaining_write_errors(folder):
            for prefix in range(256):  # made once, so that a content needs one folder flushed, not three
                (folder / f"{prefix:02x}").mkdir(parents=True, exist_ok=True)
            for each in (folder, folder.parent):
                _flush_folder(each)

    def path(self, name: str) -> Path:
        """The place of a content. Raises InputError for a name that is no hash, which might lead elsewhere."""
        if not _HASH.fullmatch(name):
            raise InputError(f"{name!r} is not the hash of a content")
        return self.folder / name[:2] / name

    @contextmanager
    def holding(self, content: bytes) -> Iterator[str]:
        """The name of a content, on the disk at the start and not removed before the end.

        The caller commits the row that names it inside. Raises AlganError when the disk is full.
        """
        name = hashlib.sha256(content).hexdigest()
        with self._lock:
            self._held[name] += 1
        try:
            self._put(name, content)
            yield name
        finally:
            with self._lock:
                self._held[name] -= 1
                if not self._held[name]:
                    del self._held[name]

    def _put(self, name: str, content: bytes) -> None:
        path = self.path(name)
        with explaining_write_errors(path):
            if path.exists():
                return
            temporary = path.with_name(f".{secrets.token_hex(8)}")
            try:
                with temporary.open("xb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            _flush_folder(path.parent)

    def read(self, name: str) -> bytes:
        """A content. Raises InputError when it is missing, or not what its name says."""
        try:
            content = self.path(name).read_bytes()
        except FileNotFoundError:
            raise InputError(f"{name}: not in the store") from None
        if hashlib.sha256(content).hexdigest() != name:
            raise InputError(f"{self.path(name)}: altered on the disk; restore it from a backup")
        return content

    def remove(self, name: str) -> bool:
        """Remove a content unless it is being held. Returns True when it is gone."""
        with self._lock:
            if name in self._held:
                return False
            self.path(name).unlink(missing_ok=True)
            return True

    def names(self) -> Iterator[str]:
        """The names of all contents, in no order."""
        for folder in self.folder.iterdir():
            yield from (each.name for each in folder.iterdir() if _HASH.fullmatch(each.name))

    def remove_leftovers(self) -> None:
        """Remove files that a killed process left half-written. No other process may write meanwhile."""
        for folder in self.folder.iterdir():
            for each in folder.glob(".*"):
                each.unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
