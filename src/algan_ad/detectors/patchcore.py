"""PatchCore: distances of patches to a coreset of normal ones (Roth et al., 2022; thesis 3.3, eq. 3.16)."""

from collections.abc import Mapping

import torch
from pydantic import Field
from torch import Tensor, nn

from algan_ad.detectors.shared.contract import FITTED_ONCE, RunOptions, TrainingData
from algan_ad.detectors.shared.feature_pass import PyramidConfig, PyramidDetector, batches, collect
from algan_ad.features.backbones import RANDOM, PyramidBackbone
from algan_ad.features.coreset import greedy_coreset
from algan_ad.features.marks import COLOURS, counted, marked_map
from algan_ad.features.neighbours import nearest
from algan_ad.features.patches import patches
from algan_ad.training.loop import Trained

PARTS = 16  # parts of the bank, searched one after the other
SMALL = 1024  # rows; a smaller bank is searched as a whole, which costs less than a search by parts
LIKELY = 8  # patches that are compared with the whole bank at once


class PatchCoreConfig(PyramidConfig):
    """The paper's settings (4.1); PatchCore-10."""

    layers: tuple[str, ...] = Field(
        ("layer2", "layer3"), min_length=1, description="layers that its features are taken from (3.1)"
    )
    dim: int = Field(1024, ge=1, description="largest number of features a patch; more are averaged (4.1)")
    coreset: float = Field(0.1, gt=0, le=1, description="share of the patches that the bank keeps (3.2)")
    reweight: int = Field(
        0, ge=0, le=1000, description="b of eq. 7, neighbours that re-weight the score; 0 or 1 = no re-weighting"
    )


class PatchScorer(nn.Module):
    """uint8 (N, S, S, 3) -> (N,): the largest distance of a patch to its nearest in the bank (eq. 6).

    bank: float (n, d).
    """

    bank: Tensor

    def __init__(self, backbone: PyramidBackbone, bank: Tensor, dim: int, reweight: int) -> None:
        super().__init__()
        self.backbone, self.dim, self.reweight = backbone, dim, min(reweight, len(bank))
        self.register_buffer("bank", bank)

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[-1] > COLOURS:  # the bounds of `_score` know of no marks
            return self.forward_with_maps(images)[0]
        return torch.stack([self._score(x) for x in patches(self.backbone, images, self.dim).flatten(1, 2)])

    def forward_with_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (N,), and maps of the distances of all patches, which take several times as long as the largest."""
        x = patches(self.backbone, images, self.dim)
        distances, rows = (each.reshape(len(x), -1) for each in nearest(x.flatten(0, 2), self.bank, 1))
        counts = counted(images, x.shape[1:3])
        counting = distances if counts is None else distances.where(counts.flatten(1), -torch.inf)
        farthest = counting.argmax(1)
        each = torch.arange(len(x), device=x.device)
        scores = map(self._weighted, counting[each, farthest], x.flatten(1, 2)[each, farthest], rows[each, farthest])
        return torch.stack(list(scores)), marked_map(distances.reshape(x.shape[:3]), images, counts)

    def _score(self, x: Tensor) -> Tensor:
        """Patches of one image (P, d) -> its score ()."""
        distances, rows = self._bounds(x) if len(self.bank) > SMALL else self._nearest(x, self.bank)
        farthest = distances.argmax()
        return self._weighted(distances[farthest], x[farthest], rows[farthest])

    def _nearest(self, x: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (P,) of patches (P, d) to the nearest rows of a part of the bank, and those rows' numbers (P,)."""
        distances, rows = nearest(x, part, 1)
        return distances[:, 0], rows[:, 0]

    def _bounds(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Results of `_nearest` in the whole bank for the farthest patch; for the others, upper bounds of distances.

        Only the largest distance counts. The bank is searched part by part, and every part bounds the distances from
        above: patches that can no longer be the farthest are left out of the next one. The first rows of a coreset
        are a coreset themselves, so that the bounds are close from the beginning.
        """
        parts = self.bank.tensor_split(PARTS)
        bounds, rows = self._nearest(x, parts[0])
        likely = bounds.topk(min(LIKELY, len(x))).indices
        bounds[likely], rows[likely] = self._nearest(x[likely], self.bank)
        score, first = bounds[likely].max(), len(parts[0])
        for part in parts[1:]:
            left = (bounds > score).nonzero()[:, 0]
            if not len(left):
                break
            distances, found = self._nearest(x[left], part)
            closer = distances < bounds[left]
            bounds[left[closer]], rows[left[closer]] = distances[closer], found[closer] + first
            first += len(part)
        return bounds, rows

    def _weighted(self, distance: Tensor, patch: Tensor, row: Tensor) -> Tensor:
        """Eq. 7: |m_test - m*| (1 - exp |m_test - m*| / sum of exp |m_test - m| over the b nearest of m* in the bank).

        distance: |m_test - m*| (). patch: m_test (d,). row: number of m* in the bank, int64 ().
        """
        if self.reweight < 2:
            return distance
        around = self.bank[nearest(self.bank[row][None], self.bank, self.reweight)[1][0]]  # (b, d), m* among them
        share: Tensor = (distance - (patch - around).norm(dim=1).logsumexp(0)).exp()
        return distance * (1 - share)


class PatchCore(PyramidDetector):
    """A detector without training: a coreset of the training patches is the model."""

    name = "patchcore"
    draws_maps = by_position = True
    Config = PatchCoreConfig
    config: PatchCoreConfig
    module: PatchScorer | None

    def build_module(self, tensors: Mapping[str, Tensor]) -> PatchScorer:
        return self._scorer(PyramidBackbone(self.config.backbone, self.config.layers, RANDOM), tensors["bank"].clone())

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        c = self.config
        backbone = PyramidBackbone(c.backbone, c.layers, c.backbone_weights).to(self.device)
        found = collect(lambda batch: patches(backbone, batch, c.dim), data.train, self.device, "features")
        every = found.flatten(0, 2)
        if data.train[[0]].shape[-1] > COLOURS:
            kept = [counted(batch, found.shape[1:3]) for batch in batches(data.train, self.device, "marks")]
            every = found[torch.cat([each.cpu() for each in kept if each is not None])]
        size = max(1, round(c.coreset * len(every)))
        if size < len(every):
            every = every[greedy_coreset(every, size, torch.Generator().manual_seed(run.seed), self.device)]
        self.module = self._scorer(backbone, every).to(self.device).eval()
        return FITTED_ONCE

    def _scorer(self, backbone: PyramidBackbone, bank: Tensor) -> PatchScorer:
        return PatchScorer(backbone, bank, self.config.dim, self.config.reweight)
