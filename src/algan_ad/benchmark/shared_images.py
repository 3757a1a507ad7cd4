"""Decoded images that all runs of a plan share, in `FOLDER/runs/`: one file, which is removed when the plan is done.

It is an SQLite database, because several workers write to it at once, any of them may be killed meanwhile, and its size
has a bound. An image is found by the content of its file, its preprocessing, and the versions of the code, so that
nothing stale is found. Where the database cannot be used, images are decoded as they would be without it.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any
from zlib import crc32

import numpy as np

from algan_ad.benchmark.job import Job
from algan_ad.runtime.images import Pixels, Preprocessing, Read, prepare
from algan_ad.runtime.placement import Size
from algan_ad.workflows.train import versions

FILE = ".images.sqlite"
MOST_BYTES = 4 * 2**30  # about 20,000 images of 256 x 256; beyond it nothing is added
WAIT_SECONDS = 10.0  # for another worker that writes

_TABLE = "CREATE TABLE IF NOT EXISTS images (key TEXT PRIMARY KEY, width INT, height INT, crc INT, pixels BLOB)"


@contextmanager
def reading(job: Job) -> Iterator[Read]:
    """The way in which a job reads its images: `prepare` itself where this machine does not see the results."""
    if job.unfinished is None or not job.unfinished.is_dir():
        yield prepare
        return
    with closing(_SharedImages(job.unfinished / FILE, {"versions": versions(), "git": job.git})) as images:
        yield images


def remove(folder: Path) -> None:
    """Remove the images of a plan from its folder of unfinished runs. A worker that still has them open keeps them."""
    for path in (folder / FILE, folder / f"{FILE}-journal"):
        with suppress(OSError):  # not there; or, on Windows, open elsewhere
            path.unlink()


class _SharedImages:
    """`prepare` with a memory, for several threads. Its file is not made before the first image."""

    def __init__(self, path: Path, code: dict[str, Any]) -> None:
        """code: whatever the pixels depend on besides the file and the preprocessing, as JSON."""
        self._path, self._code, self._lock = path, json.dumps(code, sort_keys=True), Lock()
        self._usable = True

    def __call__(self, path: Path, preprocessing: Preprocessing) -> tuple[Pixels, Size]:
        try:
            content = sha256(path.read_bytes())
        except OSError:
            return prepare(path, preprocessing)  # which names the reason
        content.update(f"{preprocessing.model_dump_json()} {self._code}".encode())
        key = content.hexdigest()
        found = self._find(key, preprocessing)
        if found is None:
            found = prepare(path, preprocessing)
            self._add(key, *found)
        return found

    def close(self) -> None:
        if "_database" in self.__dict__:
            self._database.close()

    @cached_property
    def _database(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False)
        (page_bytes,) = database.execute("PRAGMA page_size").fetchone()
        database.execute(f"PRAGMA max_page_count = {MOST_BYTES // page_bytes}")
        database.execute("PRAGMA synchronous = OFF")  # a power failure may spoil pixels, so they have a checksum
        database.execute(_TABLE)
        return database

    def _find(self, key: str, preprocessing: Preprocessing) -> tuple[Pixels, Size] | None:
        row = self._ask("SELECT width, height, crc, pixels FROM images WHERE key = ?", key)
        if row is None or crc32(row[3]) != row[2]:
            return None
        return np.frombuffer(row[3], np.uint8).reshape(preprocessing.shape), (row[0], row[1])

    def _add(self, key: str, pixels: Pixels, size: Size) -> None:
        content = pixels.tobytes()
        self._ask("INSERT OR REPLACE INTO images VALUES (?, ?, ?, ?, ?)", key, *size, crc32(content), content)

    def _ask(self, statement: str, *values: str | int | bytes) -> Any:
        """The row that a statement finds, or None. After an error, unless it is full, the database is left alone."""
        if not self._usable:
            return None
        try:
            with self._lock:
                return self._database.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            self._usable = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
            return None
