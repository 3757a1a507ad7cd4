"""The same picture on both sides of a split: it makes every figure look better than it is."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from algan_ad.data.layouts import Item
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import sha256


class Parts(Protocol):
    """Anything with images to train on and to test on: a `Dataset` or a `Split`."""

    @property
    def train(self) -> Sequence[Item]: ...

    @property
    def test(self) -> Sequence[Item]: ...


def overlaps(parts: Parts) -> list[tuple[Path, Path]]:
    """Pairs (training file, test file) that are one file or hold the same bytes."""
    return same_content([item.path for item in parts.train], [item.path for item in parts.test])


def same_content(first: Iterable[Path], second: Iterable[Path]) -> list[tuple[Path, Path]]:
    """Pairs of files with equal bytes; only files of equal size are read. InputError for a missing file."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in first:
        by_size[_size(path)].append(path)
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
