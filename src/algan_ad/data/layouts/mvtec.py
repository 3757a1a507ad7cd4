"""MVTec-AD: train/good, test/good, test/<defect>, masks in ground_truth/<defect>.

P. Bergmann et al. MVTec AD: A Comprehensive Real-World Dataset for Unsupervised Anomaly Detection. CVPR 2019.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from algan_ad.data.layouts.defect_folders import Paired, read_defects
from algan_ad.data.layouts.items import GOOD, Contents, ignored, normal
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.listing import folders, images

LOOKS_LIKE = "train/good, test/good, test/<defect>, ground_truth/<defect>"
MASKS = "ground_truth"


def recognises(root: Path) -> bool:
    """True for a folder with a sub-folder train."""
    return (root / "train").is_dir()


def read(root: Path, good: str = GOOD, pair: Callable[[Iterable[Path], Path], Paired] | None = None) -> Contents:
    """Contents of a folder that sets training and test images apart; see `read_defects` for `good` and `pair`."""
    train = root / "train"
    for folder in folders(train):
        if folder.name != good and images(folder):
            raise InputError(
                f"{folder}: a folder of anomalous images inside train; only 'train/{good}' may hold images, "
                f"move this one to {root / 'test' / folder.name}"
            )
    if not (train / good).is_dir():
        raise InputError(f"{train / good}: no such folder; expected the images of good parts there")
    test, warnings = read_defects(root / "test", root / MASKS, good, pair) if (root / "test").is_dir() else ([], [])
    strays = images(train) + (images(root / "test") if (root / "test").is_dir() else ())
    files = images(train / good)
    if not files:
        raise InputError(f"{train / good}: no images found; expected image files such as .png or .jpg")
    return Contents(
        normal(files), test, test_apart=True, warnings=[*warnings, *ignored(strays, "lie directly in train or test")]
    )
