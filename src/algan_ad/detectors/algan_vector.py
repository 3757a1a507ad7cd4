"""ALGAN on vectors: features made elsewhere, or tabular data."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from algan_ad.data.recipe import Recipe
from algan_ad.detectors.shared.algan_adversary import N_OBSERVED
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.vector_pair import PairConfig, PairDetector, VectorScorer
from algan_ad.training.loop import Trained


class AlganVectorConfig(PairConfig):
    """ALGAN on vectors. On a few hundred of them, 192 epochs (5.3) gain nothing: docs/experiments/vectors.md."""

    epochs: int = Field(48, ge=1, description="passes over the training data")


class AlganVector(PairDetector):
    name = "algan-vector"
    Config = AlganVectorConfig
    input = "vector"
    config: AlganVectorConfig

    def preprocessing(self, recipe: Recipe) -> None:
        return None

    def build_module(self, tensors: Mapping[str, Tensor]) -> VectorScorer:
        return VectorScorer(*self.placeholder(tensors))

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        train = np.asarray(data.train[:], dtype=np.float32)
        conditioning = self.fit_conditioning(train)
        self.module = VectorScorer(conditioning, self.twin(train.shape[1])).to(self.device)

        def conditioned(rows: NDArray[Any]) -> Tensor:
            return conditioning(torch.as_tensor(rows, dtype=torch.float32, device=self.device))  # type: ignore[no-any-return]

        held_out = None if data.held_out is None else conditioned(data.held_out[:N_OBSERVED])
        return self.train_pair(conditioned(train)[:, None], held_out, data, run)
