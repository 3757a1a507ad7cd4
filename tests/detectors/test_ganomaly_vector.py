import numpy as np
import pytest
import torch
from noise import noise
from numpy.typing import NDArray

from algan_ad.detectors.ganomaly_vector import GanomalyVector, GanomalyVectorConfig
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.features.backbones import Backbone
from algan_ad.runtime.errors import InputError

DIM = 8
SMALL = {"epochs": 2, "hidden": 32, "z_dim": 2, "batch_size": 8}
PICTURES = {"image_size": 32, "backbone": "squeezenet1_1", "layer": "features.3", "backbone_weights": "random"}


def rows(n: int, seed: int, shift: float = 0.0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, DIM)) * np.arange(1, DIM + 1) + shift).astype(np.float32)


def images(n: int, seed: int, stripes: bool = False) -> NDArray[np.uint8]:
    return noise(n, seed, 100 * stripes)


def fitted(data: TrainingData, **changes: object) -> GanomalyVector:
    detector = GanomalyVector(GanomalyVectorConfig(**{**SMALL, **changes}), "cpu")
    detector.fit(data, RunOptions(0, "cpu"))
    return detector


def test_networks_are_of_the_size_of_algan_vector() -> None:
    c = GanomalyVectorConfig()
    assert (c.hidden, c.z_dim, c.batch_size, c.epochs) == (512, 100, 16, 48)


def test_far_points_score_higher() -> None:
    detector = fitted(TrainingData(rows(160, 0)), epochs=8)
    scores = detector.score(np.concatenate([rows(100, 1), rows(100, 2, shift=30)]))
    assert image_auroc(np.repeat([0, 1], 100), scores) > 0.95


def test_score_is_the_distance_of_the_codes_of_the_whitened_vector() -> None:
    detector, x = fitted(TrainingData(rows(40, 0)), scale=2.0), torch.from_numpy(rows(5, 1))
    m = detector.module
    assert m is not None
    assert not any(part.training for part in m.modules())
    whitened = m.conditioning(torch.from_numpy(rows(40, 0)))
    assert whitened.std(0).mean().item() == pytest.approx(2, rel=0.3)
    with torch.no_grad():
        z = m.encoder(m.conditioning(x))
        apart = torch.linalg.vector_norm(z - m.reencoder(m.decoder(z)), dim=1)
    np.testing.assert_allclose(detector.score(x.numpy()), apart, rtol=1e-5)


def test_without_conditioning_vectors_stay_as_they_are() -> None:
    detector = fitted(TrainingData(rows(40, 0)), conditioning="none")
    assert not any(key.startswith("conditioning") for key in detector.tensors())
    restored = GanomalyVector(detector.config, "cpu").load(detector.tensors())
    np.testing.assert_array_equal(restored.score(rows(9, 3)), detector.score(rows(9, 3)))


def test_a_last_batch_of_one_is_no_stumbling_block() -> None:
    assert np.isfinite(fitted(TrainingData(rows(17, 0))).score(rows(3, 1))).all()


def test_images_go_through_the_backbone() -> None:
    """The same networks as on the features, made beforehand."""
    backbone = Backbone("squeezenet1_1", "features.3", "random")
    on_images = fitted(TrainingData(images(16, 0)), **PICTURES)
    on_vectors = fitted(TrainingData(backbone(torch.from_numpy(images(16, 0))).numpy()))
    features = backbone(torch.from_numpy(images(5, 1))).numpy()
    np.testing.assert_allclose(on_images.score(images(5, 1)), on_vectors.score(features), rtol=1e-4)
    assert (on_images.input, on_vectors.input) == ("image", "vector")


def test_striped_images_score_higher() -> None:
    detector = fitted(TrainingData(images(24, 0)), epochs=8, **PICTURES)
    restored = GanomalyVector(detector.config, "cpu").load(detector.tensors())
    samples = np.concatenate([images(20, 2), images(20, 3, stripes=True)])
    assert image_auroc(np.repeat([0, 1], 20), restored.score(samples)) > 0.95


def test_validation_selects_by_the_scores_that_prediction_gives() -> None:
    samples, labels = np.concatenate([images(6, 2), images(6, 3, stripes=True)]), np.repeat([0, 1], 6)
    detector = GanomalyVector(GanomalyVectorConfig(**SMALL, **PICTURES, observe_every=1), "cpu")
    trained = detector.fit(TrainingData(images(16, 0), validation=(samples, labels)), RunOptions(0, "cpu"))
    assert f"({image_auroc(labels, detector.score(samples)):.3f})" in trained.selection


def test_options_of_a_backbone_that_is_not_there() -> None:
    with pytest.raises(InputError, match="name the network with backbone"):
        GanomalyVectorConfig(layer="layer3")
