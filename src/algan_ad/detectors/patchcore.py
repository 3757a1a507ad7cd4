"""PatchCore: distances of patches to a coreset of normal ones (Roth et al., 2022; thesis 3.3, eq. 3.16)."""

from collections.abc import Mapping
from typing import ClassVar

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

DOUBLINGS = 4  # the bank is searched in its first sixteenth, then in the next, then in the next eighth ...
SMALL = 256  # rows; a smaller bank is searched as a whole, which costs no more (docs/experiments/speed.md)
LIKELY = 8  # patches that are compared with the whole bank at once


class PatchCoreConfig(PyramidConfig):
    """The paper's settings (4.1), PatchCore-10, except for its network, a WideResNet-50."""

    of_paper: ClassVar[tuple[str, ...]] = ("layer2", "layer3")  # 3.1

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
        if images.shape[-1] > COLOURS:  # `_bounds` knows of no marks
            return self.forward_with_maps(images)[0]
        x = patches(self.backbone, images, self.dim).flatten(1, 2)
        return self._score(x, *(self._bounds(x) if len(self.bank) >= SMALL else self._nearest(x, self.bank)))

    def forward_with_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (N,), and maps of the distances of all patches, which take several times as long as the largest."""
        x = patches(self.backbone, images, self.dim)
        distances, rows = self._nearest(x.flatten(1, 2), self.bank)
        counts = counted(images, x.shape[1:3])
        counting = distances if counts is None else distances.where(counts.flatten(1), -torch.inf)
        score = self._score(x.flatten(1, 2), counting, rows)
        return score, marked_map(distances.reshape(x.shape[:3]), images, counts)

    def _score(self, x: Tensor, distances: Tensor, rows: Tensor) -> Tensor:
        """Scores (N,) of patches (N, P, d), their distances (N, P) and the numbers of their nearest rows (N, P)."""
        farthest = distances.argmax(1, keepdim=True)
        patch = _taken(x, farthest)[:, 0]
        return self._weighted(distances.gather(1, farthest)[:, 0], patch, rows.gather(1, farthest)[:, 0])

    @staticmethod
    def _nearest(x: Tensor, part: Tensor) -> tuple[Tensor, Tensor]:
        """Distances (...) of patches (..., d) to the nearest rows of a part of the bank, and those rows' numbers."""
        distances, rows = nearest(x.flatten(0, -2), part, 1)
        return distances.reshape(x.shape[:-1]), rows.reshape(x.shape[:-1])

    def _bounds(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Results of `_nearest` in the whole bank for the farthest patch; for the others, upper bounds of distances.

        Only the largest distance counts. The bank is searched part by part, and every part bounds the distances from
        above: patches that can no longer be the farthest are left out of the next one. The first rows of a coreset
        are a coreset themselves, so that the bounds are close from the beginning.
        """
        parts = self.bank.tensor_split([len(self.bank) >> k for k in range(DOUBLINGS, 0, -1)])
        bounds, rows = self._nearest(x, parts[0])
        likely = bounds.topk(min(LIKELY, x.shape[1])).indices  # (N, LIKELY)
        distances, found = self._nearest(_taken(x, likely), self.bank)
        bounds, rows = bounds.scatter(1, likely, distances), rows.scatter(1, likely, found)
        score, first = distances.amax(1, keepdim=True), len(parts[0])
        for part in parts[1:]:
            image, patch = left = (bounds > score).nonzero(as_tuple=True)
            distances, found = self._nearest(x[image, patch], part)
            closer = distances < bounds[left]
            rows = rows.index_put(left, torch.where(closer, found + first, rows[left]))
            bounds = bounds.index_put(left, torch.minimum(distances, bounds[left]))
            first += len(part)
        return bounds, rows

    def _weighted(self, distance: Tensor, patch: Tensor, row: Tensor) -> Tensor:
        """Eq. 7: |m_test - m*| (1 - exp |m_test - m*| / sum of exp |m_test - m| over the b nearest of m* in the bank).

        distance: |m_test - m*| (N,). patch: m_test (N, d). row: number of m* in the bank, int64 (N,).
        """
        if self.reweight < 2:
            return distance
        around = self.bank[nearest(self.bank[row], self.bank, self.reweight)[1]]  # (N, b, d), m* among them
        share: Tensor = (distance - (patch[:, None] - around).norm(dim=2).logsumexp(1)).exp()
        return distance * (1 - share)


def _taken(x: Tensor, positions: Tensor) -> Tensor:
    """Of each image the patches at some positions: (N, P, d) and int64 (N, k) -> (N, k, d)."""
    return x.gather(1, positions[..., None].expand(-1, -1, x.shape[2]))


class PatchCore(PyramidDetector):
    """A detector without training: a coreset of the training patches is the model."""

    name = "patchcore"
    draws_maps = by_position = True
    exports_maps = False  # the search is quick where it stops at the farthest patch
    Config = PatchCoreConfig
    config: PatchCoreConfig
    module: PatchScorer | None

    def build_module(self, tensors: Mapping[str, Tensor]) -> PatchScorer:
        return self._scorer(PyramidBackbone(self.config.backbone, self.config.taken, RANDOM), tensors["bank"].clone())

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        c = self.config
        backbone = PyramidBackbone(c.backbone, c.taken, c.backbone_weights).to(self.device)
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
