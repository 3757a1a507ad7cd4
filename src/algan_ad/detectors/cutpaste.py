"""CutPaste: a classifier of good against cut-and-pasted images; a Gaussian on what it learns (Li et al., 2021)."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import kornia.augmentation as K
import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad

from algan_ad.data.augmentation import Augment
from algan_ad.data.cutpaste import cut_paste, cut_paste_scar
from algan_ad.data.recipe import Recipe
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.feature_pass import PooledConfig, collect
from algan_ad.detectors.shared.gan_adversary import GanAdversary
from algan_ad.detectors.shared.trained_by_epochs import TrainedDetector, TrainingConfig
from algan_ad.features.backbones import RANDOM, Backbone
from algan_ad.features.conditioning import Whitening, fit_whitening
from algan_ad.runtime.images import Pixels, Preprocessing
from algan_ad.runtime.predictor import Rows
from algan_ad.training.loop import Fetch, Trained
from algan_ad.training.seeding import seed_torch

#: The classes beside good images.
ALTERATIONS: dict[str, tuple[Callable[[Pixels, int], Pixels], ...]] = {
    "normal": (cut_paste,),
    "scar": (cut_paste_scar,),
    "3-way": (cut_paste, cut_paste_scar),
}


class CutPasteConfig(PooledConfig, TrainingConfig):
    """CutPaste; every default is the paper's but the number of epochs, which counts passes over the data here."""

    epochs: int = Field(256, ge=1, description="passes over the training data")
    batch_size: int = Field(32, ge=2, description="good images a batch; each brings its altered copies along")
    image_size: int = Field(256, ge=32, le=1024, description="side of the images")
    variant: Literal["normal", "scar", "3-way"] = Field("3-way", description="which altered copies are told apart")
    backbone: str = Field("resnet18", description="network to train, by its torchvision or timm name")
    backbone_weights: Path | None = Field(None, description="weights file to start from, or 'random'; None = random")
    translation: float = Field(
        0.1, ge=0, le=0.5, description="shift of training images, at most, as a share of the side"
    )
    jitter: float = Field(0.1, ge=0, le=0.5, description="change of brightness, contrast, saturation and hue, at most")
    lr: float = Field(0.03, gt=0, le=1, description="learning rate, which follows half a cosine down to 0")
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of the gradient descent")
    weight_decay: float = Field(3e-5, ge=0, le=1, description="L2 penalty")


class CutPasteScorer(nn.Module):
    """uint8 (N, S, S, 3) -> anomaly score (N,): squared Mahalanobis distance, -2 log density + constant."""

    def __init__(self, backbone: Backbone, density: Whitening) -> None:
        super().__init__()
        self.backbone, self.density = backbone, density

    def forward(self, images: Tensor) -> Tensor:
        return self.density(self.backbone(images)).square().sum(1)  # type: ignore[no-any-return]


class CutPasteAdversary(GanAdversary):
    """The classifier: backbone, then a projection head that is thrown away."""

    def __init__(self, config: CutPasteConfig, backbone: Backbone, dim: int, device: torch.device) -> None:
        self.config, self.backbone = config, backbone.to(device)
        n_classes = 1 + len(ALTERATIONS[config.variant])
        self.head = nn.Sequential(
            nn.Linear(dim, 512, bias=False), nn.BatchNorm1d(512), nn.ReLU(inplace=True),
            nn.Linear(512, 128, bias=False), nn.BatchNorm1d(128), nn.ReLU(inplace=True),
            nn.Linear(128, n_classes),
        ).to(device)  # fmt: skip
        parameters = [*self.backbone.parameters(), *self.head.parameters()]
        self.sgd = torch.optim.SGD(parameters, config.lr, config.momentum, weight_decay=config.weight_decay)
        super().__init__({"backbone": self.backbone, "head": self.head, "sgd": self.sgd}, ("backbone",))

    def begin_epoch(self, epoch: int) -> None:
        self.backbone.train()
        for group in self.sgd.param_groups:
            group["lr"] = self.config.lr * (1 + math.cos(math.pi * (epoch - 1) / self.config.epochs)) / 2

    def step(self, x: Tensor, j: int) -> dict[str, Tensor]:
        """x: of each image its good and its altered copies, uint8 (B, classes, S, S, 3)."""
        labels = torch.arange(x.shape[1], device=x.device).repeat(len(x))
        logits = self.head(self.backbone(x.flatten(0, 1))).float()
        loss = cross_entropy(logits, labels)
        self.sgd.zero_grad()
        loss.backward()
        self.sgd.step()
        return {"loss_c": loss.detach(), "accuracy": (logits.argmax(1) == labels).float().mean()}


class CutPaste(TrainedDetector):
    name = "cutpaste"
    Config = CutPasteConfig
    input = "image"
    default_selection = "last"  # as the paper; made-up anomalies are what it is trained on
    config: CutPasteConfig
    fitting_on: Rows | None = None  # while `fit` is at work: the images that the density describes

    def preprocessing(self, recipe: Recipe) -> Preprocessing:
        return recipe.for_images(self.config.image_size)

    def build_module(self, tensors: Mapping[str, Tensor]) -> CutPasteScorer:
        c = self.config
        density = Whitening(len(tensors["density.mean"]))
        return CutPasteScorer(Backbone(c.backbone, c.layer, RANDOM), density)  # the tensors hold its weights

    def use_weights(self, weights: Mapping[str, Tensor]) -> None:
        """The weights are the backbone's; the density follows from them and the training images."""
        assert self.fitting_on is not None
        backbone = Backbone(self.config.backbone, self.config.layer, RANDOM).to(self.device)
        backbone.load_state_dict({name.removeprefix("backbone."): tensor for name, tensor in weights.items()})
        density = fit_whitening(features(backbone, self.fitting_on, self.device).numpy(), scale=1.0)
        self.module = CutPasteScorer(backbone, density).to(self.device).eval()

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        c = self.config
        seed_torch(run.seed, "networks")
        backbone = Backbone(c.backbone, c.layer, c.backbone_weights or RANDOM, trainable=True)
        if c.backbone_weights in (None, RANDOM):
            initialise(backbone)
        dim = features(backbone.to(self.device), data.train[[0]], self.device).shape[1]
        adversary = CutPasteAdversary(c, backbone, dim, self.device)
        self.fitting_on = data.train
        try:
            return self.run_loop(adversary, self.fetcher(data), data, run)
        finally:
            self.fitting_on = None

    def fetcher(self, data: TrainingData) -> Fetch:
        """indices (B,) -> of each image, varied, its good and its altered copies: uint8 (B, classes, S, S, 3)."""
        recipe, jitter = Augment(data.recipe), K.ColorJitter(*[self.config.jitter] * 4)

        def fetch(indices: Tensor) -> Tensor:
            x = torch.from_numpy(data.train[indices.numpy()]).permute(0, 3, 1, 2).float() / 255
            varied = jitter(shifted(recipe(x), self.config.translation)).permute(0, 2, 3, 1)
            good = (varied * 255).round().clamp(0, 255).to(torch.uint8).numpy()
            seeds = torch.randint(2**62, (2,)).tolist()
            altered = [alter(good, seed) for alter, seed in zip(ALTERATIONS[self.config.variant], seeds, strict=False)]
            return torch.from_numpy(np.stack([good, *altered], 1)).to(self.device)

        return fetch


def initialise(network: nn.Module) -> None:
    """Convolutions as He et al. (2015), from torch's global state: another seed, another start."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


def shifted(images: Tensor, share: float) -> Tensor:
    """float (B, C, S, S), each moved by its own whole number of pixels up to share * S; borders are continued."""
    side = images.shape[-1]
    most = round(share * side)
    padded = pad(images, [most] * 4, mode="replicate")
    corners = torch.randint(2 * most + 1, (len(images), 2)).tolist()
    return torch.stack([x[:, i : i + side, k : k + side] for x, (i, k) in zip(padded, corners, strict=True)])


def features(backbone: Backbone, images: Rows, device: torch.device) -> Tensor:
    """uint8 images (N, S, S, 3) -> features in eval mode, float32 (N, d) on the CPU."""
    return collect(backbone.eval(), images, device, "features")
