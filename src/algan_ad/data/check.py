"""Check of a dataset before hours are spent on it: its use, and everything that is wrong with it."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from algan_ad.data.fingerprint import describe
from algan_ad.data.layouts import LAYOUTS, Dataset, Item
from algan_ad.data.overlap import copies_in_calibration, copies_in_test
from algan_ad.data.splits import Split
from algan_ad.runtime import images
from algan_ad.runtime.progress import track


@dataclass(frozen=True)
class Part:
    """Numbers of images of one part of a split."""

    normal: int
    anomalous: int
    with_mask: int


@dataclass(frozen=True)
class Report:
    """The result of `check`. Paths are text, so that the report can be written as JSON.

    Attributes:
        layout, looks_like: the layout that was recognised, and by what.
        parts: "train", "calibration", "validation", "test"; under protocol "thesis" the calibration images
            are also counted in validation.
        groups: number of groups of images that stay together; 0 where the layout names none.
        defects: number of images of each kind in the whole dataset, "good" included.
        sizes, modes: number of images of each size ("WIDTHxHEIGHT") and each mode (Pillow's, as "RGB" or "L").
        unreadable: file -> reason, masks included; these files would be skipped.
        overlaps: pairs of equal files (train, calibration or validation; test).
        copies: pairs of equal files (train; calibration).
        notes: the result of drawing by lot, as in `Split`.
        warnings: anything else worth a look.
    """

    name: str
    root: str
    layout: str
    looks_like: str
    protocol: str
    parts: dict[str, Part]
    groups: int
    defects: dict[str, int]
    sizes: dict[str, int]
    modes: dict[str, int]
    unreadable: dict[str, str]
    overlaps: list[tuple[str, str]]
    copies: list[tuple[str, str]]
    notes: dict[str, list[str]]
    warnings: list[str]

    def to_dict(self) -> dict[str, object]:
        """All fields, JSON-able."""
        return asdict(self)


def check(dataset: Dataset, split: Split) -> Report:
    """Decode every image and mask of `dataset` in full, and count what `split` makes of it."""
    items = dataset.items
    paths = [item.path for item in items]
    masks = [mask for item in items for mask in item.mask_files]
    unreadable = _unreadable([*paths, *masks])
    sizes, modes = describe([path for path in paths if str(path) not in unreadable])
    return Report(
        name=dataset.name,
        root=str(dataset.root),
        layout=dataset.layout,
        looks_like=LAYOUTS[dataset.layout].LOOKS_LIKE,
        protocol=split.protocol,
        parts={name: _count(getattr(split, name)) for name in ("train", "calibration", "validation", "test")},
        groups=len({item.group for item in items} - {None}),
        defects=dict(Counter(item.defect for item in items)),
        sizes=sizes,
        modes=modes,
        unreadable=unreadable,
        overlaps=_text(copies_in_test(split)),
        copies=_text(copies_in_calibration(split)),
        notes=split.notes,
        warnings=[*dataset.warnings, *_misfits(items, unreadable)],
    )


def _text(pairs: Sequence[tuple[Path, Path]]) -> list[tuple[str, str]]:
    return [(str(first), str(second)) for first, second in pairs]


def _count(items: Sequence[Item]) -> Part:
    anomalous = sum(item.label for item in items)
    return Part(len(items) - anomalous, anomalous, sum(bool(item.masks) for item in items))


def _unreadable(paths: Sequence[Path]) -> dict[str, str]:
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        reasons = list(track(pool.map(images.check, paths), "checking images", total=len(paths)))
    return {str(path): reason for path, reason in zip(paths, reasons, strict=True) if reason}


def _misfits(items: Iterable[Item], unreadable: dict[str, str]) -> list[str]:
    misfits = [
        mask
        for item in items
        for mask in item.mask_files
        if not {str(item.path), str(mask)} & unreadable.keys() and len(describe([item.path, mask])[0]) > 1
    ]
    if not misfits:
        return []
    return [f"{len(misfits)} masks differ in size from their image, the first is {misfits[0]}"]
