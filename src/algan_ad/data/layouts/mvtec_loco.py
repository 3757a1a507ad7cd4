"""MVTec-LOCO: MVTec-AD's folders, good images in validation/good, several masks of one image in a folder of its name.

P. Bergmann et al. Beyond Dents and Scratches: Logical Constraints in Unsupervised Anomaly Detection and Localization.
IJCV 130, 2022. A mask holds one defect, as a grey value of its kind; the masks of `test/<kind>/005.png` are
`ground_truth/<kind>/005/000.png`, `001.png` and so on.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from algan_ad.data.layouts import mvtec
from algan_ad.data.layouts.defect_folders import Paired
from algan_ad.data.layouts.items import GOOD, Contents, normal
from algan_ad.runtime.listing import images

LOOKS_LIKE = "train/good, validation/good, test/<kind>, ground_truth/<kind>/<image>/000.png"


def recognises(root: Path) -> bool:
    """True for a folder with the sub-folders train/good and validation/good."""
    return all((root / part / GOOD).is_dir() for part in ("train", "validation"))


def read(root: Path) -> Contents:
    """Contents in the parts of MVTec-AD; the good images for validation calibrate."""
    return replace(mvtec.read(root, pair=_by_folder), calibration=normal(images(root / "validation" / GOOD)))


def _by_folder(files: Iterable[Path], masks: Path) -> Paired:
    return {file: list(images(masks / file.stem)) for file in files if (masks / file.stem).is_dir()}, []
