"""Predictions as one file of COCO annotations: a region for each image whose map rises above the calibrated level.

https://cocodataset.org/#format-data. pycocotools and FiftyOne read the file, and so does `data/layouts/coco.py`.
"""

import json
from collections.abc import Iterable
from os.path import relpath
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.files import replacing
from algan_ad.runtime.images import Pixels
from algan_ad.runtime.model_folder import ModelConfig
from algan_ad.runtime.placement import Size
from algan_ad.runtime.prediction import Prediction

FILE = "regions.json"
ANOMALY = 1  # the only category
_NO_LEVEL = {
    "own": "it has no calibrated level of its maps; train it again",
    "attribution": "its maps explain a score and mark no region",
    None: "it scores vectors",
}


class CocoFile:
    """`regions.json` in a folder, for `predict_files`; it is written when the `with` block ends without an error.

    Raises InputError for a model whose maps mark no regions.
    """

    def __init__(self, folder: str | Path, config: ModelConfig) -> None:
        if config.map_level is None:
            raise InputError(Option("maps_as", "coco"), f": not for this model, because {_NO_LEVEL[config.maps]}")
        self.path = Path(folder) / FILE
        self.level = config.map_level
        self.info = {"description": f"anomalies found by {config.method}, algan-ad", "map_level": self.level}
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []

    def targets(self, found: Iterable[object]) -> list[Path]:
        """The same file for each image."""
        return [self.path for _ in found]

    def draw(self, prediction: Prediction, image: Pixels, target: Path) -> None:
        """Take note of an image and of the region that its map marks, in the pixels of the file."""
        assert prediction.anomaly_map is not None
        assert prediction.size is not None
        width, height = prediction.size
        values = prediction.to_dict()
        name = Path(relpath(str(values.pop("source")), target.parent)).as_posix()
        number = len(self.images) + 1
        self.images.append({"id": number, "file_name": name, "width": width, "height": height, **values})
        mask = _enlarged(prediction.anomaly_map, prediction.size) > self.level
        if mask.any():
            region = {"id": len(self.annotations) + 1, "image_id": number, "category_id": ANOMALY, "iscrowd": 0}
            self.annotations.append({**region, "score": prediction.score, **_described(mask)})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if kind is None:
            categories = [{"id": ANOMALY, "name": "anomaly"}]
            content = {
                "info": self.info, "categories": categories, "images": self.images, "annotations": self.annotations,
            }  # fmt: skip
            with replacing(self.path) as temporary:
                temporary.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")


def _enlarged(heat: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
    """A map (h, w) at the width and height of its picture."""
    return np.asarray(Image.fromarray(heat).resize(size, Image.Resampling.BILINEAR))


def _described(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """Segmentation as run lengths, box (x, y, width, height) and area of a mask (H, W) that marks something."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
    return {
        "segmentation": {"size": list(mask.shape), "counts": run_lengths(mask)},
        "bbox": [int(each) for each in box],
        "area": int(mask.sum()),
    }


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Lengths of runs of unmarked and marked pixels in turn, down one column after the other (COCO's RLE)."""
    pixels = mask.T.ravel()
    edges = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    lengths: list[int] = np.diff([0, *edges.tolist(), pixels.size]).tolist()
    return [0, *lengths] if pixels[0] else lengths
