"""A new folder, whole or not there at all."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import explaining_write_errors


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder under another name, readable by its owner alone and renamed to `out` at the end.

    Raises InputError when `out` exists or cannot be written, AlganError on a full disk.
    """
    if out.exists():
        raise InputError(f"{out}: exists already; choose another place")
    folder = out.with_name(f".{out.name}-{secrets.token_hex(4)}")
    with explaining_write_errors(out):
        try:
            folder.mkdir(mode=0o700, parents=True)
            yield folder
            os.rename(folder, out)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
