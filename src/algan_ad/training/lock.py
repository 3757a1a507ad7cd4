"""One training at a time in a run folder."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import explaining_write_errors


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run folder, which is made when it is missing and removed when nothing is left in it.

    The lock belongs to the operating system: it ends with its process, however that ends.
    Raises InputError when another process, or another thread, trains there.
    """
    missing = [each for each in folder.parents if not each.exists()]
    file = folder / ".lock"
    with explaining_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise InputError(
                f"{folder}: another process is training there; wait until it ends, or choose another folder"
            ) from None
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):  # not empty
            for each in (folder, *missing):
                each.rmdir()
