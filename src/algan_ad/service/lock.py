"""One server at a time on a station folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import explaining_write_errors


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a station folder, which is made when it is missing, readable by its owner alone.

    The lock belongs to the operating system: it ends with its process, however that ends.
    Raises InputError when another server holds it.
    """
    with explaining_write_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise InputError(f"{folder}: another server uses this station; stop it, or name another folder") from None
    try:
        yield
    finally:
        lock.release()
