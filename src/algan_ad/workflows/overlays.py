"""Anomaly maps as files in the same sub-folders as their images: laid over them, or as numbers."""

from collections.abc import Iterator
from io import BytesIO
from itertools import chain, count
from pathlib import Path

from PIL import Image

from algan_ad.runtime.drawings import overlay
from algan_ad.runtime.files import replacing
from algan_ad.runtime.images import Pixels
from algan_ad.runtime.prediction import Prediction


class OverlayFolder:
    """A folder of overlays, for `predict_files`.

    Each map is scaled by its own maximum or, if that is higher, by the `level` (`ModelConfig.map_level`), so that the
    map of a good image stays dark; a line surrounds what lies above it.
    """

    suffix = ".png"

    def __init__(self, folder: str | Path, level: float | None = None) -> None:
        self.folder, self.level = Path(folder), level

    def targets(self, places: Iterator[Path]) -> list[Path]:
        """The file for each image: its own place with another suffix, numbered if that is taken."""
        taken: dict[Path, None] = {}  # in order
        for place in places:
            candidates = chain([place.stem], (f"{place.stem}-{n}" for n in count(2)))
            files = (place.with_name(f"{name}{self.suffix}") for name in candidates)
            taken[next(file for file in files if file not in taken)] = None
        return [self.folder / place for place in taken]

    def draw(self, prediction: Prediction, image: Pixels, target: Path) -> None:
        """Write the file. `image` is as the detector sees it, because the map belongs to that."""
        with replacing(target) as temporary:
            temporary.write_bytes(self.content(prediction, image))

    def content(self, prediction: Prediction, image: Pixels) -> bytes:
        """The content of the file."""
        heat = prediction.anomaly_map
        assert heat is not None
        return overlay(image, heat, max(float(heat.max()), self.level or 0.0), self.level)


class TiffFolder(OverlayFolder):
    """A folder of maps as they are: TIFF with one channel, float32 (h, w), in the unit of the map."""

    suffix = ".tif"

    def content(self, prediction: Prediction, image: Pixels) -> bytes:
        """The content of the file, which takes no part of the image."""
        assert prediction.anomaly_map is not None
        buffer = BytesIO()
        Image.fromarray(prediction.anomaly_map).save(buffer, "tiff", compression="tiff_adobe_deflate")
        return buffer.getvalue()
