"""Predictions from files or arrays: reading, preprocessing, a scorer, calibration.

The scorer is the only part that differs between a network run by torch (`workflows/model.py`) and one run without it
(`runtime/sessions.py`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from algan_ad.runtime.arrays import as_batch
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Loaded, Preprocessing, load_many
from algan_ad.runtime.model_folder import ModelConfig
from algan_ad.runtime.placement import Size
from algan_ad.runtime.prediction import Prediction
from algan_ad.runtime.tiles import whole
from algan_ad.runtime.vectors import read_table

Scores = NDArray[np.float64]  # (N,), raw, higher = more anomalous
Maps = list[NDArray[np.float32]]  # N of them, (S, S), higher = more anomalous
Source = str | Path | NDArray[Any] | Sequence[str | Path]


class Rows(Protocol):
    """Samples that give batches of themselves: an array, or decoded images in memory or on disk."""

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Any) -> Any: ...


class Scorer(Protocol):
    """Scores for samples, uint8 images (N, S, S, C) or float32 vectors (N, d). Several threads may share a scorer.

    Images have a fourth channel where pixels are left out: 255 for a pixel that counts, 0 for one that does not.
    """

    def score(self, samples: Rows) -> Scores:
        """Raw scores, float64 (N,)."""

    def score_and_maps(self, samples: Rows) -> tuple[Scores, Maps]:
        """The same scores, and a map of each image. Raises InputError for a scorer without maps."""


@dataclass(frozen=True)
class Predictor:
    """A scorer with everything that a decision needs.

    `score` gives raw anomaly scores, float64 (N,), of files, of uint8 images (N, H, W, 3) or of vectors (N, d).
    `predict` adds p-value, decision and, when asked for, an anomaly map.
    """

    scorer: Scorer
    config: ModelConfig

    @property
    def whole(self) -> Scorer:
        """The scorer of whole pictures, as `samples` and `read` prepare them; `scorer` takes tiles of large ones."""
        return whole(self.scorer, self.config.preprocessing)

    def score(self, source: Source) -> Scores:
        """Raw scores, float64 (N,). Raises InputError for anything that cannot be read."""
        return self.whole.score(self.samples(source))

    def predict(self, source: Source, maps: bool = False) -> list[Prediction]:
        """One Prediction per sample, named by its file, or by its file and row. Raises InputError as `score` does."""
        if self.config.input == "vector":
            rows = self._vectors(source)
            return self.predictions(rows, _names(source, len(rows), "vector"), maps)
        loaded = self._images(source)
        found = self.predictions(loaded.images, _names(source, len(loaded.images), "image"), maps, loaded.sizes)
        if not maps:
            return found
        return [
            replace(each, image=self.of_picture(canvas, size)[..., :3])
            for each, canvas, size in zip(found, loaded.images, loaded.sizes, strict=True)
        ]

    def predictions(
        self, samples: Rows, names: Sequence[str | None], maps: bool = False, sizes: Sequence[Size] | None = None
    ) -> list[Prediction]:
        """Predictions for samples that `samples` has made. A map shows the canvas; with `sizes`, the picture alone."""
        found: Sequence[NDArray[np.float32] | None]
        if maps:
            scores, found = self.whole.score_and_maps(samples)
            if sizes is not None:
                found = [self.of_picture(each, size) for each, size in zip(found, sizes, strict=True)]
        else:
            scores, found = self.whole.score(samples), [None] * len(samples)
        known = zip(scores, names, found, [None] * len(samples) if sizes is None else sizes, strict=True)
        calibration = self.config.calibration
        if calibration is None:
            return [Prediction(float(s), source=n, anomaly_map=m, size=size) for s, n, m, size in known]
        p_values, flags = calibration.p_values(scores), calibration.decide(scores)
        return [
            Prediction(float(s), float(p), bool(a), calibration.threshold, n, m, size=size, calibration=calibration)
            for p, a, (s, n, m, size) in zip(p_values, flags, known, strict=True)
        ]

    def samples(self, source: Source) -> Rows:
        """What `whole` takes: uint8 (N, H, W, C) or float32 (N, d)."""
        return self._vectors(source) if self.config.input == "vector" else self._images(source).images

    def _images(self, source: Source) -> Loaded:
        if isinstance(source, np.ndarray):
            images = as_batch(source)
            size = images.shape[2], images.shape[1]
            return Loaded(prepared(images, self._preprocessing()), list(range(len(images))), [], [size] * len(images))
        paths = [source] if isinstance(source, str | Path) else source
        return self.read([Path(path) for path in paths], strict=True)

    def read(self, paths: Sequence[Path], strict: bool = False, label: str | None = "reading images") -> Loaded:
        """Image files, decoded as for training. Unreadable ones are listed; with `strict` they raise InputError."""
        return load_many(paths, self._preprocessing(), strict, label)

    @property
    def image_bytes(self) -> int:
        """Memory of one prepared image."""
        return math.prod(self._preprocessing().shape)

    def of_picture(self, canvas: NDArray[Any], size: Size) -> NDArray[Any]:
        """The part of a canvas, or of its map, that shows the picture, whose width and height were `size`."""
        return self._preprocessing().cut(canvas, size)

    def with_false_alarm_rate(self, rate: float) -> Self:
        """The same scorer with another threshold. Raises InputError without calibration or outside [1e-6, 1)."""
        return replace(self, config=self.config.with_false_alarm_rate(rate))

    def _repr_html_(self) -> str:
        """The nature of the model and its held-out scores as HTML, for a notebook."""
        from algan_ad.runtime.notebook import model_html  # jinja2, which scoring does without

        return model_html(self.config)

    def _preprocessing(self) -> Preprocessing:
        if self.config.preprocessing is None:
            raise InputError(f"a model of {self.config.method} scores vectors, not images")
        return self.config.preprocessing

    def _vectors(self, source: Any) -> NDArray[np.float32]:
        vectors = read_table(source).in_order(self.config.columns).astype(np.float32)
        expected = self.config.fingerprint["n_features"]
        if vectors.shape[1] != expected:
            name = source if isinstance(source, str | Path) else "array"
            raise InputError(f"{name}: {vectors.shape[1]} columns; this model was trained on {expected}")
        return vectors


def _names(source: Source, n: int, takes: str) -> Sequence[str | None]:
    """The file of each image, or the file and the row of each vector; None for each sample of an array."""
    if takes == "vector":
        return [f"{source}: row {i + 1}" if isinstance(source, str | Path) else None for i in range(n)]
    if isinstance(source, str | Path):
        return [str(source)]
    return [None] * n if isinstance(source, np.ndarray) else [str(each) for each in source]


def prepared(images: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Images prepared as files are: uint8 (N, H, W, 3) -> uint8 (N, *preprocessing.shape)."""
    ready = np.empty((len(images), *preprocessing.shape), np.uint8)
    for i, image in enumerate(images):
        ready[i] = preprocessing.apply(image)
    return ready
