"""The content of folders: sorted, without hidden files."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import IMAGE_SUFFIXES


def images(folder: Path) -> tuple[Path, ...]:
    """Image files directly inside `folder`, by suffix, sorted by name. Raises InputError for an unreadable folder."""
    return _listed(folder, lambda entry: _is_image(entry.name) and entry.is_file())


def files_ending(folder: Path, suffixes: tuple[str, ...]) -> tuple[Path, ...]:
    """Files directly inside `folder` with one of these suffixes, in any case, sorted. Raises as `images` does."""
    return _listed(folder, lambda entry: entry.name.lower().endswith(suffixes) and entry.is_file())


def folders(folder: Path) -> tuple[Path, ...]:
    """Sub-folders of `folder`, sorted by name. Raises InputError for an unreadable folder."""
    return _listed(folder, lambda entry: entry.is_dir())


def _is_image(name: str) -> bool:
    return Path(name).suffix.lower() in IMAGE_SUFFIXES


def _listed(folder: Path, wanted: Callable[[os.DirEntry[str]], bool]) -> tuple[Path, ...]:
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".") and wanted(entry)]
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be read ({error.strerror or error}); give an existing folder you may read"
        ) from error
    return tuple(folder / name for name in sorted(names))


def images_below(folder: Path) -> Iterator[Path]:
    """Images in a folder and its sub-folders, sorted by name, a folder's own images first, as they are found."""
    yield from images(folder)
    for inner in folders(folder):
        yield from images_below(inner)
