"""A list of images: a CSV or Parquet table with the columns path and label, in or above the folder of the images.

Further columns: defect (the kind), mask (a file), split (train, calibration, validation or test), group (images of one
part, which stay on one side of every split). Others are ignored, with a warning. Paths are relative to the table.
"""

from pathlib import Path

from algan_ad.data.layouts.items import ANOMALOUS, GOOD, Contents, Item
from algan_ad.data.layouts.parts import PARTS, Part, divided
from algan_ad.data.layouts.tables import SUFFIXES, file_named, head_of, read_rows
from algan_ad.data.masks import MaskFile
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.listing import files_ending

LOOKS_LIKE = "a table .csv or .parquet with the columns path and label"
NEEDED = ("path", "label")
OPTIONAL = ("defect", "mask", "split", "group")
LABELS = {
    **dict.fromkeys(("0", "good", "normal", "ok"), 0),
    **dict.fromkeys(("1", "bad", "anomalous", "anomaly", "abnormal", "defective", "ko", "ng"), 1),
}

Row = dict[str, str]


def recognises(path: Path) -> bool:
    """True for a table with these columns, or a folder that holds one."""
    return bool(_lists_in(path))


def read(path: Path) -> Contents:
    """The images of a list, in the order of its rows."""
    found = _lists_in(path) or [path]
    if len(found) > 1:
        raise InputError(f"{path}: holds several lists ({', '.join(table.name for table in found)}); give one of them")
    return _read(found[0])


def _lists_in(path: Path) -> list[Path]:
    tables = files_ending(path, SUFFIXES) if path.is_dir() else [path] if path.suffix.lower() in SUFFIXES else []
    return [table for table in tables if set(NEEDED) <= set(head_of(table))]


def _read(table: Path) -> Contents:
    rows = read_rows(table, NEEDED)
    parts: dict[Part | None, list[Item]] = {}
    seen: dict[Path, int] = {}
    for number, row in enumerate(rows, 1):
        where = f"{table}: row {number}"
        item = _item(row, table.parent, where)
        if item.path in seen:
            raise InputError(f"{where}: {row['path']} is in row {seen[item.path]}, too; name each image once")
        seen[item.path] = number
        parts.setdefault(_part(row, where), []).append(item)
    unknown = [name for name in rows[0] if name not in (*NEEDED, *OPTIONAL)]
    said = [f"columns are ignored: {', '.join(unknown)}; known: {', '.join(NEEDED + OPTIONAL)}"] if unknown else []
    return divided(parts, said)


def _item(row: Row, root: Path, where: str) -> Item:
    label = LABELS.get(row["label"].lower())
    if label is None:
        raise InputError(
            f"{where}: label {row['label']!r}; expected one of {', '.join(LABELS)} (the kind of a defect belongs into "
            "the column defect)"
        )
    defect = row.get("defect") or (ANOMALOUS if label else GOOD)
    if (defect == GOOD) == bool(label):
        raise InputError(f"{where}: label {row['label']!r}, but defect {defect!r}; expected the two to agree")
    path = file_named(row["path"], root, where)
    masks = (MaskFile(file_named(row["mask"], root, where)),) if row.get("mask") and label else ()
    return Item(path, label, defect, masks, row.get("group") or None)


def _part(row: Row, where: str) -> Part | None:
    if "split" not in row:
        return None
    part = PARTS.get(row["split"].lower())
    if part is None:
        raise InputError(f"{where}: split {row['split']!r}; expected one of {', '.join(PARTS)}")
    return part
