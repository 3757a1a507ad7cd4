"""Methods that score an image by the features of its rotations: ALGAN-feature and DifferNet (thesis 5.2.5)."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from algan_ad.detectors.shared.feature_pass import CHUNK
from algan_ad.detectors.shared.trained_by_epochs import TrainedDetector
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.runtime.predictor import Rows
from algan_ad.training.selection import Weights


class ScoresFeatures(Protocol):
    """A module that can also score the features that its backbone gave."""

    def score_features(self, features: Tensor) -> Tensor:
        """Features (N * rotations, d) -> scores (N,)."""


class RotatedDetector(TrainedDetector):
    """A detector of images whose module is a `ScoresFeatures`. Its settings have `test_rotations`."""

    @property
    def views(self) -> int:
        return max(1, int(getattr(self.config, "test_rotations")))  # noqa: B009 (a setting of the subclasses)

    @abstractmethod
    def rotated_features(self, images: Rows, label: str) -> Tensor:
        """uint8 images (N, S, S, 3) -> features float32 (N, test_rotations, d) on the CPU."""

    @abstractmethod
    def features_scorer(self) -> ScoresFeatures:
        """The module, also while `fit` is running."""

    def _validator(self, samples: Rows, labels: NDArray[np.int64]) -> Callable[[Weights], float]:
        """A function from weights to AUROC. The backbone sees the images once, not at every observation."""
        features = self.rotated_features(samples, "validation features")

        @torch.no_grad()
        def auroc(weights: Weights) -> float:
            self.use_weights(weights)
            score = self.features_scorer().score_features
            scores = [score(rows.flatten(0, 1).to(self.device)) for rows in torch.split(features, CHUNK)]
            return image_auroc(labels, torch.cat(scores).cpu().numpy())

        return auroc
