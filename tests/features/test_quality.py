from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from torch import Tensor

from algan_ad.features.backbones import RANDOM, Backbone
from algan_ad.features.quality import Quality
from algan_ad.runtime.errors import InputError

WEIGHTS = Path(__file__).parents[3] / "shared" / "weights"


def images(n: int, seed: int, contrast: int = 255) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, contrast + 1, (n, 32, 32, 3)).astype(np.uint8)


def as_generated(pixels: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1


@pytest.fixture(scope="module")
def quality() -> Quality:
    return Quality("squeezenet1_1", RANDOM, images(40, 0))


def test_the_reference_itself_has_no_distance(quality: Quality) -> None:
    assert quality(as_generated(images(40, 0)))["frechet_distance"] == pytest.approx(0, abs=1e-3)


@pytest.mark.filterwarnings("ignore:Matrix is singular")
def test_distance_is_that_of_the_formula(quality: Quality) -> None:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), Heusel et al. (2017), with another square root."""
    backbone = Backbone("squeezenet1_1", weights=RANDOM)
    a, b = (backbone(torch.from_numpy(images(40, seed, c))).double().numpy() for seed, c in ((0, 255), (1, 60)))
    s1, s2 = np.cov(a.T), np.cov(b.T)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s1 + s2 - 2 * sqrtm(s1 @ s2).real)
    assert quality(as_generated(images(40, 1, 60)))["frechet_distance"] == pytest.approx(expected, rel=1e-2)


def test_inception_score_is_one_for_equal_images_and_more_for_others(quality: Quality) -> None:
    same = as_generated(images(1, 0)).expand(8, -1, -1, -1)
    assert quality(same)["inception_score"] == pytest.approx(1, abs=1e-5)
    mixed = torch.cat([as_generated(images(4, 0)), as_generated(images(4, 0, 5))])
    assert quality(mixed)["inception_score"] > 1 + 1e-5


def test_calls_do_not_depend_on_each_other(quality: Quality) -> None:
    generated = as_generated(images(70, 1, 60))
    first = quality(generated)
    quality(as_generated(images(40, 2)))
    assert quality(generated) == pytest.approx(first)


def test_too_few_images(quality: Quality) -> None:
    assert quality(as_generated(images(1, 0))) == {}
    with pytest.raises(InputError, match="1 reference images"):
        Quality("squeezenet1_1", RANDOM, images(1, 0))


@pytest.mark.shared
def test_without_a_classifier_there_is_no_inception_score() -> None:
    path = WEIGHTS / "mobilenet_v2.features.imagenet1k.safetensors"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    assert set(Quality("mobilenet_v2", path, images(8, 0))(as_generated(images(8, 1)))) == {"frechet_distance"}


@pytest.mark.shared
def test_real_weights_tell_noise_from_real_images() -> None:
    path = WEIGHTS / "squeezenet1_1.imagenet1k.safetensors"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    quality = Quality("squeezenet1_1", path, images(40, 0))
    like, unlike = quality(as_generated(images(40, 1))), quality(as_generated(images(40, 2, 60)))
    assert like["frechet_distance"] < unlike["frechet_distance"]
    assert 1 <= like["inception_score"] <= 1000


def test_images_too_small_for_the_network() -> None:
    small = np.zeros((2, 32, 32, 3), np.uint8)
    with pytest.raises(InputError, match="inception_v3: cannot take images of 32 pixels"):
        Quality("inception_v3", "random", small)


def test_networks_of_timm_judge_by_distance_alone() -> None:
    """Also one that cannot be traced."""
    assert "inception_score" not in Quality("tf_efficientnet_lite0", RANDOM, images(4, 0))(as_generated(images(4, 1)))
