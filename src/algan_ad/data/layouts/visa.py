"""VisA: <object>/Data/Images/Normal, Images/Anomaly and Masks/Anomaly; split_csv/1cls.csv beside the objects divides.

Y. Zou et al. SPot-the-Difference Self-supervised Pre-training for Anomaly Detection and Segmentation. ECCV 2022.
The table's columns are object, split (train, test), label (normal, anomaly), image and mask. A mask holds the number
of a kind of defect in each pixel.
"""

from pathlib import Path

from algan_ad.data.layouts.defect_folders import by_name
from algan_ad.data.layouts.items import ANOMALOUS, GOOD, Contents, Item, normal
from algan_ad.data.layouts.parts import PARTS, Part, divided
from algan_ad.data.layouts.tables import file_named, read_rows
from algan_ad.data.masks import MaskFile
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.listing import images

LOOKS_LIKE = "Data/Images/Normal, Data/Images/Anomaly, Data/Masks/Anomaly; divided by ../split_csv/1cls.csv, if any"
COLUMNS = ("object", "split", "label", "image", "mask")
LABELS = {"normal": 0, "anomaly": 1}


def recognises(root: Path) -> bool:
    """True for the folder of one object."""
    return (root / "Data" / "Images" / "Normal").is_dir()


def read(root: Path) -> Contents:
    """Contents in the parts of the table; if there is none, all normal images train and all anomalous ones test."""
    here = root.resolve()
    table = here.parent / "split_csv" / "1cls.csv"
    return _listed(root, here.name, table) if table.is_file() else _whole(root)


def _listed(root: Path, name: str, table: Path) -> Contents:
    parts: dict[Part | None, list[Item]] = {}
    for number, row in enumerate(read_rows(table, COLUMNS), 1):
        if row["object"] != name:
            continue
        where = f"{table}: row {number}"
        label, part = LABELS.get(row["label"]), PARTS.get(row["split"])
        if label is None or part is None:
            raise InputError(
                f"{where}: split {row['split']!r}, label {row['label']!r}; expected train or test, normal or anomaly"
            )
        path, mask = (row[column].removeprefix(f"{name}/") for column in ("image", "mask"))
        masks = (MaskFile(file_named(mask, root, where)),) if mask and label else ()
        item = Item(file_named(path, root, where), label, ANOMALOUS if label else GOOD, masks)
        parts.setdefault(part, []).append(item)
    if not parts:
        raise InputError(f"{table}: no row of the object {name!r}; expected the name of its folder")
    return divided(parts)


def _whole(root: Path) -> Contents:
    folder = root / "Data" / "Images" / "Anomaly"
    files = images(folder) if folder.is_dir() else ()
    masks, _ = by_name(files, root / "Data" / "Masks" / "Anomaly")
    bad = [Item(file, 1, ANOMALOUS, tuple(map(MaskFile, masks.get(file, ())))) for file in files]
    return divided({None: [*normal(images(root / "Data" / "Images" / "Normal")), *bad]})
