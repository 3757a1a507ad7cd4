"""Files that are either whole or not there: written under a temporary name, flushed, then renamed."""

import errno
import glob
import hashlib
import json
import math
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from algan_ad.runtime.errors import AlganError, InputError, Option

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def explaining_write_errors(path: Path) -> Iterator[None]:
    """Turn an error of the operating system while `path` is written into one that says what to do.

    Raises AlganError when the disk is full, InputError when the place cannot be written to.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise AlganError(
                f"{path}: the disk is full, so it was not saved; a previous version, if any, is intact. "
                "Free some space and try again."
            ) from error
        if error.filename is None:  # not about a file of ours
            raise
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another place.") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file (same suffix) to write; on success it replaces `path`, on failure it is removed.

    A regular file is replaced by renaming a sibling, so that it is whole at any moment. A symbolic link stays, and its
    target is replaced. The content is written into anything else (a FIFO, a device, the target of standard output).
    A missing folder is made.
    Raises AlganError when the disk is full, InputError when `path` cannot be written.
    """
    with explaining_write_errors(path), (_filling if is_stream(path) else _renaming)(path) as temporary:
        yield temporary


@contextmanager
def _renaming(path: Path) -> Iterator[Path]:
    target = behind_links(path)
    temporary = target.with_name(f".{target.stem}-{secrets.token_hex(4)}{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        flush_to_disk(temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _filling(path: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="algan-") as folder:
        temporary = Path(folder) / f"content{path.suffix}"
        yield temporary
        with temporary.open("rb") as content, open_stream(path) as stream:
            shutil.copyfileobj(content, stream)


def is_stream(path: Path) -> bool:
    return path.exists() and (not (path.is_file() or path.is_dir()) or _standard_stream(path) is not None)


def open_stream(path: Path) -> BinaryIO:
    standard = _standard_stream(path)
    if standard is None:
        return path.open("wb")
    sys.stdout.flush()
    return os.fdopen(os.dup(standard), "wb")  # if it were opened again, a file would be written from its beginning


def _standard_stream(path: Path) -> int | None:
    """The descriptor of standard output or error, if it leads to `path`: /dev/stdout, the X of `> X`."""
    for descriptor in (1, 2):
        with suppress(OSError):  # it is closed
            if os.path.samestat(path.stat(), os.fstat(descriptor)):
                return descriptor
    return None


def behind_links(path: Path) -> Path:
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def refuse_to_replace(targets: Iterable[Path], inputs: Iterable[Path], overwrite: bool) -> None:
    """Raise InputError if writing a target would replace an input or, unless `overwrite`, any file.

    `inputs` are only gone through, one by one, where a target is there already.
    """
    there = {identity: target for target in targets if (identity := _identity(target))}
    for path in inputs if there else ():
        if (identity := _identity(path)) in there:
            raise InputError(f"{there[identity]}: is an input and would be replaced; choose another place")
    for target in there.values():
        if target.is_file() and not is_stream(target) and not overwrite:
            raise InputError(f"{target}: exists already; choose another place, or set ", Option("overwrite", True))


def _identity(path: Path) -> tuple[int, int] | None:
    """The file behind a path; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def remove_leftovers(path: Path) -> None:
    """Remove the temporary siblings of `path` that killed processes left. No process may write `path` meanwhile."""
    target = behind_links(path)
    for each in target.parent.glob(f".{glob.escape(target.stem)}-{'[0-9a-f]' * 8}{target.suffix}"):
        each.unlink(missing_ok=True)


def flush_to_disk(path: Path) -> None:
    """Return once the content of the file is on the disk (a full disk may only be noticed here)."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def write_json(path: Path, obj: object) -> None:
    """Write `obj` as indented JSON, UTF-8, atomically. Raises AlganError for NaN and infinity."""
    try:
        text = json.dumps(obj, indent=2, allow_nan=False)
    except ValueError as error:
        raise AlganError(f"{path}: not saved, because a value is NaN or infinite ({error}).") from error
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Content of a JSON file. Raises InputError when it is missing, unreadable, truncated or not strict JSON.

    A pipe or a device, which might never end, is refused like a folder.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a file; restore it from a copy.")
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_not_finite, parse_float=_finite_float)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: not valid JSON, perhaps truncated or edited ({error}); restore it from a copy."
        ) from error


def sha256(path: Path) -> str:
    """The SHA-256 of the file's bytes, as 64 hexadecimal digits. Raises InputError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error


def _finite_float(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _not_finite(text)


def _not_finite(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a finite number")
