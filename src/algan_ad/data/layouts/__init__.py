"""A folder or list on disk as a `Dataset`: its good images, its bad images and their masks.

There is one file for each layout. It describes the layout, recognises it, and reads it.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Protocol

from algan_ad.data.catalog import DATASETS, MVTEC_CATEGORIES, Category, Layout
from algan_ad.data.layouts import (
    btad,
    coco,
    coil,
    flat,
    kolektor_sdd,
    kolektor_sdd2,
    listed,
    mtd,
    mvtec,
    mvtec_loco,
    visa,
    yolo,
)
from algan_ad.data.layouts.items import GOOD, Contents, Dataset, Item
from algan_ad.data.recipe import Recipe
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.listing import folders

__all__ = ["GOOD", "LAYOUTS", "Dataset", "Item", "Recipe", "is_list", "open_dataset"]


class Reader(Protocol):
    """The module of a layout."""

    LOOKS_LIKE: str

    def recognises(self, root: Path, /) -> bool: ...
    def read(self, root: Path, /) -> Contents: ...


#: Layouts by folders, in the order in which they are tried: the first that recognises the folder reads it.
BY_FOLDERS: dict[Layout, Reader] = {
    "visa": visa,
    "btad": btad,
    "mvtec-loco": mvtec_loco,
    "kolektor-sdd2": kolektor_sdd2,
    "mvtec": mvtec,
    "mtd": mtd,
    "kolektor-sdd": kolektor_sdd,
    "coil-100": coil,
    "flat": flat,
}
#: Layouts by annotations, which themselves label the good images. Their images may lie anywhere in the folder.
BY_ANNOTATIONS: dict[Layout, Reader] = {"list": listed, "coco": coco, "yolo": yolo}
LAYOUTS = BY_FOLDERS | BY_ANNOTATIONS


def open_dataset(path: str | Path, name: str | None = None, category: str | None = None) -> Dataset:
    """Recognise the layout of a folder and list its images.

    Args:
        path: a folder in one of `LAYOUTS`, or a list of images (.csv, .parquet) with the columns path and label.
        name: a name for the dataset; one of `catalog.DATASETS` also brings that dataset's recipe.
        category: sub-folder to open, for a folder that holds several parts.

    Raises:
        InputError: no such folder, no images, a layout that is none of the above or could be two of them, anomalies
            inside train, a list or annotations with mistakes, a group of images in two parts.
        MissingExtra: a Parquet list without pyarrow.
    """
    root, layout = _recognised(Path(path), category)
    contents = LAYOUTS[layout].read(root)
    items = [*contents.train, *contents.calibration, *contents.test]
    if not items:
        raise InputError(f"{root}: no images found; expected image files such as .png or .jpg")
    _check(root, items, contents)
    published = _published(name, root, layout, n_train=len(contents.train))
    own = root.stem if root.is_file() else root.resolve().name
    return Dataset(
        name=name or (layout if layout in DATASETS else own),
        root=root.parent if root.is_file() else root,
        layout=layout,
        train=tuple(contents.train),
        test=tuple(contents.test),
        warnings=(*contents.warnings, *_missing(layout, published, len(items))),
        recipe=published.recipe if published else Recipe(),
        calibration=tuple(contents.calibration),
        test_apart=contents.test_apart,
        published=published is not None,
    )


def is_list(path: Path) -> bool:
    """True for a table of images; other tables hold vectors. Raises InputError if it cannot be read."""
    return path.is_file() and listed.recognises(path)


def _recognised(path: Path, category: str | None) -> tuple[Path, Layout]:
    if is_list(path):
        return path, "list"
    root = _root(path, category)
    return root, _detect(root)


def _root(path: Path, category: str | None) -> Path:
    if not path.is_dir():
        found = "is a file" if path.exists() else "does not exist"
        raise InputError(f"{path}: {found}; expected a folder of images, or {listed.LOOKS_LIKE}")
    if category is None or path.name == category:
        return path
    if not (path / category).is_dir():
        held = ", ".join(folder.name for folder in folders(path)) or "none"
        raise InputError(f"{path}: no category {category!r}; its sub-folders are: {held}")
    return path / category


def _detect(root: Path) -> Layout:
    by_folders = next((layout for layout, reader in BY_FOLDERS.items() if reader.recognises(root)), None)
    by_annotations = [layout for layout, reader in BY_ANNOTATIONS.items() if reader.recognises(root)]
    named_good = any(folder.is_dir() for folder in (root / GOOD, root / "train" / GOOD))
    if by_annotations and by_folders in ("flat", "coil-100", "mvtec") and not named_good:
        by_folders = None  # images beside annotations belong to them
    found = [*([by_folders] if by_folders else []), *by_annotations]
    if not found:
        raise InputError(_unknown(root))
    if len(found) > 1:
        kinds = " and ".join(f"{layout} ({LAYOUTS[layout].LOOKS_LIKE})" for layout in found)
        raise InputError(f"{root}: could be {kinds}; leave one of them in this folder, or give the list itself")
    return found[0]


def _unknown(root: Path) -> str:
    names = [folder.name for folder in folders(root)]
    parts = [name for name in names if (root / name / "train").is_dir() or visa.recognises(root / name)]
    if parts:
        several = f"holds several parts; give the folder of one of them, as {root / parts[0]} (of {', '.join(parts)})"
        return f"{root}: {several}"
    if names:
        return (
            f"{root}: no images in it, and no sub-folder 'good' or 'train' among {', '.join(names[:8])}; "
            "put the images of good parts into a sub-folder named 'good', or lay them out as one of: "
            + "; ".join(f"{layout} ({reader.LOOKS_LIKE})" for layout, reader in LAYOUTS.items())
        )
    return f"{root}: the folder holds no images; expected image files such as .png or .jpg"


def _check(root: Path, items: Sequence[Item], contents: Contents) -> None:
    """Raise InputError for contents that would make figures wrong, whatever the layout."""
    for item in items:
        if item.label and item.defect == GOOD:
            raise InputError(f"{item.path}: anomalous, but of kind {GOOD!r}; give the kind of defect another name")
    path, n = Counter(item.path for item in items).most_common(1)[0]
    if n > 1:
        raise InputError(f"{path}: is named {n} times; expected each image once, in one part")
    if not contents.test_apart:
        return
    parts = {"train": contents.train, "calibration": contents.calibration, "test": contents.test}
    groups = {part: {item.group for item in items} - {None} for part, items in parts.items()}
    for first, second in combinations(groups, 2):
        if both := groups[first] & groups[second]:
            raise InputError(
                f"{root}: group {min(map(str, both))!r} is in {first} and in {second}; "
                "expected all images of a group in one of them"
            )


def _published(name: str | None, root: Path, layout: Layout, n_train: int) -> Category | None:
    """The catalogue's entry for this folder: by the given name, or recognised by layout, folder and count."""
    folder = root.resolve().name
    if name in DATASETS:
        entry = DATASETS[name]
        category = name if len(entry.categories) == 1 else folder
        if entry.layout != layout or category not in entry.categories:
            raise InputError(
                f"{root}: not the {entry.title}, or none of its categories "
                f"({', '.join(entry.categories)}). {entry.instructions}"
            )
        return entry.categories[category]
    if layout in DATASETS:
        return DATASETS[layout].categories[layout]
    known = MVTEC_CATEGORIES.get(folder)
    return known if known and layout == "mvtec" and known.counts.train == n_train else None


def _missing(layout: Layout, published: Category | None, n_found: int) -> list[str]:
    if published is None or layout == "mvtec":
        return []
    wanted = published.counts.train + published.counts.normal + published.counts.anomalous
    return [f"{n_found} images found, {wanted} published"] if n_found != wanted else []
