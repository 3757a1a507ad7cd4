"""Results of the runs: `results.jsonl`, to which a line for each run is appended; and the claims of runs under way.

Several processes may work on one folder at once. A line is appended under a lock. A run is claimed before it begins, by
a lock that the death of its owner releases. So nothing is lost, mixed up or done twice.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import Field, ValidationError

from algan_ad.benchmark.plan import RunSpec
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import explaining_write_errors
from algan_ad.runtime.progress import log
from algan_ad.runtime.schema import Schema, describe

RESULTS = "results.jsonl"
VERSION = 1


class Result(Schema):
    """One run, done or failed. Figures are shares in [0, 1], None if they cannot be measured.

    Attributes:
        figures, intervals: by the names in evaluation.json; a page may have figures of its own.
        notes: samples drawn by lot, left out or skipped.
        train_seconds: time of `fit`, with feature extraction, without decoding of the images, over all sessions of an
            interrupted run. Each run that a training serves has the whole time.
        score_ms_per_image: time of a test sample, in batches of the method's own size.
        peak_mb: peak of the process's memory during the run; on a GPU, of its memory.
        n_parameters: parameters of the module that scores, without buffers such as a memory bank.
        selection: selection of the weights, in words.
    """

    schema_version: Literal[1] = 1
    key: str
    spec: RunSpec
    status: Literal["done", "failed"]
    error: str | None = None
    figures: dict[str, float | None] = Field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    n_train: int | None = None
    n_normal: int | None = None
    n_anomalous: int | None = None
    notes: dict[str, Any] = Field(default_factory=dict)
    train_seconds: float | None = None
    score_ms_per_image: float | None = None
    peak_mb: float | None = None
    n_parameters: int | None = None
    selection: str | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    machine: dict[str, Any] = Field(default_factory=dict)
    git: dict[str, Any] = Field(default_factory=dict)
    started: str


class ResultsFolder:
    """A folder with `results.jsonl`, the files that runs left, unfinished runs, and the claims on runs under way."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / RESULTS
        self.unfinished = folder / "runs"  # a folder for each unfinished job, by the key of its first run
        self._claims = folder / ".claims"
        self._found: dict[str, Result] = {}
        self._n_bytes = self._n_lines = 0  # read so far
        self._warned: set[int] = set()

    def create(self) -> None:
        """Make the folder. Raises InputError when it cannot be written to."""
        with explaining_write_errors(self.folder):
            self._claims.mkdir(parents=True, exist_ok=True)
            self.unfinished.mkdir(exist_ok=True)
            self.path.touch()

    def read(self) -> dict[str, Result]:
        """The latest result of each run by key, in the order of the first results; a done run stays done.

        Only lines appended since the last call are read. A line that is not a result, such as that of a process that
        died while it wrote, is left out with a warning. Raises InputError for a file that cannot be read, or of a newer
        version.
        """
        *whole, rest = self._new_bytes().split(b"\n")
        for line in whole:
            self._n_lines += 1
            self._n_bytes += len(line) + 1
            self._take(line, self._n_lines, self._found)
        found = dict(self._found)
        self._take(rest, self._n_lines + 1, found)  # may be under way: the next call reads it again
        return found

    def _take(self, line: bytes, n: int, found: dict[str, Result]) -> None:
        """Put the result of line `n` into `found`."""
        if not line.strip():
            return
        result = _parse(line, f"{self.path}:{n}")
        if isinstance(result, str):
            if n not in self._warned:
                log(f"warning: {self.path}:{n}: {result}")
            self._warned.add(n)
        elif result.key not in found or found[result.key].status == "failed":
            found[result.key] = result

    def _new_bytes(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(self._n_bytes)
                return file.read()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror})") from error

    def add(self, result: Result, files: Mapping[str, bytes]) -> None:
        """Store a result, and the files of the run in `files/KEY/`; the result is on the disk when this returns.

        The folder of the unfinished run is removed.
        """
        line = result.model_dump_json() + "\n"
        with explaining_write_errors(self.path), FileLock(self.folder / ".results.lock"):
            for name, content in files.items():
                place = self.folder / "files" / result.key / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            with self.path.open("ab+") as file:
                if file.seek(0, os.SEEK_END) and not _ends_a_line(file):
                    line = "\n" + line  # after a line that a killed process left half written
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        shutil.rmtree(self.unfinished / result.key, ignore_errors=True)

    def claim(self, key: str) -> FileLock | None:
        """Claim a run: a lock to release afterwards, or None while another process has it."""
        lock = FileLock(self._claims / f"{key}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return None
        return lock


def _parse(line: bytes, where: str) -> Result | str:
    """The result, or the reason why there is none. Raises InputError for a result of a newer version."""
    try:
        content = json.loads(line)
    except ValueError:
        return "half a line, left out; its run counts as not done"
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise InputError(f"{where}: made by a newer algan-ad (schema {version}); upgrade algan-ad to read it")
    try:
        return Result.model_validate(content)
    except (ValidationError, InputError) as error:
        reason = describe(error) if isinstance(error, ValidationError) else str(error)
        return f"no result, left out ({reason})"


def _ends_a_line(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")
