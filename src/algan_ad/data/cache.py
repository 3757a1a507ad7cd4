"""Training images decoded once, kept in memory or, when there are too many, in a file mapped into memory."""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import explaining_write_errors
from algan_ad.runtime.images import Pixels, Preprocessing, Read, Skipped, load_many, prepare
from algan_ad.runtime.placement import Size
from algan_ad.runtime.progress import track

Index = NDArray[np.integer] | Sequence[int] | slice

DEFAULT_BUDGET = 2 * 2**30  # bytes: about 10,000 images of 256 x 256
CHUNK_BYTES = 64 * 2**20  # decoded at a time on the way to the disk


class DecodedImages:
    """Preprocessed images, in the order of `paths`; files that cannot be read are left out and listed.

    `images[index]` is uint8 (B, H, W, C), a copy, for a list, array or slice of B positions.

    Attributes:
        kept: position among `paths` of each image.
        skipped: the files left out, each with its reason.
        sizes: width and height of each picture as it was, in pixels.
    """

    kept: list[int]
    skipped: list[Skipped]
    sizes: list[Size]

    def __init__(
        self,
        paths: Sequence[Path],
        preprocessing: Preprocessing,
        budget_bytes: int = DEFAULT_BUDGET,
        folder: Path | None = None,
        label: str = "reading images",
        read: Read = prepare,
    ) -> None:
        """Decode the images; above `budget_bytes`, into a temporary file in `folder` that is removed with this object.

        `read`: as in `load_many`.

        Raises:
            InputError: not one of the files can be read.
            AlganError: the disk is full.
        """
        image_bytes = math.prod(preprocessing.shape)
        if len(paths) * image_bytes <= budget_bytes:
            loaded = load_many(paths, preprocessing, label=label, read=read)
            self._images, self.kept, self.skipped = loaded.images, loaded.kept, loaded.skipped
            self.sizes = loaded.sizes
        else:
            self._spill(paths, preprocessing, max(1, CHUNK_BYTES // image_bytes), folder, label, read)
        if not self.kept:
            first = self.skipped[0].reason if self.skipped else "no files were given"
            raise InputError(f"none of {len(paths)} images can be read; the first: {first}")

    def _spill(
        self,
        paths: Sequence[Path],
        preprocessing: Preprocessing,
        chunk: int,
        folder: Path | None,
        label: str,
        read: Read,
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="algan-", dir=folder, ignore_cleanup_errors=True)
        path = Path(self._folder.name) / "images.uint8"
        self.kept, self.skipped, self.sizes = [], [], []
        # The file is written, then mapped, because writing through a map would crash the process on a full disk.
        with explaining_write_errors(path), path.open("wb") as file:
            for start in track(range(0, len(paths), chunk), "storing images"):
                loaded = load_many(paths[start : start + chunk], preprocessing, label=label, read=read)
                file.write(loaded.images.data)
                self.kept += [start + position for position in loaded.kept]
                self.skipped += loaded.skipped
                self.sizes += loaded.sizes
        if self.kept:
            shape = (len(self.kept), *preprocessing.shape)
            self._images = np.memmap(path, np.uint8, "r", shape=shape)

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: Index) -> Pixels:
        return np.array(self._images[index])
