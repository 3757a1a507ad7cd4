"""KolektorSDD2: train/NUMBER.png and test/NUMBER.png beside NUMBER_GT.png.

J. Božič, D. Tabernik, D. Skočaj. Mixed supervision for surface-defect detection: From weakly to fully supervised
learning. Computers in Industry 129, 2021.
"""

from pathlib import Path

from algan_ad.data.layouts.items import Contents, Item
from algan_ad.data.layouts.masks_beside import holds_masks, read_beside
from algan_ad.data.layouts.parts import Part, divided

LOOKS_LIKE = "train/<image> and test/<image> beside <image>_GT"
SUFFIX = "_GT"


def recognises(root: Path) -> bool:
    """True for a folder whose sub-folder train holds images named <image>_GT."""
    return holds_masks(root / "train", SUFFIX)


def read(root: Path) -> Contents:
    """Contents: good images of train, and all images of test."""
    train, test = root / "train", root / "test"
    items, warnings = read_beside([folder for folder in (train, test) if folder.is_dir()], SUFFIX)
    parts: dict[Part | None, list[Item]] = {"train": [item for item in items if item.path.parent == train],
             "test": [item for item in items if item.path.parent == test]}  # fmt: skip
    return divided(parts, warnings)
