"""COCO: annotations in a JSON file beside the images; annotated = anomalous, the category is the kind of defect.

https://cocodataset.org/#format-data. The file lies in the folder itself or in annotations/, or there is one for each
part: annotations/instances_train.json and so on, or train/_annotations.coco.json and so on. A segmentation is a list
of polygons, or run lengths, compressed or not; if there is none, the box is the mask.
"""

import math
from collections.abc import Iterable, Iterator
from os.path import relpath
from pathlib import Path
from typing import Any

from algan_ad.data.layouts.items import GOOD, Contents, Item, ignored
from algan_ad.data.layouts.parts import Part, divided, part_named
from algan_ad.data.layouts.tables import file_named
from algan_ad.data.masks import MaskSource, Polygon, Runs
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import read_json
from algan_ad.runtime.listing import files_ending, folders, images

LOOKS_LIKE = "images with COCO annotations in a .json file"
Json = dict[str, Any]
Mark = tuple[str, tuple[MaskSource, ...]]  # kind of defect, its masks


def recognises(root: Path) -> bool:
    """True for a folder with a JSON file of COCO in one of the places."""
    return bool(_files(root))


def read(root: Path) -> Contents:
    """Images that a file names; those with an annotation are anomalous. Raises InputError for mistakes in a file."""
    files = _files(root)
    if len(files) > 1 and None in files.values():
        raise InputError(
            f"{root}: several files of annotations ({', '.join(file.name for file in files)}); expected one, or one "
            "for each part with train, val or test in its name"
        )
    parts: dict[Part | None, list[Item]] = {}
    for file, part in files.items():
        parts.setdefault(part, []).extend(_read(root, file, part))
    named = {item.path for items in parts.values() for item in items}
    strays = [
        path for folder in sorted({path.parent for path in named}) for path in images(folder) if path not in named
    ]
    return divided(parts, ignored(strays, "are named in no file of annotations"))


def _files(root: Path) -> dict[Path, Part | None]:
    """Files of annotations, each with its part."""
    places = [root, *(folder for folder in folders(root) if folder.name == "annotations" or part_named(folder.name))]
    found = [file for place in places for file in files_ending(place, (".json",)) if _is_coco(file)]
    return {file: part_named(file.stem) or (part_named(file.parent.name) if file.parent != root else None)
            for file in found}  # fmt: skip


def _is_coco(file: Path) -> bool:
    """True for a file of annotations. Raises InputError for a damaged one: its images must not pass for good."""
    text = file.read_text(encoding="utf-8", errors="replace")
    if '"annotations"' not in text and '"file_name"' not in text:
        return False
    content = read_json(file)
    return isinstance(content, dict) and all(isinstance(content.get(name), list) for name in ("images", "annotations"))


def _read(root: Path, file: Path, part: Part | None) -> list[Item]:
    content = read_json(file)
    try:
        kinds = {each["id"]: str(each["name"]) for each in content.get("categories", [])}
        pictures = {each["id"]: each for each in content["images"]}
        if len(pictures) < len(content["images"]):
            raise InputError(f"{file}: two images have one id; give each an id of its own")
        marks: dict[Any, list[Mark]] = {number: [] for number in pictures}
        for each in content["annotations"]:
            where = f"{file}: annotation {each['id']}"
            if each["image_id"] not in pictures:
                raise InputError(f"{where}: its image {each['image_id']} is not among the images of the file")
            if each["category_id"] not in kinds:
                raise InputError(f"{where}: its category {each['category_id']} is not among the categories")
            masks = _masks(each, pictures[each["image_id"]], where)
            marks[each["image_id"]].append((kinds[each["category_id"]], tuple(masks)))
        places = _places(root, file, part)
        return [_item(_find(each["file_name"], places, root, file), marks[i]) for i, each in pictures.items()]
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{file}: not as COCO defines it ({type(error).__name__}: {error})") from error


def _item(path: Path, marks: list[Mark]) -> Item:
    if not marks:
        return Item(path, 0, GOOD)
    kinds = dict.fromkeys(kind for kind, _ in marks)
    return Item(path, 1, " + ".join(kinds), tuple(mask for _, masks in marks for mask in masks))


def _places(root: Path, file: Path, part: Part | None) -> list[Path]:
    """Places of images in exports: beside the file, in the folder, in images/, in folders named by the part."""
    pictures = root / "images"
    inner = [*folders(root), *(folders(pictures) if pictures.is_dir() else ())]
    return [file.parent, root, pictures, *(each for each in inner if part and part_named(each.name) == part)]


def _find(name: str, places: list[Path], root: Path, file: Path) -> Path:
    for place in places:
        if (place / name).is_file():
            return file_named(relpath(place / name, root), root, str(file))
    raise InputError(f"{file}: {name}: no such image beside the file, in {root} or in {root / 'images'}")


def _masks(annotation: Json, picture: Json, where: str) -> Iterator[MaskSource]:
    width, height = picture["width"], picture["height"]
    if not (width > 0 and height > 0):
        raise InputError(f"{where}: its image is {width} x {height} pixels large")
    shape = annotation.get("segmentation")
    if isinstance(shape, dict):
        yield _runs(shape, where)
    elif shape:
        for polygon in shape:
            if len(polygon) < 6 or len(polygon) % 2:
                raise InputError(
                    f"{where}: a polygon of {len(polygon)} numbers; expected x and y of three or more corners"
                )
            yield _polygon(zip(polygon[::2], polygon[1::2], strict=True), width, height, where)
    else:
        x, y, w, h = annotation["bbox"]
        yield _polygon(((x, y), (x + w, y), (x + w, y + h), (x, y + h)), width, height, where)


def _polygon(corners: Iterable[tuple[float, float]], width: float, height: float, where: str) -> Polygon:
    found = tuple((x / width, y / height) for x, y in corners)
    if not all(math.isfinite(value) for corner in found for value in corner):
        raise InputError(f"{where}: a corner is not a number")
    return Polygon(found)


def _runs(shape: Json, where: str) -> Runs:
    height, width = shape["size"]
    counts = shape["counts"]
    lengths = tuple(_decompressed(counts) if isinstance(counts, str) else counts)
    if min(lengths, default=0) < 0 or sum(lengths) != height * width:
        raise InputError(f"{where}: its run lengths are not those of {width} x {height} pixels")
    return Runs(lengths, height, width)


def _decompressed(text: str) -> Iterator[int]:
    """COCO's compressed run lengths.

    Each character from "0" on holds 5 bits of a number, the lowest first, and bit 6 is set in all except the last;
    from the fourth on, a number is the difference to the one before the last (pycocotools, maskApi.c).
    """
    found: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - ord("0")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:  # negative
            value -= 1 << shift
        found.append(value + (found[-2] if len(found) > 2 else 0))
        value, shift = 0, 0
    yield from found
