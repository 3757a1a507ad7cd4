"""COIL-100: views of a hundred objects in one folder, named objK__ANGLE.

S. A. Nene, S. K. Nayar, H. Murase. Columbia Object Image Library (COIL-100). Technical Report CUCS-006-96, 1996.
"""

import re
from pathlib import Path

from algan_ad.data.layouts.items import Contents, Item
from algan_ad.runtime.listing import images

LOOKS_LIKE = "images all named objK__ANGLE"
VIEW = re.compile(r"obj(\d+)__(\d+)")


def recognises(root: Path) -> bool:
    """True for a folder of such views only."""
    files = images(root)
    return bool(files) and all(VIEW.fullmatch(file.stem) for file in files)


def read(root: Path) -> Contents:
    """All views, ordered by the numbers of object and angle."""
    views = sorted(images(root), key=lambda view: [int(number) for number in VIEW.findall(view.stem)[0]])
    return Contents(test=[Item(view, 1, view.stem.split("__")[0]) for view in views])
