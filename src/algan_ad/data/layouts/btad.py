"""BTAD (beanTech): MVTec-AD's folders, named ok and ko.

P. Mishra et al. VT-ADL: A Vision Transformer Network for Image Anomaly Detection and Localization. ISIE 2021.
The suffixes of images and masks (.bmp, .png) differ by product.
"""

from pathlib import Path

from algan_ad.data.layouts import mvtec
from algan_ad.data.layouts.items import Contents

LOOKS_LIKE = "train/ok, test/ok, test/ko, ground_truth/ko"
OK = "ok"


def recognises(root: Path) -> bool:
    """True for a folder with a sub-folder train/ok."""
    return (root / "train" / OK).is_dir()


def read(root: Path) -> Contents:
    """Contents in the parts of MVTec-AD; the one kind of defect is named "ko"."""
    return mvtec.read(root, good=OK)
