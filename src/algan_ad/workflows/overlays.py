"""Anomaly maps laid over their images, as PNG files in the same sub-folders as the images."""

from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path

from algan_ad.runtime.drawings import overlay
from algan_ad.runtime.files import replacing
from algan_ad.runtime.images import Pixels
from algan_ad.runtime.prediction import Prediction


class OverlayFolder:
    """A folder of overlays, for `predict_files`. Each map is scaled by its own maximum."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def targets(self, places: Iterator[Path]) -> list[Path]:
        """The file for each image: its own place as .png, numbered if that is taken."""
        taken: dict[Path, None] = {}  # in order
        for place in places:
            candidates = chain([place.stem], (f"{place.stem}-{n}" for n in count(2)))
            files = (place.with_name(f"{name}.png") for name in candidates)
            taken[next(file for file in files if file not in taken)] = None
        return [self.folder / place for place in taken]

    def draw(self, prediction: Prediction, image: Pixels, target: Path) -> None:
        """Write the overlay. `image` is as the detector sees it, because the map belongs to that."""
        heat = prediction.anomaly_map
        assert heat is not None
        with replacing(target) as temporary:
            temporary.write_bytes(overlay(image, heat, float(heat.max())))
