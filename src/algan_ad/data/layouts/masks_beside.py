"""Images beside their masks. An image is anomalous when its mask marks something, as in both Kolektor layouts."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from algan_ad.data.layouts.defect_folders import pairs_of
from algan_ad.data.layouts.items import ANOMALOUS, GOOD, Item, lonely
from algan_ad.data.masks import MaskFile
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.listing import images
from algan_ad.runtime.progress import track


def holds_masks(folder: Path, suffix: str) -> bool:
    """True for a folder with an image and its mask `<stem><suffix>.<any>`."""
    stems = {file.stem for file in images(folder)} if folder.is_dir() else set()
    return any(f"{stem}{suffix}" in stems for stem in stems)


def read_beside(places: Iterable[Path], suffix: str) -> tuple[list[Item], list[str]]:
    """Items of several folders, whose masks are named `<stem><suffix>.<any>`, and warnings.

    An image without a readable mask has no label: it is left out.
    """
    mask_of: dict[Path, Path] = {}
    pictures: list[Path] = []
    unmatched: list[Path] = []
    for folder in places:
        files = images(folder)
        masks = [file for file in files if file.stem.endswith(suffix)]
        own = [file for file in files if not file.stem.endswith(suffix)]
        pairs, left = pairs_of(own, masks, suffix)
        mask_of |= {file: mask for file, (mask,) in pairs.items()}
        pictures += own
        unmatched += left
    marked = _marked(mask_of)
    items = [
        Item(file, 1, ANOMALOUS, (MaskFile(mask_of[file]),)) if marked[file] else Item(file, 0, GOOD)
        for file in pictures
        if file in marked
    ]
    return items, [*_bare([file for file in pictures if file not in marked], suffix), *lonely(unmatched)]


def _marked(mask_of: dict[Path, Path]) -> dict[Path, bool]:
    """Image -> True when its mask marks something; images whose mask cannot be read are left out."""

    def attempt(mask: Path) -> bool | None:
        try:
            return bool(MaskFile(mask).draw(mask).any())
        except InputError:
            return None

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        found = list(track(pool.map(attempt, mask_of.values()), "reading masks", total=len(mask_of)))
    return {file: marks for file, marks in zip(mask_of, found, strict=True) if marks is not None}


def _bare(files: list[Path], suffix: str) -> list[str]:
    if not files:
        return []
    return [
        f"{len(files)} images are left out, because they have no readable mask <name>{suffix}.* to label them; "
        f"the first is {files[0]}"
    ]
