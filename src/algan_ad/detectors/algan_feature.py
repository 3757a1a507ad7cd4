"""ALGAN-feature: ALGAN on the features of a frozen backbone, over rotations of an image (thesis 5.1.1, 5.2.5)."""

from collections.abc import Mapping

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from algan_ad.data.recipe import Recipe
from algan_ad.detectors.shared.algan_adversary import N_OBSERVED
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.feature_pass import PooledConfig, extract
from algan_ad.detectors.shared.rotated_views import RotatedDetector
from algan_ad.detectors.shared.vector_pair import PairConfig, PairDetector, VectorScorer
from algan_ad.features.backbones import RANDOM, Backbone
from algan_ad.features.rotations import Rotations
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.predictor import Rows
from algan_ad.training.loop import Trained


class AlganFeatureConfig(PooledConfig, PairConfig):
    """ALGAN-feature; the defaults are the thesis's (5.1.1, 5.2.5, 5.3), except the conditioning and the network.

    The thesis takes the last block of a WideResNet-101 (5.1.1).
    """

    train_rotations: int = Field(24, ge=0, le=360, description="angles in training (5.2.5); 0 or 1 = off")
    test_rotations: int = Field(64, ge=0, le=360, description="angles in prediction (5.2.5); 0 or 1 = off")


class FeatureScorer(VectorScorer):
    """uint8 (N, S, S, 3) -> anomaly score (N,): minus the logit of D, averaged over the rotations of an image."""

    def __init__(self, backbone: Backbone, rotations: int, conditioning: nn.Module, discriminator: nn.Module) -> None:
        super().__init__(conditioning, discriminator)
        self.backbone, self.rotate = backbone, Rotations(rotations)

    def forward(self, images: Tensor) -> Tensor:
        return self.score_features(self.backbone(self.rotate(images)))

    def score_features(self, features: Tensor) -> Tensor:
        """Features (N * rotations, d) -> scores (N,)."""
        return super().forward(features).reshape(-1, self.rotate.count).mean(1)


class AlganFeature(RotatedDetector, PairDetector):
    """A detector on features that are computed once and kept in memory, float32 (N, train_rotations, d).

    The thesis does not say how the 24 rotations enter training. We use them as an augmentation, as DifferNet does: in
    each epoch an image takes part once, at a random angle.
    """

    name = "algan-feature"
    Config = AlganFeatureConfig
    input = "image"
    augments = False  # except for its rotations
    config: AlganFeatureConfig
    module: FeatureScorer | None

    def preprocessing(self, recipe: Recipe) -> Preprocessing:
        return recipe.for_features(self.config.image_size)

    def build_module(self, tensors: Mapping[str, Tensor]) -> FeatureScorer:
        c = self.config
        backbone = Backbone(c.backbone, c.layer, RANDOM)  # the tensors hold its weights
        return FeatureScorer(backbone, c.test_rotations, *self.placeholder(tensors))

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        c = self.config
        backbone = Backbone(c.backbone, c.layer, c.backbone_weights).to(self.device)
        features = extract(backbone, data.train, c.train_rotations, self.device, "training features")
        n, n_variants, dim = features.shape
        rows = features.reshape(-1, dim)
        conditioning = self.fit_conditioning(rows.numpy())
        self.module = FeatureScorer(backbone, c.test_rotations, conditioning, self.twin(dim)).to(self.device).eval()
        held_out = None
        if data.held_out is not None:
            watched = data.held_out[np.arange(min(N_OBSERVED, len(data.held_out)))]
            upright = extract(backbone, watched, 1, self.device, "held-out features")
            held_out = conditioning(upright[:, 0].to(self.device))
        x = conditioning(rows.to(self.device)).reshape(n, n_variants, dim)
        return self.train_pair(x, held_out, data, run)

    def attributed_module(self) -> FeatureScorer:
        """A module that scores the upright view only: 64 rotations would cost 64 times as much."""
        m = self.features_scorer()
        return FeatureScorer(m.backbone, 1, m.conditioning, m.discriminator).eval()

    def rotated_features(self, images: Rows, label: str) -> Tensor:
        return extract(self.features_scorer().backbone, images, self.config.test_rotations, self.device, label)

    def features_scorer(self) -> FeatureScorer:
        module = self._fitted()
        assert isinstance(module, FeatureScorer)
        return module
