"""Good images alone, or a folder of good images beside folders of bad ones."""

from pathlib import Path

from algan_ad.data.layouts.defect_folders import read_defects
from algan_ad.data.layouts.items import GOOD, Contents, ignored, normal
from algan_ad.data.layouts.mvtec import MASKS
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.listing import folders, images

LOOKS_LIKE = "good images, or good beside <defect>"


def recognises(root: Path) -> bool:
    """True for a folder with images or with a sub-folder good."""
    return bool(images(root)) or (root / GOOD).is_dir()


def read(root: Path) -> Contents:
    """Contents: good images to train on, bad ones to test on."""
    if (root / GOOD).is_dir():
        defects, warnings = read_defects(root, root / MASKS)
        good = normal(images(root / GOOD))
        if not good:
            raise InputError(f"{root / GOOD}: no images found; expected the images of good parts there")
        bad = [item for item in defects if item.label]
        return Contents(good, bad, warnings=[*warnings, *ignored(images(root), f"lie beside '{GOOD}'")])
    inside = [image for folder in folders(root) for image in images(folder)]
    where = f"lie in sub-folders; to use those as kinds of defect, put the good images into '{GOOD}'"
    return Contents(normal(images(root)), warnings=ignored(inside, where))
