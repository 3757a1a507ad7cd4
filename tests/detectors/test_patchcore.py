from pathlib import Path

import numpy as np
import pytest
import torch
from holed import fitted, images, peaks_in_the_hole
from torch.nn.functional import interpolate

from algan_ad.detectors import patchcore
from algan_ad.detectors.patchcore import PatchCoreConfig, PatchScorer
from algan_ad.features.backbones import RANDOM, PyramidBackbone
from algan_ad.features.neighbours import nearest
from algan_ad.features.packaged import LITE0
from algan_ad.features.patches import patches

WEIGHTS = Path(__file__).parents[3] / "shared" / "weights" / "resnet18.layers1-3.imagenet1k.safetensors"


class Fixed(torch.nn.Module):
    """A backbone that gives maps made by hand."""

    def __init__(self, *maps: torch.Tensor) -> None:
        super().__init__()
        self.levels = maps

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.levels


def test_defaults_are_the_papers_except_for_the_network() -> None:
    config = PatchCoreConfig()
    assert (config.backbone, config.taken, config.dim) == (LITE0, ("blocks.2", "blocks.4"), 1024)
    assert PatchCoreConfig(backbone="wide_resnet50_2").taken == ("layer2", "layer3")
    assert (config.coreset, config.reweight, config.image_size) == (0.1, 0, 224)


def test_a_patch_is_the_mean_of_its_neighbourhood_on_the_finest_grid() -> None:
    fine, coarse = torch.arange(16.0).reshape(1, 1, 4, 4), torch.tensor([[[[0.0, 4.0], [0.0, 4.0]]]])
    found = patches(Fixed(fine, coarse), torch.empty(1), 1024)
    assert found.shape == (1, 4, 4, 2)
    assert found[0, 1, 1, 0] == fine[0, 0, :3, :3].mean()
    assert found[0, 0, 0, 0] == fine[0, 0, :2, :2].sum() / 9  # zeros around the map
    averaged = torch.full((1, 1, 2, 2), 8 / 9)
    torch.testing.assert_close(found[..., 1], interpolate(averaged, (4, 4), mode="bilinear")[:, 0])


def test_neighbouring_features_are_averaged_down_to_dim() -> None:
    maps = 9 * torch.arange(6.0).reshape(1, 6, 1, 1)  # one position of 3 x 3, the others zeros
    assert patches(Fixed(maps), torch.empty(1), 3).flatten().tolist() == [0.5, 2.5, 4.5]


def scorer(reweight: int) -> PatchScorer:
    """Of the averaged positions, 9 is the farthest from the bank of 0, 5, 6 and 20: at 3 from the 6."""
    return PatchScorer(
        Fixed(torch.tensor([[[[3.0, 3.0, 3.0, 27.0, 27.0, 27.0]]]])),  # type: ignore[arg-type]
        torch.tensor([[0.0], [5.0], [6.0], [20.0]]), 1024, reweight,
    )  # fmt: skip


def test_score_is_the_largest_distance_to_the_nearest() -> None:
    assert scorer(0)(torch.empty(1)).tolist() == [3.0]
    assert scorer(1)(torch.empty(1)).tolist() == [3.0]


@pytest.mark.parametrize("reweight", [0, 5])
@pytest.mark.parametrize(("size", "odd"), [(2000, 9.0), (2000, 0.0), (500, 9.0)])
def test_few_comparisons_settle_the_score(
    size: int, odd: float, reweight: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The score is that of a full search, with one odd patch in 196 or with none, from a part of the comparisons."""
    searched: list[int] = []

    def counted(queries: torch.Tensor, bank: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        searched.append(len(queries) * len(bank) if k == 1 else 0)
        return nearest(queries, bank, k)

    monkeypatch.setattr(patchcore, "nearest", counted)
    generator = torch.Generator().manual_seed(0)
    maps, bank = torch.randn(3, 8, 14, 14, generator=generator), torch.randn(size, 8, generator=generator) / 3
    maps[:, :, 5, 6] += odd
    module = PatchScorer(Fixed(maps), bank, 1024, reweight)  # type: ignore[arg-type]
    scores = module(torch.empty(1))
    assert 0 < sum(searched) < 3 * 196 * len(bank) / 2
    torch.testing.assert_close(module.forward_with_maps(torch.empty(3, 56, 56, 3))[0], scores)
    x = patches(Fixed(maps), torch.empty(1), 1024).flatten(1, 2).double()  # type: ignore[arg-type]
    distances, rows = torch.cdist(x, bank.double()).min(2)
    expected, worst = distances.max(1)
    if reweight:
        for i, patch in enumerate(worst):
            around = torch.cdist(bank[rows[i, patch]][None], bank)[0].argsort()[:reweight]
            weights = torch.softmax(torch.cdist(x[i, patch][None], bank[around].double())[0], 0)
            expected[i] *= 1 - weights[0]
    torch.testing.assert_close(scores.double(), expected, rtol=1e-4, atol=1e-5)


def test_a_small_bank_is_searched_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeping account of its parts would cost more than it saves."""
    searched: list[int] = []

    def counted(queries: torch.Tensor, bank: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        searched.append(len(bank))
        return nearest(queries, bank, k)

    monkeypatch.setattr(patchcore, "nearest", counted)
    generator = torch.Generator().manual_seed(0)
    maps, bank = torch.randn(3, 8, 14, 14, generator=generator), torch.randn(200, 8, generator=generator)
    PatchScorer(Fixed(maps), bank, 1024, 0)(torch.empty(1))  # type: ignore[arg-type]
    assert searched == [200]


def test_reweighting_by_hand() -> None:
    """Eq. 7 with b = 2: the neighbours of 6 are itself, at 3 from the patch at 9, and 5, at 4."""
    expected = (1 - np.exp(3) / (np.exp(3) + np.exp(4))) * 3
    torch.testing.assert_close(scorer(2)(torch.empty(1)), torch.tensor([expected], dtype=torch.float32))


def test_reweighting_of_large_distances_does_not_overflow() -> None:
    module = scorer(2)
    module.bank *= 1000
    assert torch.isfinite(module(torch.empty(1))).all()


def test_without_a_coreset_every_patch_is_kept() -> None:
    detector, x = fitted("patchcore", coreset=1.0), images(16, 0)
    backbone = PyramidBackbone("squeezenet1_1", ["features.3", "features.6"], RANDOM)
    expected = patches(backbone, torch.from_numpy(x), 1024).flatten(0, 2)
    torch.testing.assert_close(torch.from_numpy(detector.tensors()["bank"]), expected)
    assert detector.score(x).max() < 1e-3
    tenth = fitted("patchcore").tensors()["bank"]
    assert len(tenth) == round(len(expected) / 10)
    assert torch.cdist(torch.from_numpy(tenth).double(), expected.double()).amin(1).max() < 1e-3


@pytest.mark.parametrize("reweight", [0, 3])
def test_holed_images_score_higher_and_show_where(reweight: int) -> None:
    detector = fitted("patchcore", reweight=reweight)
    assert detector.score(images(8, 1)).max() < detector.score(images(8, 2, hole=True)).min()
    assert peaks_in_the_hole(detector)


@pytest.mark.shared
def test_real_weights_of_a_partial_file() -> None:
    if not WEIGHTS.exists():
        pytest.skip(f"{WEIGHTS} is absent")
    detector = fitted("patchcore", backbone="resnet18", layers=("layer2", "layer3"), backbone_weights=WEIGHTS)
    assert detector.score(images(8, 1)).max() < detector.score(images(8, 2, hole=True)).min()
