"""Folders named by kinds of defect, with masks of the same names beside them. Several layouts have them."""

from collections.abc import Callable, Iterable
from pathlib import Path

from algan_ad.data.layouts.items import GOOD, Item, lonely
from algan_ad.data.masks import MaskFile
from algan_ad.runtime.listing import folders, images

Paired = tuple[dict[Path, list[Path]], list[Path]]  # image -> its masks; masks that are left over


def read_defects(
    root: Path, masks: Path, good: str = GOOD, pair: Callable[[Iterable[Path], Path], Paired] | None = None
) -> tuple[list[Item], list[str]]:
    """Items and warnings: every sub-folder of `root` is a kind of defect except `good`.

    Args:
        masks: folder of the masks, with the same sub-folders.
        good: name of the folder of good images.
        pair: assignment of the masks of one kind to its images; None = by name.
    """
    items: list[Item] = []
    used: set[Path] = set()
    for folder in folders(root):
        if folder == masks:
            continue
        files = images(folder)
        pairs, _ = (pair or by_name)(files, masks / folder.name)
        used.update(mask for found in pairs.values() for mask in found)
        label, defect = (0, GOOD) if folder.name == good else (1, folder.name)
        items += [Item(file, label, defect, tuple(map(MaskFile, pairs.get(file, ())))) for file in files]
    return items, lonely([mask for mask in _below(masks) if mask not in used])


def by_name(files: Iterable[Path], masks: Path) -> Paired:
    """Pairs with the masks directly inside the folder `masks`; see `pairs_of`."""
    return pairs_of(files, images(masks) if masks.is_dir() else ())


def pairs_of(files: Iterable[Path], masks: Iterable[Path], suffix: str = "_mask") -> Paired:
    """Images with their mask, named `<stem><suffix>.<any>` or `<stem>.<any>`, and the masks left over."""
    by_stem = {file.stem: file for file in files}
    pairs: dict[Path, list[Path]] = {}
    unmatched = []
    for mask in masks:
        image = by_stem.get(mask.stem) or by_stem.get(mask.stem.removesuffix(suffix))
        if image is None:
            unmatched.append(mask)
        else:
            pairs[image] = [mask]
    return pairs, unmatched


def _below(folder: Path) -> list[Path]:
    """Images in the sub-folders of a folder, at any depth."""
    if not folder.is_dir():
        return []
    return [mask for inner in folders(folder) for mask in (*images(inner), *_below(inner))]
