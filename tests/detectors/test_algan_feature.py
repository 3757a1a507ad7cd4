from pathlib import Path

import numpy as np
import pytest
import torch
from noise import noise
from numpy.typing import NDArray

from algan_ad.data.recipe import Recipe
from algan_ad.detectors.algan_feature import AlganFeature, AlganFeatureConfig
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.detectors.shared.feature_pass import extract
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.features.backbones import RANDOM, Backbone
from algan_ad.features.packaged import LITE0
from algan_ad.runtime.errors import InputError
from algan_ad.workflows.options import DataOptions
from algan_ad.workflows.samples import prepare

WEIGHTS = Path(__file__).parents[3] / "shared" / "weights"
SMALL = {
    "epochs": 4, "batch_size": 4, "hidden": 16, "z_dim": 8, "image_size": 32, "backbone": "squeezenet1_1",
    "layer": "features.3", "backbone_weights": RANDOM, "train_rotations": 3, "test_rotations": 4,
}  # fmt: skip


def images(n: int, seed: int, stripes: bool = False) -> NDArray[np.uint8]:
    return noise(n, seed, 100 * stripes)


def fitted(**changes: object) -> AlganFeature:
    detector = AlganFeature(AlganFeatureConfig(**{**SMALL, **changes}), "cpu")
    detector.fit(TrainingData(images(16, 0), held_out=images(6, 1)), RunOptions(0, "cpu"))
    return detector


def test_defaults_are_those_of_the_thesis_except_for_the_network() -> None:
    config = AlganFeatureConfig()
    assert (config.backbone, config.image_size, config.epochs) == (LITE0, 224, 192)
    assert (config.train_rotations, config.test_rotations) == (24, 64)
    assert AlganFeature(config, "cpu").preprocessing(Recipe(centre_crop=True)).resize == 256


def test_striped_images_score_higher() -> None:
    detector = fitted(epochs=30)
    scores = detector.score(np.concatenate([images(20, 2), images(20, 3, stripes=True)]))
    assert image_auroc(np.repeat([0, 1], 20), scores) == 1


def test_score_is_the_mean_over_the_rotations() -> None:
    detector = fitted()
    turned = np.concatenate([np.rot90(images(1, 5), k, (1, 2)) for k in range(4)])
    upright = fitted(test_rotations=1).score(turned)
    np.testing.assert_allclose(detector.score(images(1, 5)), [upright.mean()], rtol=1e-4)


def test_scores_do_not_depend_on_the_batch() -> None:
    detector = fitted()
    together = detector.score(images(9, 4))
    np.testing.assert_allclose(together, [detector.score(images(9, 4)[i : i + 1])[0] for i in range(9)], rtol=1e-5)


def test_folder_holds_all_that_prediction_needs() -> None:
    detector = fitted()
    config = AlganFeatureConfig(**{**SMALL, "backbone_weights": "/not/there.pth"})
    restored = AlganFeature(config, "cpu").load(detector.tensors())
    np.testing.assert_array_equal(restored.score(images(5, 7)), detector.score(images(5, 7)))


def test_features_are_cached_by_image_and_rotation() -> None:
    backbone = Backbone("squeezenet1_1", "features.3", RANDOM)
    features = extract(backbone, images(3, 0), 4, torch.device("cpu"), "features")
    assert features.shape == (3, 4, 128)
    upright = backbone(torch.from_numpy(images(3, 0)))
    torch.testing.assert_close(features[:, 0], upright, atol=1e-4, rtol=1e-4)


def test_validation_selects_by_the_scores_that_prediction_gives() -> None:
    detector = AlganFeature(AlganFeatureConfig(**SMALL, observe_every=2), "cpu")
    samples, labels = np.concatenate([images(6, 2), images(6, 3, stripes=True)]), np.repeat([0, 1], 6)
    data = TrainingData(images(16, 0), validation=(samples, labels))
    trained = detector.fit(data, RunOptions(0, "cpu"))
    assert f"({image_auroc(labels, detector.score(samples)):.3f})" in trained.selection


@pytest.mark.shared
def test_real_weights() -> None:
    path = WEIGHTS / "resnet18.layers1-3.imagenet1k.safetensors"
    if not path.exists():
        pytest.skip(f"{path} is absent")
    detector = fitted(epochs=30, backbone="resnet18", layer="layer3", backbone_weights=path)
    scores = detector.score(np.concatenate([images(10, 2), images(10, 3, stripes=True)]))
    assert image_auroc(np.repeat([0, 1], 10), scores) == 1


def test_augmentation_it_would_ignore_is_refused() -> None:
    images = np.zeros((4, 32, 32, 3), np.uint8)
    detector = AlganFeature(AlganFeatureConfig(backbone_weights="random", backbone="resnet18"))
    with pytest.raises(InputError, match="horizontal_flip: algan-feature varies images in its own way"):
        prepare(images, detector, DataOptions(horizontal_flip=True), seed=0, strict=False)
