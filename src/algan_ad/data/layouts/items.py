"""One image, and a data set: the results of the readers of all layouts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from algan_ad.data.catalog import Layout
from algan_ad.data.masks import MaskFile, MaskSource
from algan_ad.data.recipe import Recipe

GOOD = "good"
ANOMALOUS = "anomalous"  # kind of defect if the layout names none


@dataclass(frozen=True)
class Item:
    """One image.

    `label` 0 is normal, 1 anomalous; `defect` is "good" or the kind of defect. `masks` mark the defects, all together.
    Images of one `group`, such as those of one part, stay on one side of every split; None is a group of its own.
    """

    path: Path
    label: int
    defect: str
    masks: tuple[MaskSource, ...] = ()
    group: str | None = None

    @property
    def mask_files(self) -> tuple[Path, ...]:
        """The masks that are files."""
        return tuple(mask.path for mask in self.masks if isinstance(mask, MaskFile))


@dataclass(frozen=True)
class Contents:
    """Images as a layout lists them; see `Dataset` for the parts."""

    train: Sequence[Item] = ()
    test: Sequence[Item] = ()
    calibration: Sequence[Item] = ()
    test_apart: bool = False
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Dataset:
    """The images of a data set, before any split.

    `train` holds normal images only. With `test_apart` the layout sets apart the test images: `test` holds labelled
    images, good ones included, and `calibration` the normal images set apart to calibrate, if any.
    Elsewhere `test` holds the anomalous images, and the normal ones to test on are still in `train`.
    In "coil-100" no object is normal yet: `train` is empty, `test` holds every view, and `defect` names its
    object; `splits.split` chooses the normal objects.
    A `published` data set is one of the catalogue, and its recipe the thesis's (5.2.5).
    """

    name: str
    root: Path
    layout: Layout
    train: tuple[Item, ...]
    test: tuple[Item, ...]
    warnings: tuple[str, ...]
    recipe: Recipe
    calibration: tuple[Item, ...] = ()
    test_apart: bool = False
    published: bool = False

    @property
    def items(self) -> tuple[Item, ...]:
        """Every image."""
        return (*self.train, *self.calibration, *self.test)


def normal(paths: Iterable[Path], group: str | None = None) -> list[Item]:
    """Items of good images."""
    return [Item(path, 0, GOOD, group=group) for path in paths]


def ignored(paths: Sequence[Path], where: str) -> list[str]:
    """A warning about images that are not used, if there are any."""
    return [f"{len(paths)} images are ignored because they {where}; the first is {paths[0]}"] if paths else []


def lonely(masks: Sequence[Path], what: str = "masks") -> list[str]:
    """A warning about masks, or other files, that belong to no image, if there are any."""
    return [f"{len(masks)} {what} match no image, the first is {masks[0]}"] if masks else []
