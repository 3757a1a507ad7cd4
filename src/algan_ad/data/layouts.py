"""A folder on disk -> a `Dataset`: which images are good, which are not, and where their masks are."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from algan_ad.data.catalog import DATASETS, MVTEC_CATEGORIES, Category, Layout
from algan_ad.data.recipe import Recipe
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.listing import folders, images

__all__ = ["GOOD", "Dataset", "Item", "Recipe", "open_dataset"]

GOOD = "good"
MASKS = "ground_truth"
COIL_VIEW = re.compile(r"obj(\d+)__(\d+)")


@dataclass(frozen=True)
class Item:
    """One image. `label` 0 is normal, 1 anomalous; `defect` is "good" or the kind of defect."""

    path: Path
    label: int
    defect: str
    mask: Path | None = None


@dataclass(frozen=True)
class Dataset:
    """What a folder holds, before any split.

    `train` holds normal images only. `test` holds labelled images where the layout sets them apart ("mvtec");
    in "mtd" and "flat" it holds the anomalous ones, and the normal ones to test on are still in `train`.
    In "coil-100" no object is normal yet: `train` is empty and `test` holds every view, `defect` naming its
    object; `splits.split` chooses the normal objects.
    """

    name: str
    root: Path
    layout: Layout
    train: tuple[Item, ...]
    test: tuple[Item, ...]
    warnings: tuple[str, ...]
    recipe: Recipe


Contents = tuple[list[Item], list[Item], list[str]]  # train, test, warnings


def open_dataset(path: str | Path, name: str | None = None, category: str | None = None) -> Dataset:
    """Detect the layout of a folder and list its images, sorted by path.

    Args:
        path: an MVTec-like folder (train/good, test/<defect>, ground_truth/<defect>), good images in the
            folder itself or in good/ (other sub-folders are kinds of defect), MTD (MT_Free, MT_*) or
            COIL-100 (objK__ANGLE.*).
        name: a name for the dataset; one of `catalog.DATASETS` also brings that dataset's recipe.
        category: sub-folder to open, for a folder that holds several parts.

    Raises:
        InputError: no such folder, no images, a layout that is none of the above, anomalies inside train.
    """
    root = _root(Path(path), category)
    layout = _detect(root)
    train, test, warnings = _READERS[layout](root)
    if not train and not test:
        raise InputError(f"{root}: no images found; expected image files such as .png or .jpg")
    published = _published(name, root, layout, n_train=len(train))
    return Dataset(
        name=name or (layout if layout in DATASETS else root.resolve().name),
        root=root,
        layout=layout,
        train=tuple(train),
        test=tuple(test),
        warnings=(*warnings, *_missing(layout, published, len(train) + len(test))),
        recipe=published.recipe if published else Recipe(),
    )


def _root(path: Path, category: str | None) -> Path:
    if not path.is_dir():
        found = "is a file" if path.exists() else "does not exist"
        raise InputError(f"{path}: {found}; expected a folder of images")
    if category is None or path.name == category:
        return path
    if not (path / category).is_dir():
        held = ", ".join(folder.name for folder in folders(path)) or "none"
        raise InputError(f"{path}: no category {category!r}; its sub-folders are: {held}")
    return path / category


def _detect(root: Path) -> Layout:
    names = [folder.name for folder in folders(root)]
    files = images(root)
    if "train" in names:
        return "mvtec"
    if "MT_Free" in names:
        return "mtd"
    if files:
        return "coil-100" if all(COIL_VIEW.fullmatch(file.stem) for file in files) else "flat"
    if GOOD in names:
        return "flat"
    parts = [folder for folder in names if (root / folder / "train").is_dir()]
    if parts:
        raise InputError(
            f"{root}: holds several parts; give the folder of one of them, as {root / parts[0]} (of {', '.join(parts)})"
        )
    if names:
        raise InputError(
            f"{root}: no images in it, and no sub-folder 'good' or 'train' among {', '.join(names[:8])}; "
            "put the images of good parts into a sub-folder named 'good'"
        )
    raise InputError(f"{root}: the folder holds no images; expected image files such as .png or .jpg")


def _read_mvtec(root: Path) -> Contents:
    train = root / "train"
    for folder in folders(train):
        if folder.name != GOOD and images(folder):
            raise InputError(
                f"{folder}: a folder of anomalous images inside train; only 'train/{GOOD}' may hold images, "
                f"move this one to {root / 'test' / folder.name}"
            )
    if not (train / GOOD).is_dir():
        raise InputError(f"{train / GOOD}: no such folder; expected the images of good parts there")
    test, warnings = _read_defects(root / "test", root / MASKS) if (root / "test").is_dir() else ([], [])
    strays = images(train) + (images(root / "test") if (root / "test").is_dir() else ())
    warnings += _ignored(strays, "lie directly in train or test")
    good = _normal(images(train / GOOD))
    if not good:
        raise InputError(f"{train / GOOD}: no images found; expected image files such as .png or .jpg")
    return good, test, warnings


def _read_flat(root: Path) -> Contents:
    if (root / GOOD).is_dir():
        defects, warnings = _read_defects(root, root / MASKS)
        bad = [item for item in defects if item.label]
        good = _normal(images(root / GOOD))
        if not good:
            raise InputError(f"{root / GOOD}: no images found; expected the images of good parts there")
        return good, bad, warnings + _ignored(images(root), f"lie beside '{GOOD}'")
    inside = [image for folder in folders(root) for image in images(folder)]
    where = f"lie in sub-folders; to use those as kinds of defect, put the good images into '{GOOD}'"
    return _normal(images(root)), [], _ignored(inside, where)


def _read_mtd(root: Path) -> Contents:
    train: list[Item] = []
    test: list[Item] = []
    unmatched: list[Path] = []
    for folder in folders(root):
        if not folder.name.startswith("MT_"):
            continue
        source = folder / "Imgs" if (folder / "Imgs").is_dir() else folder  # as published, or flattened
        files = images(source)
        tiles = [file for file in files if file.suffix.lower() != ".png"]  # masks are the .png beside a .jpg
        pairs, left = _masks_of(tiles, [file for file in files if file.suffix.lower() == ".png"])
        unmatched += left
        if folder.name == "MT_Free":
            train += _normal(tiles)  # their masks are all background
        else:
            defect = folder.name.removeprefix("MT_").lower()
            test += [Item(tile, 1, defect, pairs.get(tile)) for tile in tiles]
    return train, test, _lonely(unmatched)


def _read_coil(root: Path) -> Contents:
    views = sorted(images(root), key=lambda view: [int(number) for number in COIL_VIEW.findall(view.stem)[0]])
    return [], [Item(view, 1, view.stem.split("__")[0]) for view in views], []


_READERS: dict[Layout, Callable[[Path], Contents]] = {
    "mvtec": _read_mvtec,
    "flat": _read_flat,
    "mtd": _read_mtd,
    "coil-100": _read_coil,
}


def _read_defects(root: Path, masks: Path) -> tuple[list[Item], list[str]]:
    """Every sub-folder of `root` is a kind of defect but "good"; masks lie in `masks`, by the same name."""
    items: list[Item] = []
    for folder in folders(root):
        if folder == masks:
            continue
        files = images(folder)
        candidates = images(masks / folder.name) if (masks / folder.name).is_dir() else ()
        pairs, _ = _masks_of(files, candidates)
        items += [Item(file, int(folder.name != GOOD), folder.name, pairs.get(file)) for file in files]
    used = {item.mask for item in items}
    every = [mask for folder in folders(masks) for mask in images(folder)] if masks.is_dir() else []
    return items, _lonely([mask for mask in every if mask not in used])


def _normal(paths: tuple[Path, ...] | list[Path]) -> list[Item]:
    return [Item(path, 0, GOOD) for path in paths]


def _masks_of(paths: Iterable[Path], masks: Iterable[Path]) -> tuple[dict[Path, Path], list[Path]]:
    """Pairs image -> mask, named `<stem>_mask.<any>` or `<stem>.<any>`, and the masks left over."""
    by_stem = {path.stem: path for path in paths}
    pairs: dict[Path, Path] = {}
    unmatched = []
    for mask in masks:
        image = by_stem.get(mask.stem) or by_stem.get(mask.stem.removesuffix("_mask"))
        if image is None:
            unmatched.append(mask)
        else:
            pairs[image] = mask
    return pairs, unmatched


def _lonely(masks: list[Path]) -> list[str]:
    return [f"{len(masks)} masks match no image, the first is {masks[0]}"] if masks else []


def _ignored(paths: tuple[Path, ...] | list[Path], where: str) -> list[str]:
    return [f"{len(paths)} images are ignored, they {where}; the first is {paths[0]}"] if paths else []


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
