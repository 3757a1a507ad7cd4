"""ALGAN on vectors: tabular data, or features that were computed elsewhere."""

import copy
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from algan_ad.algan.mixture import MixtureDiscriminator, Noise, place
from algan_ad.algan.networks import VectorGenerator
from algan_ad.data.recipe import Recipe
from algan_ad.detectors.shared.algan_adversary import N_OBSERVED, AlganAdversary, make_algan
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.vector_pair import PairConfig, PairDetector, VectorScorer
from algan_ad.features.conditioning import Whitening, fit_partial_whitening
from algan_ad.features.coreset import greedy_coreset
from algan_ad.runtime.seeding import seed_from
from algan_ad.training.loop import Trained

BATCHES = 8  # batches in an epoch of the mixture, for any number of rows


class AlganVectorConfig(PairConfig):
    """ALGAN on vectors: a mixture discriminator by default, the thesis's three layers as an option."""

    discriminator: Literal["mixture", "layers"] = Field(
        "mixture",
        description="mixture: prototypes of the normal rows, for data of several modes; layers: the three fully "
        "connected layers of the thesis (5.1.1)",
    )
    prototypes: int = Field(2048, ge=1, description="largest number of normal rows that the mixture keeps")
    noise: float = Field(
        1.0, ge=0, description="mixture: weight of noisy real data, a kind of pseudo-anomaly that is ours; 0 = none"
    )
    noise_reach: float = Field(
        3.0, gt=0, description="mixture: largest length of that noise, in distances between neighbours"
    )
    epochs: int = Field(
        4, ge=1, description="mixture: rounds of eight batches; layers: passes over the training data, 48 suffice"
    )


class AlganVector(PairDetector):
    name = "algan-vector"
    Config = AlganVectorConfig
    input = "vector"
    config: AlganVectorConfig

    def preprocessing(self, recipe: Recipe) -> None:
        return None

    def build_module(self, tensors: Mapping[str, Tensor]) -> VectorScorer:
        if self.config.discriminator == "layers":
            return VectorScorer(*self.placeholder(tensors))
        size, dim = tensors["discriminator.prototypes"].shape
        return VectorScorer(Whitening(len(tensors["conditioning.mean"])), MixtureDiscriminator(dim, size))

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        return self._fit_layers(data, run) if self.config.discriminator == "layers" else self._fit_mixture(data, run)

    def _fit_mixture(self, data: TrainingData, run: RunOptions) -> Trained:
        """Fit the mixture. Its generators are its own, so that fits in several threads do not affect each other."""
        c = self.config
        rows = np.array(data.train[:], dtype=np.float64)
        conditioning = fit_partial_whitening(rows, np.random.default_rng(seed_from(run.seed, "conditioning")))
        conditioning = conditioning.double()
        x: Tensor = conditioning(torch.from_numpy(rows))
        order, draws = torch.Generator(), torch.Generator(self.device)
        D = place(x, _spread(x, c.prototypes, order.manual_seed(run.seed)))
        self.module = VectorScorer(conditioning, copy.deepcopy(D)).to(self.device, torch.float32)
        G = VectorGenerator.drawn(x.shape[1], c.z_dim, c.hidden, order)
        n_samples = BATCHES * c.batch_size
        disturb = Noise(c.noise_reach * D.radius, draws) if c.noise else None
        algan = make_algan(c, G, D.float(), n_samples, self.device, draws, disturb)
        x = x.to(self.device, torch.float32)

        def fetch(indices: Tensor) -> Tensor:
            """Draw as many rows as indices, with replacement: an epoch has one length for any number of rows."""
            batch: Tensor = x[torch.randint(len(x), indices.shape, generator=order).to(self.device)]
            return batch

        held_out = None if data.held_out is None else self._conditioned(data.held_out[:N_OBSERVED])
        adversary = AlganAdversary(algan, held_out, quality=None)
        return self.run_loop(adversary, fetch, data, run, n_samples, (order, draws))

    def _fit_layers(self, data: TrainingData, run: RunOptions) -> Trained:
        train = np.array(data.train[:], dtype=np.float32)
        conditioning = self.fit_conditioning(train)
        self.module = VectorScorer(conditioning, self.twin(train.shape[1])).to(self.device)
        held_out = None if data.held_out is None else self._conditioned(data.held_out[:N_OBSERVED])
        return self.train_pair(self._conditioned(train)[:, None], held_out, data, run)

    def _conditioned(self, rows: NDArray[Any]) -> Tensor:
        assert self.module is not None
        conditioning: nn.Module = self.module.conditioning
        return conditioning(torch.as_tensor(rows, dtype=torch.float32, device=self.device))  # type: ignore[no-any-return]


def _spread(rows: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Positions of at most `size` of the rows (n, d) that cover all of them, in ascending order."""
    if len(rows) <= size:
        return torch.arange(len(rows))
    return greedy_coreset(rows.float(), size, generator, rows.device).sort().values
