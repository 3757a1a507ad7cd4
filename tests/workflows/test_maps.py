"""A method's own anomaly maps are judged against the masks; attributions never are."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from algan_ad.data.layouts import Item, open_dataset
from algan_ad.data.recipe import Recipe
from algan_ad.detectors.shared.contract import FITTED_ONCE, Detector, RunOptions, TrainingData
from algan_ad.runtime.errors import MissingExtra
from algan_ad.runtime.images import Preprocessing, load_many
from algan_ad.runtime.predictor import Maps, Rows, Scores
from algan_ad.runtime.schema import Schema
from algan_ad.training.loop import Trained
from algan_ad.workflows.maps import judged_masks, score_and_judge


class Dark(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return self.forward_with_maps(images)[0]

    def forward_with_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = 255 - images.float().mean(3)
        return maps.amax((1, 2)), maps


class Darkness(Detector):
    name, Config, input, draws_maps = "darkness", Schema, "image", True

    def preprocessing(self, recipe: Recipe) -> Preprocessing:
        return Preprocessing(size=32)

    def build_module(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        return Dark()

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        self.module = Dark()
        return FITTED_ONCE


@pytest.fixture
def detector() -> Darkness:
    made = Darkness(Schema(), "cpu")
    made.fit(TrainingData(np.zeros((1, 32, 32, 3), np.uint8)), RunOptions())
    return made


@pytest.fixture
def marked(parts: Path) -> Path:
    """Masks of every hole except the last, made from the dark pixels."""
    for path in sorted((parts / "test/hole").iterdir())[:-1]:
        mask = np.asarray(Image.open(path).convert("L")) < 30
        target = parts / "ground_truth/hole" / f"{path.stem}_mask.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask.astype(np.uint8) * 255).save(target)
    return parts


def judge(detector: Detector, folder: Path) -> tuple[list[np.ndarray], list[np.ndarray]] | None:
    items: tuple[Item, ...] = open_dataset(folder).test
    preprocessing = detector.preprocessing(Recipe())
    assert preprocessing is not None
    images = load_many([item.path for item in items], preprocessing).images
    scores, pixels = score_and_judge(detector, images, judged_masks(detector.draws_maps, items, preprocessing))
    np.testing.assert_allclose(scores, detector.score(images))
    return pixels  # type: ignore[return-value]


def test_maps_and_masks_are_paired(detector: Darkness, marked: Path) -> None:
    found = judge(detector, marked)
    assert found is not None
    masks, maps = found
    assert len(masks) == len(maps) == 10 + 7  # the unmarked hole is left out
    assert sorted({int(mask.sum()) for mask in masks}) == [0, 100]
    for mask, heat in zip(masks, maps, strict=True):
        assert not mask.any() or heat[mask].min() > heat[~mask].max()


def test_a_mask_that_cannot_be_read_is_said(
    detector: Darkness, marked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = next((marked / "ground_truth/hole").iterdir())
    broken.write_bytes(b"no image")
    found = judge(detector, marked)
    assert found is not None
    assert len(found[0]) == 10 + 6
    assert broken.name in capsys.readouterr().err


@pytest.mark.parametrize("value", [1, 3])
def test_masks_may_hold_the_number_of_a_class(detector: Darkness, marked: Path, value: int) -> None:
    wanted = judge(detector, marked)
    for path in (marked / "ground_truth/hole").iterdir():
        Image.fromarray((np.asarray(Image.open(path)) > 0).astype(np.uint8) * value).save(path)
    found = judge(detector, marked)
    assert wanted is not None
    assert found is not None
    np.testing.assert_array_equal(found[0], wanted[0])


def test_an_empty_mask_is_told(detector: Darkness, marked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next((marked / "ground_truth/hole").iterdir())
    Image.fromarray(np.zeros_like(np.asarray(Image.open(path)))).save(path)
    judge(detector, marked)
    assert f"{path.name}: marks nothing" in capsys.readouterr().err


def test_without_masks_nothing_is_judged(detector: Darkness, parts: Path) -> None:
    assert judge(detector, parts) is None


def test_attributions_are_drawn_but_not_judged(detector: Darkness, marked: Path) -> None:
    detector.draws_maps = False  # type: ignore[misc]
    assert judge(detector, marked) is None
    x = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3), dtype=np.uint8)
    assert [heat.shape for heat in detector.score_and_maps(x)[1]] == [(32, 32)] * 2
    assert not np.allclose(detector.score_and_maps(x)[1][0], 255 - x[0].mean(2))


def test_own_maps_are_drawn_as_they_are(detector: Darkness) -> None:
    x = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_allclose(detector.score_and_maps(x)[1][1], 255 - x[1].mean(2), rtol=1e-5)
    assert torch.is_tensor(detector.module(torch.from_numpy(x)))  # type: ignore[misc]


def test_maps_that_need_torch_are_left_out_aloud(detector: Darkness, capsys: pytest.CaptureFixture[str]) -> None:
    class WithoutTorch:
        score = detector.score

        def score_and_maps(self, samples: Rows) -> tuple[Scores, Maps]:
            raise MissingExtra("the network gives scores only")

    x = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3), dtype=np.uint8)
    scores, judged = score_and_judge(WithoutTorch(), x, {0: np.eye(32, dtype=bool)})
    assert judged is None
    np.testing.assert_array_equal(scores, detector.score(x))
    assert "no maps are judged: the network gives scores only" in capsys.readouterr().err
