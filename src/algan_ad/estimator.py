"""ALGAN behind scikit-learn's contract for outlier detectors."""

import warnings
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from algan_ad.detectors.algan_vector import AlganVector, AlganVectorConfig
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.seeding import seed_from
from algan_ad.training.device import DeviceName

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

MIN_SAMPLES = 3  # two to train on, one to calibrate


class ALGANDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Novelty detection on vectors: fit on normal samples, then tell the anomalous among new ones.

    The generator of a GAN supplies the pseudo-anomalies, its discriminator is the detector (thesis, chapter 4).
    A share of the normal samples is held out of the training to calibrate the threshold, such that on average at
    most `false_alarm_rate` of new normal samples are flagged (split conformal prediction). That takes at least
    1 / false_alarm_rate - 1 of them, 99 by default; with fewer, fit warns, and the largest held-out score is the
    threshold.

    Args:
        epochs, batch_size, sigma, alpha, xi, n_z, n_dis, z_dim, hidden: as in the thesis (5.1.1), but for the
            epochs: on a few hundred vectors its 192 gain nothing.
        conditioning, scale: "whiten" (centre, whiten, scale) or "none", the thesis to the letter.
        false_alarm_rate: wanted share of new normal samples that are flagged.
        calibration_fraction: share of the samples that is held out of the training.
        device: "cpu", "cuda", "mps" or "auto". Results are the same numbers again on the same kind of machine.
        random_state: int, RandomState or None.

    Attributes:
        offset_: score_samples below it are anomalous; minus the threshold of the calibration.
        calibration_: the held-out scores; `calibration_.explain()` says what the threshold promises.
        calibration_indices_: positions in X of the held-out samples.
        detector_: the `AlganVector` inside.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn.
    """

    def __init__(
        self, *, epochs: int = 48, batch_size: int = 16, sigma: float = 4.0, alpha: float = 0.75, xi: float = 0.75,
        n_z: int = 2, n_dis: int = 2, z_dim: int = 100, hidden: int = 512,
        conditioning: Literal["whiten", "none"] = "whiten", scale: float = 0.05, false_alarm_rate: float = 0.01,
        calibration_fraction: float = 0.2, device: DeviceName = "cpu",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:  # fmt: skip
        self.epochs = epochs
        self.batch_size = batch_size
        self.sigma = sigma
        self.alpha = alpha
        self.xi = xi
        self.n_z = n_z
        self.n_dis = n_dis
        self.z_dim = z_dim
        self.hidden = hidden
        self.conditioning = conditioning
        self.scale = scale
        self.false_alarm_rate = false_alarm_rate
        self.calibration_fraction = calibration_fraction
        self.device = device
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: object = None) -> "ALGANDetector":
        """Fit on normal samples X (n, d), n >= 3; y is ignored.

        Raises:
            ValueError: X is not a finite numeric matrix, or a parameter is out of bounds (as InputError).
            TrainingDiverged: NaN or a collapsed discriminator.
        """
        rows: Floats = validate_data(self, X, dtype=np.float64, ensure_min_samples=MIN_SAMPLES)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        kept, self.calibration_indices_ = self._divide(len(rows), seed)
        train, held_out = rows[kept], rows[self.calibration_indices_]
        detector = AlganVector(self._config(len(train)), self.device)
        with torch.random.fork_rng():  # the caller's random state is left alone
            detector.fit(TrainingData(train, held_out=held_out), RunOptions(seed, self.device))
        self.detector_ = detector
        scores = self._anomaly_scores(held_out)
        self.calibration_ = Calibration(scores=tuple(scores), false_alarm_rate=self.false_alarm_rate)
        self.offset_ = -self.calibration_.threshold
        if not self.calibration_.sufficient:
            warnings.warn(self.calibration_.explain(), UserWarning, stacklevel=2)
        return self

    def score_samples(self, X: ArrayLike) -> Floats:
        """The discriminator's logit, float64 (n,): high = normal."""
        check_is_fitted(self)
        return -self._anomaly_scores(validate_data(self, X, dtype=np.float64, reset=False))

    def decision_function(self, X: ArrayLike) -> Floats:
        """score_samples(X) - offset_, float64 (n,): negative = anomalous."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """-1 = anomalous, +1 = normal, int64 (n,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X: ArrayLike) -> Floats:
        """Conformal p-values, float64 (n,) in (0, 1]: how often a normal sample looks at least as anomalous."""
        return self.calibration_.p_values(-self.score_samples(X))

    def _config(self, n_train: int) -> AlganVectorConfig:
        params = {k: v for k, v in self.get_params().items() if k in AlganVectorConfig.model_fields}
        return AlganVectorConfig(**{**params, "batch_size": min(self.batch_size, n_train)})

    def _divide(self, n: int, seed: int) -> tuple[Indices, Indices]:
        """Positions to train on and positions to calibrate on."""
        if not 0 < self.calibration_fraction < 1:
            raise InputError(
                f"calibration_fraction: expected more than 0 and less than 1, found {self.calibration_fraction}"
            )
        order = np.random.default_rng(seed_from(seed, "calibration")).permutation(n)
        n_out = min(max(1, round(self.calibration_fraction * n)), n - 2)
        return order[n_out:], order[:n_out]

    def _anomaly_scores(self, X: Floats) -> Floats:
        return self.detector_.score(X, batch_size=1024)
