"""Predictions from files or arrays: reading, preprocessing, a scorer, calibration.

The scorer is the only part that differs between a network run by torch (`workflows/model.py`) and one run without it
(`runtime/sessions.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Loaded, Preprocessing, as_batch, load_many
from algan_ad.runtime.model_folder import ModelConfig
from algan_ad.runtime.prediction import Prediction
from algan_ad.runtime.vectors import read_table

Scores = NDArray[np.float64]  # (N,), raw, higher = more anomalous
Maps = list[NDArray[np.float32]]  # N of them, (S, S), higher = more anomalous
Source = str | Path | NDArray[Any] | Sequence[str | Path]


class Rows(Protocol):
    """Samples that give batches of themselves: an array, or decoded images in memory or on disk."""

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Any) -> Any: ...


class Scorer(Protocol):
    """Scores for samples, uint8 images (N, S, S, 3) or float32 vectors (N, d). Several threads may share a scorer."""

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

    def score(self, source: Source) -> Scores:
        """Raw scores, float64 (N,). Raises InputError for anything that cannot be read."""
        return self.scorer.score(self.samples(source))

    def predict(self, source: Source, maps: bool = False) -> list[Prediction]:
        """One Prediction per sample, named by its file, or by its file and row. Raises InputError as `score` does."""
        samples = self.samples(source)
        return self.predictions(samples, _names(source, len(samples), self.config.input), maps)

    def predictions(self, samples: Rows, names: Sequence[str | None], maps: bool = False) -> list[Prediction]:
        """Predictions for samples that `samples` has made."""
        found: Sequence[NDArray[np.float32] | None]
        if maps:
            scores, found = self.scorer.score_and_maps(samples)
        else:
            scores, found = self.scorer.score(samples), [None] * len(samples)
        calibration = self.config.calibration
        if calibration is None:
            return [Prediction(float(s), source=n, anomaly_map=m) for s, n, m in zip(scores, names, found, strict=True)]
        p_values, flags = calibration.p_values(scores), calibration.decide(scores)
        return [
            Prediction(float(s), float(p), bool(a), calibration.threshold, n, m)
            for s, p, a, n, m in zip(scores, p_values, flags, names, found, strict=True)
        ]

    def samples(self, source: Source) -> Rows:
        """The method's input: uint8 (N, S, S, 3) or float32 (N, d)."""
        if self.config.input == "vector":
            return self._vectors(source)
        if isinstance(source, np.ndarray):
            return resized(as_batch(source), self._preprocessing())
        paths = [source] if isinstance(source, str | Path) else source
        return self.read([Path(path) for path in paths], strict=True).images

    def read(self, paths: Sequence[Path], strict: bool = False, label: str | None = "reading images") -> Loaded:
        """Image files, decoded as for training. Unreadable ones are listed; with `strict` they raise InputError."""
        return load_many(paths, self._preprocessing(), strict, label)

    def with_false_alarm_rate(self, rate: float) -> Self:
        """The same scorer with another threshold. Raises InputError without calibration or outside [1e-6, 1)."""
        return replace(self, config=self.config.with_false_alarm_rate(rate))

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


def resized(images: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[np.uint8]:
    """Images resized by a preprocessing: uint8 (N, H, W, 3) -> uint8 (N, S, S, 3)."""
    ready = np.empty((len(images), preprocessing.size, preprocessing.size, 3), np.uint8)
    for i, image in enumerate(images):
        ready[i] = preprocessing.apply(image)
    return ready
