"""ALGAN on the patches of a fixed network, trained or not; one pass gives the score and the map."""

import copy
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from algan_ad.algan.mixture import Noise
from algan_ad.algan.networks import VectorGenerator
from algan_ad.algan.patch_mixture import PatchDiscriminator, place_patches
from algan_ad.data.recipe import Recipe
from algan_ad.detectors.shared.algan_adversary import AlganAdversary, AlganConfig, make_algan
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.feature_pass import at_least_two, batches
from algan_ad.detectors.shared.trained_by_epochs import TrainedDetector
from algan_ad.features.alignment import Alignment
from algan_ad.features.conditioning import Whitening, fit_patch_whitening
from algan_ad.features.coreset import greedy_coreset
from algan_ad.features.gaussians import Gaussians, PositionGaussians
from algan_ad.features.maps import concatenated
from algan_ad.features.marks import averaged, counted, marked_map, on_finest_grid
from algan_ad.features.patches import levels
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.predictor import Rows
from algan_ad.runtime.seeding import seed_from
from algan_ad.training.budget import Budget
from algan_ad.training.device import Precision
from algan_ad.training.loop import Trained
from algan_ad.training.seeding import private_randomness, seed_torch

BATCHES = 8  # batches in an epoch, for any number of images
CANDIDATES = 100_000  # largest number of patches of a level that the prototypes are chosen from
EPSILON = 0.01  # added to the variances at a position, which are about 1; PaDiM's value
COMMON = 0.1  # samples a feature that the covariance common to all positions counts as at each
PLACED = 4096  # patches that set the untrained boundary
AT_ONCE = 8  # images in a batch, which bounds the memory
FITTING = 5.0  # seconds for what comes before the epochs beside the look at the images
ALIGNED_TO = 128  # training images, evenly over all, whose mean is what images are aligned to
N_WATCHED = 8  # held-out images whose patches the monitors look at


class OnPatchesConfig(AlganConfig):
    """ALGAN on patches. The defaults were chosen on good data and made-up defects (docs/experiments/algan-patch.md)."""

    image_size: int = Field(224, ge=32, le=1024, description="side of the images")
    prototypes: int = Field(
        2048, ge=1, description="patches of the first layer that D keeps; twice as many of each next layer"
    )
    noise: float = Field(
        1.0, ge=0, description="weight of noisy real data, a kind of pseudo-anomaly that is ours; 0 = none"
    )
    noise_reach: float = Field(
        2.0, gt=0, description="largest length of that noise, in distances between neighbouring prototypes"
    )
    places: float = Field(
        0.25, ge=0, description="weight of the Mahalanobis distance of a patch at its position; 0 = none"
    )
    align: bool | None = Field(
        None,
        description="turn and shift each image a little, so that its part lies as those of the good images; None = "
        "where good images then differ less, which training measures beforehand",
    )
    buffered: bool = Field(
        False, description="train with samples of the generator's past; on patches they gain nothing"
    )
    anomalous_latents: bool = Field(False, description="train with fake-anomalous data; on patches it gains nothing")
    epochs: int = Field(8, ge=1, description="rounds of eight batches")
    batch_size: int = Field(256, ge=2, description="patches a batch")
    hidden: int = Field(256, ge=1, le=8192, description="width of the generator's hidden layers")
    precision: Precision = Field("float32", description="bfloat16 gains nothing on networks this small")


class PatchScorer(nn.Module):
    """uint8 (N, S, S, C) -> anomaly score (N,): minus the logit of D, averaged over 3 x 3 positions, at its maximum.

    D judges each level on the level's own grid; the results are brought to the finest grid. D does not know where a
    patch lies, so `weight` times its squared Mahalanobis distance to the normal patches at the same position is added.
    With an alignment, images are aligned first, and maps are brought back.
    """

    def __init__(
        self, backbone: nn.Module, conditioning: Sequence[Whitening], discriminator: PatchDiscriminator,
        places: Sequence[PositionGaussians], weight: float, alignment: Alignment | None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.alignment = alignment
        self.backbone, self.discriminator = backbone, discriminator
        self.conditioning, self.places = nn.ModuleList(conditioning), nn.ModuleList(places)
        self.weight = weight / sum(discriminator.dims)

    def forward(self, images: Tensor) -> Tensor:
        images = aligned(self.alignment, images)
        found = self.positions(images)
        return averaged(found, counted(images, found.shape[1:])).amax((1, 2))

    def forward_with_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        if self.alignment is None:
            return self._with_maps(images)
        images, moves = self.alignment(images)
        scores, maps = self._with_maps(images)
        return scores, self.alignment.back(maps, moves)

    def _with_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        found = self.positions(images)
        counts = counted(images, found.shape[1:])
        return averaged(found, counts).amax((1, 2)), marked_map(found, images, counts)

    def conditioned(self, images: Tensor) -> list[Tensor]:
        """Patches of each level, (N, H_l, W_l, d_l), as D takes them."""
        found = levels(self.backbone, images)
        return [whiten(level.permute(0, 2, 3, 1)) for whiten, level in zip(self.conditioning, found, strict=True)]

    def positions(self, images: Tensor) -> Tensor:
        """Minus the logit at every position of the finest grid, (N, H, W)."""
        parts = zip(self.discriminator.levels, self.places, self.conditioned(images), strict=True)
        nearness = [near(level) - self.weight * place(level) for near, place, level in parts]
        return -self.discriminator.logit(on_finest_grid(nearness, images).unbind(1))


class AlganOnPatches(TrainedDetector):
    """A detector whose prototypes, limited in number, cover the training patches; the adversary moves their biases."""

    draws_maps = by_position = keeps_proportions = True
    score_batch = AT_ONCE
    input = "image"
    augments = False
    config: OnPatchesConfig
    module: PatchScorer | None

    @property
    @abstractmethod
    def n_levels(self) -> int:
        """Number of maps that the network gives."""

    @abstractmethod
    def network(self, images: Rows) -> nn.Module:
        """The network, images uint8 (N, S, S, C) -> maps (N, C_l, H_l, W_l); `images` are those to train on."""

    @abstractmethod
    def empty_network(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        """A network that the tensors of a model fit into."""

    def preprocessing(self, recipe: Recipe) -> Preprocessing:
        return recipe.for_features(self.config.image_size)

    def build_module(self, tensors: Mapping[str, Tensor]) -> PatchScorer:
        numbers = range(self.n_levels)
        prototypes = [tensors[f"discriminator.levels.{i}.prototypes"] for i in numbers]
        sizes = [(len(p), p.shape[1]) for p in prototypes]
        positions = [len(tensors[f"places.{i}.mean"]) for i in numbers]
        places = [
            PositionGaussians(torch.empty(n, d), torch.empty(n, d, d))
            for n, (_, d) in zip(positions, sizes, strict=True)
        ]
        conditioning = [Whitening(d) for _, d in sizes]
        return PatchScorer(
            self.empty_network(tensors), conditioning, PatchDiscriminator(sizes), places, self.config.places,
            Alignment() if self.config.align else None,
        )  # fmt: skip

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        at_least_two(data.train)
        c = self.config
        backbone = self.network(data.train).to(self.device)
        if run.budget is not None:
            _refuse_too_many(backbone, data, run.budget)
        order, draws = torch.Generator().manual_seed(run.seed), torch.Generator(self.device)
        gaussians = [Gaussians() for _ in range(self.n_levels)]
        alignment = self._alignment(data.train)
        *found, joined = sample(backbone, data.train, order, gaussians, alignment)
        rng = np.random.default_rng(seed_from(run.seed, "conditioning"))
        conditioning = [fit_patch_whitening(rows.numpy(), rng) for rows in found]
        prototypes = [
            _spread(whiten(rows), c.prototypes * 2**i, order, self.device)
            for i, (whiten, rows) in enumerate(zip(conditioning, found, strict=True))
        ]
        x = _side_by_side(conditioning, joined)
        del found, joined  # as large as x
        D, radius = place_patches(prototypes, x[:: 1 + len(x) // PLACED])
        places = [
            PositionGaussians(each.mean, each.inverse_factor(EPSILON, COMMON))
            for each in (each.conditioned(whiten) for each, whiten in zip(gaussians, conditioning, strict=True))
        ]
        self.module = PatchScorer(backbone, conditioning, copy.deepcopy(D), places, c.places, alignment)
        self.module.to(self.device).eval()
        with private_randomness():  # torch initialises from its global state only
            seed_torch(run.seed, "networks")
            G = VectorGenerator(x.shape[1], c.z_dim, c.hidden)
        n_samples, x = BATCHES * c.batch_size, x.to(self.device)
        disturb = Noise(c.noise_reach * radius, draws) if c.noise else None
        algan = make_algan(c, G, D, n_samples, self.device, draws, disturb)

        def fetch(indices: Tensor) -> Tensor:
            """Draw as many patches as indices, with replacement: an epoch has one length for any number of images."""
            batch: Tensor = x[torch.randint(len(x), indices.shape, generator=order).to(self.device)]
            return batch

        held_out = None
        if data.held_out is not None:
            watched = data.held_out[: min(N_WATCHED, len(data.held_out))]
            joined = sample(backbone, watched, order, alignment=alignment)[-1]
            held_out = _side_by_side(conditioning, joined).to(self.device)
        return self.run_loop(AlganAdversary(algan, held_out, None), fetch, data, run, n_samples, (order, draws))

    def _alignment(self, images: Rows) -> Alignment | None:
        if not self.config.align:
            return None
        chosen = np.linspace(0, len(images) - 1, min(ALIGNED_TO, len(images)), dtype=np.int64)
        return Alignment().to(self.device).fit(torch.from_numpy(np.asarray(images[chosen])).to(self.device))


def aligned(alignment: Alignment | None, images: Tensor) -> Tensor:
    """Images (N, H, W, C) whose parts lie alike, or as they are without an alignment."""
    return images if alignment is None else alignment(images)[0]


@torch.no_grad()
def _refuse_too_many(backbone: nn.Module, data: TrainingData, budget: Budget) -> None:
    """Raises InputError for more images than the budget leaves time to look at; of a few of them it is measured."""
    some = next(batches(data.train, next(backbone.buffers()).device, "timing", AT_ONCE))
    levels(backbone, some)  # the first time prepares much
    start = time.monotonic()
    levels(backbone, some)
    n = len(data.train) + len(data.held_out if data.held_out is not None else ())
    seconds = (time.monotonic() - start) / len(some) * n
    budget.refuse_less_than(seconds + FITTING, f"looking at {n} images of {some.shape[1]} x {some.shape[2]}")


def sample(
    backbone: nn.Module, images: Rows, generator: torch.Generator, gaussians: Sequence[Gaussians] = (),
    alignment: Alignment | None = None,
) -> list[Tensor]:  # fmt: skip
    """Patches of images uint8 (N, S, S, 3): those of each level (n_l, d_l), then all levels joined (n, sum of d_l).

    There are at most CANDIDATES of each, as many from every image, at random positions; they are on the CPU. A joined
    patch holds all levels at one place of the finest grid. The `gaussians`, one a level, take in every patch.
    """
    parts: list[list[Tensor]] = []
    with torch.no_grad():
        for some in batches(images, next(backbone.buffers()).device, "features", AT_ONCE):
            batch = aligned(alignment, some)
            maps = levels(backbone, batch)
            for each, level in zip(gaussians, maps, strict=False):
                each.add(level.flatten(2).permute(2, 0, 1).cpu())
            every = (*maps, concatenated(maps, "nearest"))
            parts.append([_drawn(each, counted(batch, each.shape[2:]), len(images), generator) for each in every])
    kinds = [list(each) for each in zip(*parts, strict=True)]
    del parts
    return [torch.cat(kinds.pop(0)) for _ in range(len(kinds))]  # each is freed before the next is joined


def _drawn(maps: Tensor, counts: Tensor | None, n_images: int, generator: torch.Generator) -> Tensor:
    """Rows (n, C) of maps (N, C, H, W): all positions that count, or at random each image's share of the CANDIDATES."""
    rows = maps.flatten(2).mT.cpu()  # (N, H W, C)
    kept = torch.ones(rows.shape[:2], dtype=torch.bool) if counts is None else counts.flatten(1).cpu()
    count = min(rows.shape[1], max(1, CANDIDATES // n_images))
    if count == rows.shape[1]:
        return rows[kept]
    chosen = torch.rand(rows.shape[:2], generator=generator).where(kept, -1).topk(count).indices
    return rows.take_along_dim(chosen[..., None], 1)[kept.take_along_dim(chosen, 1)]


def _spread(rows: Tensor, size: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """At most `size` of the rows (n, d), such that they cover all of them."""
    return rows if len(rows) <= size else rows[greedy_coreset(rows, size, generator, device)]


def _side_by_side(conditioning: Sequence[Whitening], joined: Tensor) -> Tensor:
    parts = joined.split([len(whiten.mean) for whiten in conditioning], 1)
    return torch.cat([whiten(part) for whiten, part in zip(conditioning, parts, strict=True)], 1)
