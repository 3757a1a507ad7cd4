"""A network is refused if it does not score, or draw, as the trained model does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from algan_ad.data.recipe import Recipe
from algan_ad.detectors.shared.contract import FITTED_ONCE, Detector, RunOptions, TrainingData
from algan_ad.export.check import N_HELD_OUT, check, check_samples
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import ExportRefused
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.schema import Schema
from algan_ad.runtime.sessions import NetworkScorer
from algan_ad.training.loop import Trained


def images(n: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(60, 180, (n, 32, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("n", "views", "expected"), [(5, 1, 5), (1, 1, 1), (40, 1, N_HELD_OUT), (40, 8, 4), (9, 64, 1)]
)
def test_every_held_out_image_comes_with_an_altered_copy(n: int, views: int, expected: int) -> None:
    good = images(n)
    found = check_samples(good, views).reshape(expected, 2, 32, 32, 3)
    assert found.dtype == np.uint8
    assert all(any(np.array_equal(each, one) for one in good) for each in found[:, 0])
    assert (found[:, 0] != found[:, 1]).any((1, 2, 3)).all()
    np.testing.assert_array_equal(found[-1, 1], 255 - found[-1, 0])


def test_vectors_are_moved_in_every_column() -> None:
    good = np.random.default_rng(0).normal(5, 2, (9, 4)).astype(np.float32)
    good[:, 3] = 7  # constant
    found = check_samples(good).reshape(9, 2, 4)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, 0], good)
    assert (found[:, 0] != found[:, 1]).all()


class Mean(nn.Module):
    """The mean of the pixels, as the network of the fixture; plus a number, and plus one in a corner of the map."""

    def __init__(self, more: float, more_in_map: float) -> None:
        super().__init__()
        self.more, self.more_in_map = more, more_in_map

    def forward(self, x: Tensor) -> Tensor:
        return x.float().mean((1, 2, 3)) + self.more

    def forward_with_maps(self, x: Tensor) -> tuple[Tensor, Tensor]:
        maps = x.float().mean(3)
        maps[:, 0, 0] += self.more_in_map
        return self(x), maps


class Brightness(Detector):
    name, Config, input, draws_maps = "brightness", Schema, "image", True

    def preprocessing(self, recipe: Recipe) -> Preprocessing:
        return Preprocessing(size=32)

    def build_module(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        raise NotImplementedError

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        return FITTED_ONCE


def brightness_plus(more: float, more_in_map: float = 0.0) -> Detector:
    detector = Brightness(Schema(), "cpu")
    detector.module = Mean(more, more_in_map)
    return detector


@pytest.fixture
def scorer(brightness: onnx.ModelProto, tmp_path: Path) -> NetworkScorer:
    (tmp_path / "network.onnx").write_bytes(brightness.SerializeToString())
    return NetworkScorer(tmp_path / "network.onnx")


CALIBRATION = Calibration(scores=np.linspace(100, 140, 50), false_alarm_rate=0.1)  # a deviation of 11.8


def test_the_same_scores_pass(scorer: NetworkScorer) -> None:
    detector, x = brightness_plus(0), check_samples(images(4))
    found = check(detector, scorer, x, CALIBRATION)
    np.testing.assert_array_equal(found.scores, detector.score(x))
    far = np.abs(found.scores - 120)  # the last one is farther from the mean than a deviation
    expected = 1e-4 * np.maximum(far, np.std(CALIBRATION.scores))
    np.testing.assert_allclose(found.tolerances, expected)
    assert expected[-1] > expected[0]
    check(brightness_plus(1e-3), scorer, x, CALIBRATION)


@pytest.mark.parametrize("more", [2e-3, -1.0, float("nan")])
def test_other_scores_are_refused(scorer: NetworkScorer, more: float) -> None:
    with pytest.raises(ExportRefused, match=r"does not score as the model does: of 8 .* \(allowed: (0.0012|nan)\)"):
        check(brightness_plus(more), scorer, check_samples(images(4)), CALIBRATION)


def test_other_maps_are_refused(scorer: NetworkScorer) -> None:
    with pytest.raises(ExportRefused, match=r"does not draw the model's maps: they differ by up to 1 \(allowed"):
        check(brightness_plus(0, 1.0), scorer, check_samples(images(4)), CALIBRATION)


def test_scores_that_hardly_differ_may_differ_by_their_last_places(scorer: NetworkScorer) -> None:
    """A deviation of 1e-6 around 120 is less than float32 resolves."""
    flat = Calibration(scores=120 + 1e-6 * np.arange(20), false_alarm_rate=0.1)
    x: Any = check_samples(images(4))
    assert check(brightness_plus(0), scorer, x, flat).tolerances.max() < 2e-3
    with pytest.raises(ExportRefused):
        check(brightness_plus(3e-4), scorer, x, flat)
    assert torch.finfo(torch.float32).eps * 120 > 1e-5
