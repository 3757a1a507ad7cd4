"""KolektorSDD: kosNN/PartM.jpg beside kosNN/PartM_label.bmp, a folder for each of fifty commutators.

D. Tabernik et al. Segmentation-based deep-learning approach for surface-defect detection. Journal of Intelligent
Manufacturing 31, 2020. The eight images of a folder show one commutator, and the paper's folds keep them together.
"""

from dataclasses import replace
from pathlib import Path

from algan_ad.data.layouts.items import Contents
from algan_ad.data.layouts.masks_beside import holds_masks, read_beside
from algan_ad.data.layouts.parts import divided
from algan_ad.runtime.listing import folders

LOOKS_LIKE = "<part>/<image> beside <part>/<image>_label"
SUFFIX = "_label"


def recognises(root: Path) -> bool:
    """True for a folder whose sub-folders hold images named <image>_label."""
    return any(holds_masks(folder, SUFFIX) for folder in folders(root))


def read(root: Path) -> Contents:
    """All images, those of a folder in one group."""
    items, warnings = read_beside(folders(root), SUFFIX)
    return divided({None: [replace(item, group=item.path.parent.name) for item in items]}, warnings)
