"""Copies of a picture on both sides of a split, which make every figure look better than it is."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from algan_ad.data.layouts import Item
from algan_ad.data.splits import Split
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import sha256


def copies_in_calibration(parts: Split) -> list[tuple[Path, Path]]:
    """Pairs (training file, calibration file) of equal content: such a good part scores too low."""
    return same_content(_paths(parts.train), _paths(parts.calibration))


def copies_in_test(parts: Split) -> list[tuple[Path, Path]]:
    """Pairs (file, test file) of equal content; the first file trains, calibrates or selects."""
    held_out = parts.validation or parts.calibration  # validation holds the images that calibrate, too
    return same_content(_paths((*parts.train, *held_out)), _paths(parts.test))


def same_content(first: Iterable[Path], second: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Pairs of files with equal bytes, none of them empty; only files of equal size are read.

    Raises InputError for a missing file.
    """
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in first:
        by_size[_size(path)].append(path)
    by_size.pop(0, None)
    pairs = []
    hashes: dict[Path, str] = {}
    for path in second:
        for candidate in by_size.get(_size(path), ()):
            for each in (path, candidate):
                if each not in hashes:
                    hashes[each] = sha256(each)
            if hashes[path] == hashes[candidate]:
                pairs.append((candidate, path))
    return pairs


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _paths(items: Iterable[Item]) -> list[Path]:
    return [item.path for item in items]
