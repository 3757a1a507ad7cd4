"""DifferNet (Rudolph, Wandt & Rosenhahn, 2021): the likelihood of multi-scale features under a normalising flow.

Same Same But DifferNet: Semi-Supervised Defect Detection with Normalizing Flows, WACV; thesis 3.3.
"""

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from algan_ad.data.recipe import Recipe
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.feature_pass import CHUNK, PooledConfig, collect
from algan_ad.detectors.shared.gan_adversary import GanAdversary
from algan_ad.detectors.shared.rotated_views import RotatedDetector
from algan_ad.detectors.shared.trained_by_epochs import TrainingConfig
from algan_ad.features.backbones import RANDOM, Backbone
from algan_ad.features.rotations import Rotations
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.predictor import Rows
from algan_ad.training.device import Precision
from algan_ad.training.loop import Trained
from algan_ad.training.seeding import seed_torch
from algan_ad.training.selection import Selection

N_OBSERVED = 64  # held-out images that the monitor looks at


class DifferNetConfig(PooledConfig, TrainingConfig):
    """DifferNet; the defaults are the paper's (implementation details), except for its network, an AlexNet.

    24 images at 4 angles make its batch of 96.
    """

    epochs: int = Field(192, ge=1, description="passes over the training data")
    batch_size: int = Field(24, ge=2, description="images a batch, each at train_rotations angles")
    precision: Precision = Field("float32", description="precision of training; a sum of logarithms needs all digits")
    image_size: int = Field(448, ge=32, le=1024, description="side of the largest scale")
    scales: int = Field(3, ge=1, le=6, description="number of scales, each half as large as the one before")
    train_rotations: int = Field(4, ge=1, le=360, description="number of test angles that an image takes in an epoch")
    test_rotations: int = Field(64, ge=0, le=360, description="angles in prediction, in equal steps; 0 or 1 = off")
    blocks: int = Field(8, ge=1, le=64, description="coupling blocks of the flow")
    hidden: int = Field(2048, ge=1, le=8192, description="width of the three hidden layers in a block")
    clamp: float = Field(3.0, gt=0, description="bound of a block's log scales (alpha)")
    lr: float = Field(2e-4, gt=0, le=1, description="learning rate")

    @model_validator(mode="after")
    def _halves(self) -> "DifferNetConfig":
        if self.image_size % 2 ** (self.scales - 1):
            raise ValueError(f"image_size: {self.image_size} cannot be halved {self.scales - 1} times; choose another")
        return self


class MultiScale(nn.Module):
    """uint8 (N, S, S, 3) -> features float32 (N * rotations, scales * C): pooled at S, S/2, S/4, ..., and joined."""

    def __init__(self, backbone: Backbone, rotations: int, scales: int) -> None:
        super().__init__()
        self.backbone, self.scales = backbone, scales
        self.rotate = Rotations(rotations)

    def forward(self, images: Tensor) -> Tensor:
        x = self.rotate(images).float().permute(0, 3, 1, 2)
        sizes = [x if k == 0 else avg_pool2d(x, 2**k) for k in range(self.scales)]
        return torch.cat([self.backbone(each.permute(0, 2, 3, 1)) for each in sizes], 1)


class FlowScorer(nn.Module):
    """uint8 (N, S, S, 3) -> anomaly score (N,): mean negative log likelihood over the rotations (thesis eq. 3.17)."""

    def __init__(self, features: MultiScale, flow: nn.Module) -> None:
        super().__init__()
        self.features, self.flow = features, flow

    def forward(self, images: Tensor) -> Tensor:
        return self.score_features(self.features(images))

    def score_features(self, y: Tensor) -> Tensor:
        """Features (N * rotations, d) -> scores (N,)."""
        return negative_log_likelihood(self.flow, y).reshape(-1, self.features.rotate.count).mean(1)


def negative_log_likelihood(flow: nn.Module, y: Tensor) -> Tensor:
    """Features (B, d) -> (B,) in nats, |z|^2 / 2 - log |det dz/dy|, without the constant d/2 log 2 pi."""
    z, log_det = flow(y)
    return z.square().sum(1) / 2 - log_det  # type: ignore[no-any-return]


def make_flow(dim: int, blocks: int, hidden: int, clamp: float) -> nn.Module:
    """Real NVP (Dinh et al., 2017) with fixed random permutations: (B, dim) -> z (B, dim), log determinant (B,)."""
    from FrEIA.framework import SequenceINN
    from FrEIA.modules import GLOWCouplingBlock, PermuteRandom

    def subnet(d_in: int, d_out: int) -> nn.Module:
        layers: list[nn.Module] = []
        for a in (d_in, hidden, hidden):
            layers += [nn.Linear(a, hidden), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(hidden, d_out))

    def soft(log_scale: Tensor) -> Tensor:  # FrEIA multiplies by clamp: eq. 2 of the paper
        return 2 / math.pi * torch.atan(log_scale / clamp)

    flow = SequenceINN(dim)
    state = np.random.get_state()  # PermuteRandom seeds NumPy's global state
    for k in range(blocks):
        flow.append(PermuteRandom, seed=k)
        flow.append(GLOWCouplingBlock, subnet_constructor=subnet, clamp=clamp, clamp_activation=soft)
    np.random.set_state(state)
    return flow  # type: ignore[no-any-return]


class FlowAdversary(GanAdversary):
    """Training of the flow in the shared loop, although it is one network with one loss and no adversary."""

    def __init__(self, flow: nn.Module, lr: float, held_out: Tensor | None) -> None:
        """held_out: features (K, d) of upright images that are not trained on."""
        self.flow, self.held_out = flow, held_out
        self.optimizer = torch.optim.Adam([p for p in flow.parameters() if p.requires_grad], lr)
        super().__init__({"flow": flow, "optimizer": self.optimizer}, scoring=("flow",))

    def step(self, x: Tensor, j: int) -> dict[str, Tensor]:
        """x: features (B, rotations, d)."""
        loss = negative_log_likelihood(self.flow, x.flatten(0, 1)).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss_nll": loss.detach()}

    @torch.no_grad()
    def observe(self) -> dict[str, float]:
        """Mean loss of held-out images, which rises above the training loss if the flow overfits."""
        if self.held_out is None:
            return {}
        return {"nll/held-out-normal": negative_log_likelihood(self.flow, self.held_out).mean().item()}


class DifferNet(RotatedDetector):
    """A detector on features computed once at every test angle and kept in memory, float32 (N, test_rotations, d)."""

    name = "differnet"
    Config = DifferNetConfig
    input = "image"
    augments = False  # except for its rotations
    default_selection: ClassVar[Selection] = "last"
    config: DifferNetConfig
    module: FlowScorer | None

    def preprocessing(self, recipe: Recipe) -> Preprocessing:
        return recipe.for_features(self.config.image_size)

    def build_module(self, tensors: Mapping[str, Tensor]) -> FlowScorer:
        c = self.config
        features = MultiScale(self._backbone(RANDOM), c.test_rotations, c.scales)  # the tensors hold its weights
        return FlowScorer(features, self._flow(len(tensors["flow.module_list.0.perm"])))

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        c = self.config
        features = MultiScale(self._backbone(c.backbone_weights), c.test_rotations, c.scales).to(self.device)
        y = self._collect(features, data.train, "training features").to(self.device)
        held_out = None
        if data.held_out is not None:
            watched = data.held_out[np.arange(min(N_OBSERVED, len(data.held_out)))]
            upright = MultiScale(features.backbone, 1, c.scales).to(self.device)
            held_out = self._collect(upright, watched, "held-out features")[:, 0].to(self.device)
        seed_torch(run.seed, "networks")
        flow = self._flow(y.shape[2]).to(self.device)
        self.module = FlowScorer(features, copy.deepcopy(flow)).eval()

        def fetch(indices: Tensor) -> Tensor:
            angles = torch.rand(len(indices), y.shape[1]).argsort(1)[:, : c.train_rotations]
            return y[indices[:, None].to(y.device), angles.to(y.device)]

        return self.run_loop(FlowAdversary(flow, c.lr, held_out), fetch, data, run)

    def attributed_module(self) -> FlowScorer:
        """A module that scores the upright view only: 64 rotations would cost 64 times as much."""
        m = self.features_scorer()
        return FlowScorer(MultiScale(m.features.backbone, 1, self.config.scales), m.flow).to(self.device).eval()

    def rotated_features(self, images: Rows, label: str) -> Tensor:
        return self._collect(self.features_scorer().features, images, label)

    def features_scorer(self) -> FlowScorer:
        module = self._fitted()
        assert isinstance(module, FlowScorer)
        return module

    def _backbone(self, weights: Path | None) -> Backbone:
        return Backbone(self.config.backbone, self.config.layer, weights)

    def _flow(self, dim: int) -> nn.Module:
        c = self.config
        return make_flow(dim, c.blocks, c.hidden, c.clamp)

    def _collect(self, features: MultiScale, images: Rows, label: str) -> Tensor:
        """uint8 images (N, S, S, 3) -> float32 (N, rotations, d) on the CPU."""
        count = features.rotate.count

        def views(batch: Tensor) -> Tensor:
            return features(batch).reshape(len(batch), count, -1)  # type: ignore[no-any-return]

        return collect(views, images, self.device, label, max(1, CHUNK // count))
