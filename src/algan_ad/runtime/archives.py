"""Pictures inside zip and tar archives. They are read into memory one by one; nothing is unpacked onto the disk.

Links, devices and names that lead out of the archive are refused, and so is what unfolds to far more than its size.
"""

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any, BinaryIO

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import IMAGE_SUFFIXES
from algan_ad.runtime.pictures import Picture, broken

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MAX_MEMBER_BYTES = 2**30  # of one picture, more than MAX_PIXELS of 16-bit colour take
MAX_RATIO = 200  # of an archive's content to its size; pictures are hardly compressible, bombs at 1,000 to 1 and more
FREE_BYTES = 2**26  # content that is not compared with the size of the archive
_MAGIC: dict[bytes, Any] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
# What the readers raise on damaged and encrypted archives.
_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError,
    NotImplementedError,
)  # fmt: skip


def is_archive(path: Path) -> bool:
    """True for the suffixes of zip and tar archives."""
    return path.name.lower().endswith((".zip", *TAR_SUFFIXES))


def members(path: Path, above: Path) -> Iterator[Picture]:
    """The pictures in an archive, in its order; other files in it and hidden ones are passed over.

    An archive that is damaged, or a bomb, ends with a picture that reports that when it is read.
    """
    try:
        yield from (_zipped if _is_zip(path) else _taped)(path, above)
    except (*_DAMAGE, InputError) as error:
        reason = str(error) if isinstance(error, InputError) else f"not a whole archive ({error}); replace or remove it"
        yield broken(str(path), path, above / path.name, reason)


def count(path: Path) -> int | None:
    """The number of pictures in a zip archive; None for a tar archive, which has no table of contents."""
    return sum(1 for _ in members(path, Path())) if _is_zip(path) else None


def _is_zip(path: Path) -> bool:
    return path.name.lower().endswith(".zip")


def _zipped(path: Path, above: Path) -> Iterator[Picture]:
    with zipfile.ZipFile(path) as archive:
        if sum(each.file_size for each in archive.infolist()) > FREE_BYTES + MAX_RATIO * path.stat().st_size:
            raise InputError(_BOMB)
        for each in archive.infolist():
            mode = each.external_attr >> 16
            odd = bool(stat.S_IFMT(mode)) and not stat.S_ISREG(mode)
            if not each.is_dir() and _wanted(each.filename):
                yield _picture(path, above, each.filename, each.file_size, odd, partial(archive.open, each))


def _taped(path: Path, above: Path) -> Iterator[Picture]:
    with path.open("rb") as file, _unfolded(file) as content:
        measured: Any = _Measured(content, file)
        with tarfile.open(fileobj=measured, mode="r|") as tape:
            while (each := tape.next()) is not None:
                vars(tape)["members"].clear()  # it would remember all of them
                if not each.isdir() and _wanted(each.name):
                    opened = partial(tape.extractfile, each)
                    yield _picture(path, above, each.name, each.size, not each.isreg(), opened)


def _unfolded(file: BinaryIO) -> IO[bytes]:
    start = file.read(6)
    file.seek(0)
    for magic, opener in _MAGIC.items():
        if start.startswith(magic):
            content: IO[bytes] = opener(file)
            return content
    return file


class _Measured:
    """The content of a compressed file, as long as it stays in proportion to what was read for it."""

    def __init__(self, content: IO[bytes], file: BinaryIO) -> None:
        self.content, self.file, self.given = content, file, 0

    def read(self, size: int) -> bytes:
        data = self.content.read(size)
        self.given += len(data)
        if self.given > FREE_BYTES + MAX_RATIO * self.file.tell():
            raise InputError(_BOMB)
        return data


_BOMB = f"unfolds to more than {MAX_RATIO} times its size, which pictures do not; unpack it if you trust it"


def _wanted(name: str) -> bool:
    parts = PureWindowsPath(name).parts  # it parts at either slash
    hidden = any(part.startswith(".") and part != ".." for part in parts) or "__MACOSX" in parts
    return not hidden and PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def _picture(path: Path, above: Path, member: str, size: int, odd: bool, opened: Any) -> Picture:
    name, windows = f"{path}#{member}", PureWindowsPath(member)
    if windows.drive or windows.root or ".." in windows.parts:  # Windows' rules are the stricter ones
        return broken(name, path, above / path.name, "a name that leads out of the archive; pack it again")
    place = above / PurePosixPath(member)
    if odd:
        return broken(name, path, place, "a link or a device, not a file; pack the picture itself")
    if size > MAX_MEMBER_BYTES:
        return broken(name, path, place, f"{size} bytes, more than a picture has; unpack it if you trust it")
    return Picture(name, path, place, partial(_read, name, opened))


def _read(name: str, opened: Any) -> bytes:
    try:
        with opened() as content:
            data: bytes = content.read()
            return data
    except _DAMAGE as error:
        raise InputError(f"{name}: cannot be unpacked ({error}); pack it again") from error
