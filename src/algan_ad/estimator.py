"""ALGAN behind scikit-learn's contract for outlier detectors."""

import warnings
from contextlib import nullcontext
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from algan_ad.detectors.algan_vector import AlganVector, AlganVectorConfig
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.runtime.calibration import Calibration, supported_rate
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.seeding import seed_from
from algan_ad.training.device import DeviceName
from algan_ad.training.seeding import private_randomness

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

MIN_SAMPLES = 3  # two to train on, one to calibrate


class ALGANDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Novelty detection on vectors: fit on normal samples, then distinguish the anomalous among new ones.

    The generator of a GAN supplies pseudo-anomalies; its discriminator is the detector (thesis, chapter 4). By
    default the discriminator is a mixture of normal samples in a partly whitened space (ours); `discriminator="layers"`
    gives the thesis's. Columns are standardised if their units differ, and left alone if they share one; the data
    decide (`features/conditioning.py`).

    The threshold comes from normal samples that the scoring model has not seen: a refit without the sample scores it,
    and the model in use is fitted to all samples (cross-conformal prediction; Vovk, 2015, Annals of Mathematics and
    Artificial Intelligence 74).

    Args:
        discriminator: "mixture", for data of one or several modes; "layers", the three layers of 5.1.1.
        prototypes: largest number of samples that the mixture keeps; from more it keeps those that cover the others.
        noise: weight of noisy real data, a further kind of pseudo-anomaly of the mixture (ours); 0 for none.
        noise_reach: largest length of that noise, in distances between neighbours.
        epochs: for the mixture, rounds of eight batches, for any number of samples; more gain nothing. For the layers,
            passes over the data; 48 suffice for a few hundred samples, the thesis takes 192.
        batch_size: samples a batch (5.1.1).
        sigma: standard deviation of the anomalous latents (4.3).
        alpha: share of fake-normal among generated data (eq. 4.3).
        xi: weight of generated against buffered data (eq. 4.3).
        n_z: epochs between two draws of the latents (Algorithm 1).
        n_dis: updates of the discriminator a batch (Algorithm 1).
        z_dim: dimensions of the latents (5.1.1).
        hidden: width of the hidden layers (5.1.1).
        conditioning: for the layers only: "whiten" (centre, whiten, scale), or "none", as in the thesis.
        scale: standard deviation of the vectors that are whitened for the layers.
        false_alarm_rate: wanted share of new normal samples that are flagged. None: the rate that n calibration
            samples support, 5 / (n + 1), but at least 1 % and at most 10 % (with fewer than 9 samples: 1 / (n + 1)).
        calibration: "cross": refits, each without a share of the samples, and a model of all samples. "split": one
            model without a share of the samples, with a guarantee: on average at most `false_alarm_rate` of new normal
            samples are flagged (split conformal prediction).
        calibration_fraction: share of the samples that is held out at a time; 0.2 makes 5 refits.
        device: "cpu", "cuda", "mps" or "auto". Machines of one kind give the same results.
        random_state: int, RandomState or None. Fits with the same int are the same, in any number of threads.

    Attributes:
        offset_: minus the threshold of the calibration; samples with lower score_samples are anomalous.
        calibration_: the scores that set the threshold; `calibration_.explain()` states what it promises.
        calibration_indices_: positions in X of the samples with those scores.
        detector_: the `AlganVector` inside.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn.

    Example:
        >>> import numpy as np
        >>> from algan_ad import ALGANDetector
        >>> normal = np.random.default_rng(0).normal(size=(200, 4))
        >>> detector = ALGANDetector(random_state=0).fit(normal)
        >>> detector.predict([[0, 0, 0, 0], [9, 9, 9, 9]])
        array([ 1, -1])
        >>> round(detector.calibration_.false_alarm_rate, 3)
        0.025
    """

    def __init__(
        self, *, discriminator: Literal["mixture", "layers"] = "mixture", prototypes: int = 2048, noise: float = 1.0,
        noise_reach: float = 3.0, epochs: int = 4, batch_size: int = 16, sigma: float = 4.0,
        alpha: float = 0.75, xi: float = 0.75, n_z: int = 2, n_dis: int = 2, z_dim: int = 100, hidden: int = 512,
        conditioning: Literal["whiten", "none"] = "whiten", scale: float = 0.05, false_alarm_rate: float | None = None,
        calibration: Literal["cross", "split"] = "cross", calibration_fraction: float = 0.2,
        device: DeviceName = "cpu", random_state: int | np.random.RandomState | None = None,
    ) -> None:  # fmt: skip
        self.discriminator = discriminator
        self.prototypes = prototypes
        self.noise = noise
        self.noise_reach = noise_reach
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
        self.calibration = calibration
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
        folds = self._folds(len(rows), seed)
        if self.calibration == "cross":
            scores = np.concatenate(
                [self._fitted(np.delete(rows, out, 0), seed).score(rows[out], 1024) for out in folds]
            )
            self.detector_, refits = self._fitted(rows, seed), len(folds)
        else:
            self.detector_, refits = self._fitted(np.delete(rows, folds[0], 0), seed), 0
            folds = folds[:1]
            scores = self._anomaly_scores(rows[folds[0]])
        self.calibration_indices_ = np.concatenate(folds)
        rate = supported_rate(len(scores)) if self.false_alarm_rate is None else self.false_alarm_rate
        self.calibration_ = Calibration(scores=tuple(scores), false_alarm_rate=rate, refits=refits)
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
        """Conformal p-values, float64 (n,) in (0, 1]: shares of normal samples that look at least as anomalous."""
        return self.calibration_.p_values(-self.score_samples(X))

    def _fitted(self, rows: Floats, seed: int) -> AlganVector:
        params = {k: v for k, v in self.get_params().items() if k in AlganVectorConfig.model_fields}
        layers = self.discriminator == "layers"
        if layers:
            params["batch_size"] = min(self.batch_size, len(rows))
        detector = AlganVector(AlganVectorConfig(**params), self.device)
        with private_randomness() if layers else nullcontext():  # the mixture has generators of its own
            detector.fit(TrainingData(rows), RunOptions(seed, self.device))
        return detector

    def _folds(self, n: int, seed: int) -> list[Indices]:
        """Positions of the samples that are held out together; at least two samples stay."""
        fraction = self.calibration_fraction
        if not 0 < fraction < 1:
            raise InputError(f"calibration_fraction={fraction}: expected more than 0 and less than 1")
        if self.calibration not in ("cross", "split"):
            raise InputError(f"calibration={self.calibration!r}: expected 'cross' or 'split'")
        order = np.random.default_rng(seed_from(seed, "calibration")).permutation(n)
        size = min(max(1, round(fraction * n)), n - 2)
        if self.calibration == "split":
            return [order[:size]]
        return [np.sort(fold) for fold in np.array_split(order, -(-n // size))]

    def _anomaly_scores(self, X: Floats) -> Floats:
        return self.detector_.score(X, batch_size=1024)
