"""Listing folders: sorted, hidden files left out, and every failure told in words."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import IMAGE_SUFFIXES


def images(folder: Path) -> tuple[Path, ...]:
    """Image files directly inside `folder`, by suffix, sorted by name. InputError when unreadable."""
    return _listed(folder, lambda entry: _is_image(entry.name) and entry.is_file())


def folders(folder: Path) -> tuple[Path, ...]:
    """Sub-folders of `folder`, sorted by name. InputError when unreadable."""
    return _listed(folder, lambda entry: entry.is_dir())


def masks_of(paths: Iterable[Path], masks: Iterable[Path]) -> tuple[dict[Path, Path], list[Path]]:
    """Pairs image -> mask, named `<stem>_mask.<any>` or `<stem>.<any>`, and the masks left over."""
    by_stem = {path.stem: path for path in paths}
    pairs: dict[Path, Path] = {}
    unmatched = []
    for mask in masks:
        image = by_stem.get(mask.stem) or by_stem.get(mask.stem.removesuffix("_mask"))
        if image is None:
            unmatched.append(mask)
        else:
            pairs[image] = mask
    return pairs, unmatched


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
