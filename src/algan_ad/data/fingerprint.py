"""Fingerprint of the training data, which shows later whether two runs saw the same images."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from algan_ad.data.layouts import Item
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import sha256
from algan_ad.runtime.progress import track

Json = dict[str, "int | str | dict[str, int] | dict[str, str]"]


def fingerprint(items: Sequence[Item], root: Path) -> Json:
    """Facts of images: n_images, n_bytes, sizes and modes (as `describe`), sha256 of all, files (name -> sha256).

    JSON-able. Names are relative to `root`, with forward slashes. "sha256" does not depend on names or on the order.
    Raises InputError for a file that cannot be read.
    """
    hashes = {item.path.relative_to(root).as_posix(): sha256(item.path) for item in track(items, "fingerprinting")}
    sizes, modes = describe([item.path for item in items])
    return {
        "n_images": len(items),
        "n_bytes": sum(item.path.stat().st_size for item in items),
        "sizes": sizes,
        "modes": modes,
        "sha256": hashlib.sha256("".join(sorted(hashes.values())).encode()).hexdigest(),
        "files": hashes,
    }


def describe(paths: Sequence[Path]) -> tuple[dict[str, int], dict[str, int]]:
    """Counts of each size ("WIDTHxHEIGHT") and each mode (Pillow's: "RGB", "L"); only headers are read."""
    sizes: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    for path in paths:
        try:
            with Image.open(path) as image:
                sizes[f"{image.width}x{image.height}"] += 1
                modes[image.mode] += 1
        except Exception as error:  # Pillow's readers raise almost anything on damaged headers
            raise InputError(f"{path}: not a readable image ({error}); replace or remove it") from error
    return dict(sizes.most_common()), dict(modes.most_common())


def hash_files(paths: Sequence[Path]) -> list[str]:
    """The sha256 of each file."""
    return [sha256(path) for path in track(paths, "looking for known images")]


def hash_rows(rows: NDArray[Any]) -> dict[str, str]:
    """The sha256 of each sample, by its position."""
    return {str(i): hashlib.sha256(row.tobytes()).hexdigest() for i, row in enumerate(rows)}


def divided(fingerprint: Mapping[str, Any], n_train: Any) -> tuple[list[str], list[str]]:
    """The sha256 of each image that a model was trained on, and of each other image that it was made with.

    A fingerprint of files names the `n_train` images of the training first. One of an array keeps the array's order,
    and its digests are those of no file.
    """
    digests = [str(digest) for digest in fingerprint["files"].values()]
    return digests[:n_train], digests[n_train:]
