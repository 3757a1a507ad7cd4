"""YOLO: images/ beside labels/, a .txt of one line for each object; an image without one is good.

https://docs.ultralytics.com/datasets/detect (and /segment). A line holds a class and, as fractions of width and height,
the centre, width and height of a box, or the corners of a polygon. The parts are images/train with labels/train, or
train/images with train/labels, or there are none. classes.txt, if any, names the classes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from algan_ad.data.layouts.items import GOOD, Contents, Item, lonely
from algan_ad.data.layouts.parts import Part, divided, part_named
from algan_ad.data.masks import Polygon
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.listing import files_ending, folders, images

LOOKS_LIKE = "images beside labels/*.txt"
IMAGES, LABELS, NAMES = "images", "labels", "classes.txt"


def recognises(root: Path) -> bool:
    """True for a folder with the sub-folders images and labels, or with such a sub-folder for each part."""
    return any(True for _ in _places(root))


def read(root: Path) -> Contents:
    """Contents: labelled images are anomalous, and their boxes and polygons are the masks."""
    parts: dict[Part | None, list[Item]] = {}
    left: list[Path] = []
    n_labels = 0
    names = _names(root)
    for part, pictures, labels in _places(root):
        if not labels.is_dir():
            raise InputError(f"{labels}: no such folder; expected it, empty where all images of {pictures} are good")
        found = {file.stem: file for file in files_ending(labels, (".txt",)) if file.name != NAMES}
        n_labels += len(found)
        parts.setdefault(part, []).extend(_item(file, found.pop(file.stem, None), names) for file in images(pictures))
        left += found.values()
    if not n_labels:
        raise InputError(f"{root}: no label file <image>.txt in {LABELS}; expected one for each image with a defect")
    return divided(parts, lonely(left, "label files"))


def _places(root: Path) -> Iterator[tuple[Part | None, Path, Path]]:
    """The part, the folder of images and the folder of labels of each place."""
    both = (root / IMAGES, root / LABELS)
    if all(folder.is_dir() for folder in both):
        yield None, *both
        for inner in folders(root / IMAGES):
            yield part_named(inner.name), inner, root / LABELS / inner.name
        return
    for folder in folders(root):
        if part_named(folder.name) and (folder / IMAGES).is_dir() and (folder / LABELS).is_dir():
            yield part_named(folder.name), folder / IMAGES, folder / LABELS


def _names(root: Path) -> list[str]:
    """Names of the classes if a file lists them."""
    for file in (root / NAMES, root / LABELS / NAMES):
        if file.is_file():
            return [line.strip() for line in _text(file).splitlines()]
    return []


def _item(image: Path, labels: Path | None, names: Sequence[str]) -> Item:
    lines = _text(labels).splitlines() if labels else []
    marks = [_mark(line, f"{labels}: line {i}", names) for i, line in enumerate(lines, 1) if line.strip()]
    if not marks:
        return Item(image, 0, GOOD)
    kinds = dict.fromkeys(kind for kind, _ in marks)
    return Item(image, 1, " + ".join(kinds), tuple(polygon for _, polygon in marks))


def _mark(line: str, where: str, names: Sequence[str]) -> tuple[str, Polygon]:
    """The kind of defect and its place."""
    try:
        first, *numbers = line.split()
        number, values = int(first), [float(text) for text in numbers]
        outside = not all(-0.01 <= value <= 1.01 for value in values)  # rounded at the border
    except ValueError:
        values, outside, number = [], True, 0
    if outside or not (len(values) == 4 or (len(values) >= 6 and len(values) % 2 == 0)):
        raise InputError(
            f"{where}: {line.strip()[:80]!r}; expected a class and the centre, width and height of a box, or a class "
            "and the corners of a polygon, all between 0 and 1"
        )
    kind = names[number] if 0 <= number < len(names) else f"class {number}"
    return kind, Polygon(_box(*values) if len(values) == 4 else tuple(zip(values[::2], values[1::2], strict=True)))


def _box(x: float, y: float, width: float, height: float) -> tuple[tuple[float, float], ...]:
    left, right, upper, lower = x - width / 2, x + width / 2, y - height / 2, y + height / 2
    return (left, upper), (right, upper), (right, lower), (left, lower)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as text ({error})") from error
