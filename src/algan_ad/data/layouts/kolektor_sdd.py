"""KolektorSDD: kosNN/PartM.jpg beside kosNN/PartM_label.bmp, a folder for each of fifty commutators.

D. Tabernik et al. Segmentation-based deep-learning approach for surface-defect detection. Journal of Intelligent
Manufacturing 31, 2020. The eight images of a folder show one commutator, and the paper's folds keep them together.
"""

from dataclasses import replace
from pathlib import Path

from algan_ad.data.layouts.items import GOOD, Contents
from algan_ad.data.layouts.masks_beside import holds_masks, read_beside
from algan_ad.data.layouts.parts import divided
from algan_ad.runtime.listing import folders, images

LOOKS_LIKE = "<part>/<image> beside <part>/<image>_label"
SUFFIX = "_label"


def recognises(root: Path) -> bool:
    """True for a folder without images and without `good`, whose sub-folders hold images beside <image>_label."""
    inner = folders(root)
    own = bool(images(root)) or any(folder.name == GOOD for folder in inner)
    return not own and any(holds_masks(folder, SUFFIX) for folder in inner)


def read(root: Path) -> Contents:
    """All images; those of one folder form a group."""
    items, warnings = read_beside(folders(root), SUFFIX)
    return divided({None: [replace(item, group=item.path.parent.name) for item in items]}, warnings)
