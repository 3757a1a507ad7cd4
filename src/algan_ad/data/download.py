"""Download of the datasets of the catalogue that have a public address."""

import shutil
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

import pooch
import requests

from algan_ad.data.catalog import DATASETS, Entry, Source
from algan_ad.runtime.errors import AlganError, InputError
from algan_ad.runtime.files import explaining_write_errors, sha256
from algan_ad.runtime.progress import bar, log

CHUNK = 2**18  # bytes
TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 3


def get(name: str, into: str | Path, base_url: str | None = None) -> Path:
    """Download and unpack a dataset into `into`/`name`, and return that folder for `open_dataset`.

    A broken download goes on where it stopped, in this call or the next. The archive is kept beside the
    folder; its SHA-256 is compared with the published one or, where none is published, with the one recorded
    beside it at the first download (so only the first is taken on trust).

    Args:
        name: a key of `catalog.DATASETS`.
        into: folder, made when missing.
        base_url: a mirror that holds the archive under the same file name.

    Raises:
        InputError: unknown name, or a dataset that its publisher hands out only on registration.
        AlganError: no connection, wrong checksum, damaged or unsafe archive, full disk.
    """
    if name not in DATASETS:
        raise InputError(f"dataset {name!r}: not in the catalogue; expected one of {', '.join(DATASETS)}")
    entry = DATASETS[name]
    if entry.source is None:
        raise InputError(f"{entry.title}: no public address. {entry.instructions} {entry.homepage}")
    folder = Path(into) / name
    if folder.is_dir() and any(folder.iterdir()):
        return folder
    log(f"{entry.title}: {entry.terms}. Cite: {entry.citation}")
    with explaining_write_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        archive = folder.with_name(f"{name}.zip")
        record = archive.with_name(f"{name}.zip.sha256")
        _fetch(entry, entry.source, archive, record, base_url)
        _unpack(archive, folder)
        if not record.exists():
            record.write_text(sha256(archive) + "\n", encoding="ascii")
    return folder


def _fetch(entry: Entry, source: Source, archive: Path, record: Path, base_url: str | None) -> None:
    url = source.url if base_url is None else f"{base_url.rstrip('/')}/{source.url.rsplit('/', 1)[-1]}"
    by_hand = f"by hand: {entry.instructions} {entry.homepage}"
    known = source.sha256 or (record.read_text(encoding="ascii").strip() if record.is_file() else None)
    pooch.get_logger().setLevel("WARNING")
    try:
        pooch.retrieve(url, known, archive.name, archive.parent, downloader=_resuming)
    except requests.RequestException as error:
        raise AlganError(
            f"{url}: the download broke off ({error}). Run it again to go on where it stopped, or {by_hand}"
        ) from error
    except ValueError as error:  # pooch's for a wrong checksum
        raise AlganError(
            f"{url}: not the file expected (its SHA-256 is not {known}), so it was not kept. Try again, or "
            + (by_hand if source.sha256 else f"if you trust the new file, remove {record} first")
        ) from error


def _resuming(url: str, output: str, _: object) -> None:
    """A downloader for pooch: the part that has arrived is kept in a file beside the archive until it is whole."""
    partial = Path(output).with_name(f".{pooch.utils.unique_file_name(url)}.part")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _receive(url, partial)
            break
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
            if attempt == ATTEMPTS:
                raise
    shutil.move(partial, output)


def _receive(url: str, partial: Path) -> None:
    """Append what `partial` lacks, or write it from the beginning if the server cannot go on."""
    done = partial.stat().st_size if partial.is_file() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            partial.unlink()  # longer than the server's file
            return _receive(url, partial)
        response.raise_for_status()
        if response.status_code != requests.codes.partial_content:
            done = 0
        length = response.headers.get("Content-Length")
        total = -(-int(length) // CHUNK) if length else None
        with partial.open("ab" if done else "wb") as file, bar(f"downloading {url}", total) as advance:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                advance(f"downloading {url}")
    return None


def _unpack(archive: Path, folder: Path) -> None:
    """Extract beside `folder`, then rename; a single top folder in the archive is left out."""
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with zipfile.ZipFile(archive) as content:
            _refuse_unsafe(archive, content, folder.parent)
            content.extractall(unfinished)
        inside = list(unfinished.iterdir())
        top = inside[0] if len(inside) == 1 and inside[0].is_dir() else unfinished
        if folder.exists():
            folder.rmdir()  # it is empty
        top.chmod(0o755)  # mkdtemp made it private
        top.rename(folder)
    except zipfile.BadZipFile as error:
        raise AlganError(f"{archive}: damaged ({error}); remove it and fetch it again") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _refuse_unsafe(archive: Path, content: zipfile.ZipFile, into: Path) -> None:
    for member in content.infolist():
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise AlganError(f"{archive}: unsafe, {member.filename!r} would lie outside; do not use it")
    needed = sum(member.file_size for member in content.infolist())
    if needed > shutil.disk_usage(into).free:
        raise AlganError(f"{archive}: needs {needed / 2**20:.0f} MiB; free some disk space and try again")
