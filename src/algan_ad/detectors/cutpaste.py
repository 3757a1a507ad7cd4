"""CutPaste: a classifier of good and cut-and-pasted images, and a Gaussian on its features (Li et al., 2021)."""

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

#: Alterations of each variant: its classes beside good images.
ALTERATIONS: dict[str, tuple[Callable[[Pixels, int], Pixels], ...]] = {
    "normal": (cut_paste,),
    "scar": (cut_paste_scar,),
    "3-way": (cut_paste, cut_paste_scar),
}


class CutPasteConfig(PooledConfig, TrainingConfig):
    """CutPaste; the defaults are the paper's, except the number of epochs, which counts passes over the data here."""

    epochs: int = Field(256, ge=1, description="passes over the training data")
    batch_size: int = Field(32, ge=2, description="good images a batch, to which the altered copies of each are added")
    image_size: int = Field(256, ge=32, le=1024, description="side of the images")
    variant: Literal["normal", "scar", "3-way"] = Field("3-way", description="altered copies that the classifier sees")
    backbone: str = Field("resnet18", description="network to train, by its torchvision or timm name")
    backbone_weights: Path | None = Field(None, description="weights file to start from, or 'random'; None = random")
    translation: float = Field(
        0.1, ge=0, le=0.5, description="largest shift of training images, as a share of the side"
    )
    jitter: float = Field(0.1, ge=0, le=0.5, description="largest change of brightness, contrast, saturation and hue")
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
    """Training of the classifier: the backbone, then a projection head that is discarded afterwards."""

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
        """x: good and altered copies of each image, uint8 (B, classes, S, S, 3)."""
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
    default_selection = "last"  # as in the paper; the made-up anomalies of a selection are its training data
    config: CutPasteConfig
    fitting_on: Rows | None = None  # images that the density describes, while `fit` is running

    def preprocessing(self, recipe: Recipe) -> Preprocessing:
        return recipe.for_images(self.config.image_size)

    def build_module(self, tensors: Mapping[str, Tensor]) -> CutPasteScorer:
        c = self.config
        density = Whitening(len(tensors["density.mean"]))
        return CutPasteScorer(Backbone(c.backbone, c.layer, RANDOM), density)  # the tensors hold its weights

    def use_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Take the backbone's weights; the density follows from them and the training images."""
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
        """A function from indices (B,) to varied images and their altered copies, uint8 (B, classes, S, S, 3)."""
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
    """Initialise convolutions as He et al. (2015) do, from torch's global state, so that the start follows the seed."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


def shifted(images: Tensor, share: float) -> Tensor:
    """Images float (B, C, S, S), each moved by a random number of pixels up to share * S; borders are continued."""
    side = images.shape[-1]
    most = round(share * side)
    padded = pad(images, [most] * 4, mode="replicate")
    corners = torch.randint(2 * most + 1, (len(images), 2)).tolist()
    return torch.stack([x[:, i : i + side, k : k + side] for x, (i, k) in zip(padded, corners, strict=True)])


def features(backbone: Backbone, images: Rows, device: torch.device) -> Tensor:
    """uint8 images (N, S, S, 3) -> features in eval mode, float32 (N, d) on the CPU."""
    return collect(backbone.eval(), images, device, "features")
