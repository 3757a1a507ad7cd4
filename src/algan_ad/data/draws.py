"""Random draws of images that keep the images of one group together."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from pathlib import Path

import numpy as np

from algan_ad.data.layouts import Item
from algan_ad.runtime.errors import InputError

Shares = Mapping[str, float]  # part -> share of the images; another part takes the rest
TESTING = ("test", "validation")  # the parts that take anomalous images, too


def draw(
    what: str,
    items: Sequence[Item],
    rest: str,
    shares: Shares,
    rng: np.random.Generator,
    *,
    keep: int = 1,
    placed: Mapping[str, str] | None = None,
) -> dict[str, tuple[Item, ...]]:
    """Draw images of each part without replacement: the parts of `shares` by lot; `rest` takes the others.

    A part gets its share exactly if every image is a group of its own. Otherwise it takes, in random order, each group
    that brings it nearer to its share, so that it misses the share by less than the size of a group.

    Args:
        what: name of the images, for messages.
        keep: least number of images in `rest`.
        placed: part of the groups that need no lot; see `place_mixed`.

    Raises:
        InputError: too few images, or groups too large, for a part to have any.
    """
    sizes = _sizes(what, len(items), shares, keep)
    found: dict[str, list[Item]] = {part: [] for part in (rest, *shares)}
    free: list[Sequence[Item]] = []
    for group in grouped(items):
        part = (placed or {}).get(group[0].group or "")
        if part is None:
            free.append(group)
        else:
            found[part] += group
    left = [free[i] for i in rng.permutation(len(free))]
    for part in reversed(list(shares)):
        left = _fill(found[part], sizes[part], left)
    found[rest] += [item for group in left for item in group]
    if not all(found.values()) or len(found[rest]) < keep:
        raise InputError(
            f"{what}: {len(items)} images in {len(grouped(items))} groups cannot be divided into "
            f"{', '.join(found)}; expected more and smaller groups"
        )
    return {part: tuple(part_items) for part, part_items in found.items()}


def place_mixed(
    normal: Sequence[Item], anomalous: Sequence[Item], rest: str, shares: Shares, rng: np.random.Generator
) -> dict[str, str]:
    """Part of each group that holds normal and anomalous images.

    Such a group goes to a part that tests as long as one has room for its normal images, otherwise to the roomiest.
    """
    both = {item.group for item in anomalous} - {None}
    n_normal = Counter(item.group for item in normal if item.group in both)
    names = sorted(group for group in n_normal if group is not None)
    if not names:
        return {}
    sizes = {part: _size(share, len(normal)) for part, share in shares.items()}
    room = {rest: len(normal) - sum(sizes.values()), **sizes}
    placed: dict[str, str] = {}
    for name in rng.permutation(names).tolist():
        nearer = [part for part in room if part in TESTING and n_normal[name] < 2 * room[part]]
        placed[name] = max(nearer or room, key=lambda part: room[part])
        room[placed[name]] -= n_normal[name]
    if not set(TESTING) & set(placed.values()):  # all are too large, but a test without any may have nothing to find
        placed[min(names, key=lambda name: n_normal[name])] = TESTING[0]
    return placed


def grouped(items: Iterable[Item]) -> list[Sequence[Item]]:
    """Images by group; the groups are in the order of their first paths."""
    groups: defaultdict[str | Path, list[Item]] = defaultdict(list)
    for item in by_path(items):
        groups[item.path if item.group is None else item.group].append(item)
    return list(groups.values())


def by_path(items: Iterable[Item]) -> tuple[Item, ...]:
    """Images in the order of their paths."""
    return tuple(sorted(items, key=lambda item: item.path.as_posix()))


def _fill(part: list[Item], size: int, groups: list[Sequence[Item]]) -> list[Sequence[Item]]:
    """Add, from the end, groups that bring the part nearer to its size; an empty part gets at least the smallest."""
    left = []
    for group in reversed(groups):
        if len(group) < 2 * (size - len(part)):
            part += group
        else:
            left.append(group)
    if not part and left:
        smallest = min(left, key=len)
        left.remove(smallest)
        part += smallest
    return left[::-1]


def _sizes(what: str, n: int, shares: Shares, keep: int) -> dict[str, int]:
    """Number of images of each share; none of them is 0, and at least `keep` are left."""
    if sum(shares.values()) >= 1:
        raise InputError(
            f"{what}: {list(shares.values())} of them are held out and nothing is left; choose smaller fractions"
        )
    needed = next(m for m in count(1) if m - sum(_size(share, m) for share in shares.values()) >= keep)
    if n < needed:
        raise InputError(f"{what}: {n} found; expected at least {needed}, and better hundreds")
    return {part: _size(share, n) for part, share in shares.items()}


def _size(share: float, n: int) -> int:
    return max(1, int(share * n + 0.5))
