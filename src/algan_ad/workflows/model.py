"""A fitted detector with everything a decision needs: preprocessing, calibration, configuration."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algan_ad.data.vectors import read_vectors
from algan_ad.detectors import METHODS
from algan_ad.detectors.shared.contract import Detector, Rows, Scores
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Loaded, Preprocessing, as_batch, load_many
from algan_ad.runtime.model_folder import ModelConfig, read_model, write_model
from algan_ad.runtime.prediction import Prediction
from algan_ad.training.device import DeviceName
from algan_ad.workflows.maps import score_and_maps
from algan_ad.workflows.plan import values
from algan_ad.workflows.samples import resized

Source = str | Path | NDArray[Any]


@dataclass(frozen=True)
class Model:
    """What `train` returns and `load_model` reads.

    score: raw anomaly scores, float64 (N,), of files, of uint8 images (N, H, W, 3) or of vectors (N, d).
    predict: the same with p-value, decision and, when asked for, an anomaly map: the method's own, or an attribution
        of the score.
    """

    detector: Detector
    config: ModelConfig

    def score(self, source: Source | Sequence[str | Path]) -> Scores:
        return self.detector.score(self.samples(source))

    def predict(self, source: Source | Sequence[str | Path], maps: bool = False) -> list[Prediction]:
        """One Prediction a sample. Raises InputError for anything that cannot be read."""
        samples = self.samples(source)
        named = [source] if isinstance(source, str | Path) else source
        names = [str(each) if isinstance(each, str | Path) else None for each in named]
        if len(names) != len(samples):
            names = [None] * len(samples)
        return self.predictions(samples, names, maps)

    def predictions(self, samples: Rows, sources: Sequence[str | None], maps: bool = False) -> list[Prediction]:
        """Predictions for samples as `samples` makes them."""
        found: Sequence[NDArray[np.float32] | None]
        if maps:
            scores, found = score_and_maps(self.detector, samples)
        else:
            scores, found = self.detector.score(samples), [None] * len(samples)
        calibration = self.config.calibration
        if calibration is None:
            return [
                Prediction(float(s), source=n, anomaly_map=m) for s, n, m in zip(scores, sources, found, strict=True)
            ]
        p_values, flags = calibration.p_values(scores), calibration.decide(scores)
        return [
            Prediction(float(s), float(p), bool(a), calibration.threshold, n, m)
            for s, p, a, n, m in zip(scores, p_values, flags, sources, found, strict=True)
        ]

    def samples(self, source: Source | Sequence[str | Path]) -> Rows:
        """The method's input: uint8 (N, S, S, 3) or float32 (N, d)."""
        if self.config.input == "vector":
            return self._vectors(source)
        if isinstance(source, np.ndarray):
            return resized(as_batch(source), self._preprocessing())
        paths = [source] if isinstance(source, str | Path) else source
        return self.read([Path(path) for path in paths], strict=True).images

    def read(self, paths: Sequence[Path], strict: bool = False) -> Loaded:
        """Decode image files as this model was trained on them; unreadable ones are listed, or fatal if strict."""
        return load_many(paths, self._preprocessing(), strict)

    def with_false_alarm_rate(self, rate: float) -> "Model":
        """The same detector with another threshold. Raises InputError for a rate outside (0, 1)."""
        calibration = self.config.calibration
        if calibration is None:
            raise InputError("this model has no calibration: train it again to get a threshold")
        changed = {**dict(self.config), "calibration": calibration.with_rate(rate)}
        return Model(self.detector, ModelConfig(**changed))

    def save(self, folder: str | Path, extra_files: dict[str, bytes] | None = None, overwrite: bool = False) -> None:
        """Write the model folder. Raises InputError when it holds a model already, AlganError on a full disk."""
        write_model(Path(folder), self.config, self.detector.tensors(), extra_files or {}, overwrite)

    def _preprocessing(self) -> Preprocessing:
        if self.config.preprocessing is None:
            raise InputError(f"a model of {self.config.method} scores vectors, not images")
        return self.config.preprocessing

    def _vectors(self, source: Any) -> NDArray[np.float32]:
        vectors = read_vectors(source).astype(np.float32)
        expected = self.config.fingerprint["n_features"]
        if vectors.shape[1] != expected:
            name = "array" if isinstance(source, np.ndarray) else source
            raise InputError(f"{name}: {vectors.shape[1]} columns; this model was trained on {expected}")
        return vectors


def load_model(folder: str | Path, device: DeviceName = "auto") -> Model:
    """Read a model folder and check every file in it. Raises InputError for one that is damaged or too new."""
    config, tensors = read_model(Path(folder))
    if config.method not in METHODS:
        raise InputError(f"{folder}: method {config.method!r} is not known here; known: {', '.join(METHODS)}")
    method = METHODS[config.method]
    try:
        detector = method(method.Config(**values(config.plan, method.Config)), device).restore(tensors)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    return Model(detector, config)
