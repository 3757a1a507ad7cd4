"""Magnetic Tile Defects: MT_Free and MT_<defect>, as published or flattened; a mask is the .png beside a .jpg.

Y. Huang, C. Qiu, K. Yuan. Surface defect saliency of magnetic tile. The Visual Computer 36, 2020.
"""

from pathlib import Path

from algan_ad.data.layouts.defect_folders import pairs_of
from algan_ad.data.layouts.items import Contents, Item, lonely, normal
from algan_ad.data.masks import MaskFile
from algan_ad.runtime.listing import folders, images

LOOKS_LIKE = "MT_Free, MT_<defect>"


def recognises(root: Path) -> bool:
    """True for a folder with a sub-folder MT_Free."""
    return (root / "MT_Free").is_dir()


def read(root: Path) -> Contents:
    """Contents: good tiles to train on, defective ones to test on."""
    train: list[Item] = []
    test: list[Item] = []
    unmatched: list[Path] = []
    for folder in folders(root):
        if not folder.name.startswith("MT_"):
            continue
        source = folder / "Imgs" if (folder / "Imgs").is_dir() else folder  # as published, or flattened
        files = images(source)
        tiles = [file for file in files if file.suffix.lower() != ".png"]
        pairs, left = pairs_of(tiles, [file for file in files if file.suffix.lower() == ".png"])
        unmatched += left
        if folder.name == "MT_Free":
            train += normal(tiles)  # their masks are all background
        else:
            defect = folder.name.removeprefix("MT_").lower()
            test += [Item(tile, 1, defect, tuple(map(MaskFile, pairs.get(tile, ())))) for tile in tiles]
    return Contents(train, test, warnings=lonely(unmatched))
