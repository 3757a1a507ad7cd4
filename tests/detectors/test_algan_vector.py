import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from algan_ad.detectors.algan_vector import AlganVector, AlganVectorConfig
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.runtime.errors import InputError

DIM = 8
SMALL = {"epochs": 16, "hidden": 32, "z_dim": 8}


def rows(n: int, seed: int, shift: float = 0.0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, DIM)) * np.arange(1, DIM + 1) + shift).astype(np.float32)


def fitted(train: NDArray[np.float32], seed: int = 0, **changes: object) -> AlganVector:
    detector = AlganVector(AlganVectorConfig(**{**SMALL, **changes}), "cpu")
    detector.fit(TrainingData(train, held_out=rows(10, 9)), RunOptions(seed, "cpu"))
    return detector


def test_defaults_are_those_of_the_thesis() -> None:
    config = AlganVectorConfig()
    assert (config.batch_size, config.hidden, config.z_dim) == (16, 512, 100)


def test_far_points_score_higher() -> None:
    detector = fitted(rows(200, 0), epochs=40)
    samples = np.concatenate([rows(100, 1), rows(100, 2, shift=30)])
    assert image_auroc(np.repeat([0, 1], 100), detector.score(samples)) > 0.99


@pytest.mark.parametrize("conditioning", ["whiten", "none"])
def test_restored_detector_gives_the_same_scores(conditioning: str) -> None:
    detector = fitted(rows(60, 0), conditioning=conditioning)
    tensors = detector.tensors()
    assert ("conditioning.matrix" in tensors) == (conditioning == "whiten")
    restored = AlganVector(detector.config, "cpu")
    restored.load(tensors)
    np.testing.assert_array_equal(restored.score(rows(20, 3)), detector.score(rows(20, 3)))


def test_scores_do_not_depend_on_the_unit() -> None:
    a, b = fitted(rows(100, 0)), fitted(1000 * rows(100, 0))
    np.testing.assert_allclose(b.score(1000 * rows(20, 1)), a.score(rows(20, 1)), atol=1e-2)


def test_seed_decides_everything() -> None:
    train = rows(60, 0)
    torch.manual_seed(1)
    first = fitted(train).score(train)
    torch.manual_seed(2)
    np.testing.assert_array_equal(fitted(train).score(train), first)
    assert not np.array_equal(fitted(train, seed=1).score(train), first)


def test_second_fit_forgets_the_first() -> None:
    detector = AlganVector(AlganVectorConfig(**SMALL), "cpu")
    detector.fit(TrainingData(rows(40, 5, shift=100)), RunOptions(3, "cpu"))
    detector.fit(TrainingData(rows(60, 0), held_out=rows(10, 9)), RunOptions(0, "cpu"))
    np.testing.assert_array_equal(detector.score(rows(20, 1)), fitted(rows(60, 0)).score(rows(20, 1)))


def test_tensors_of_another_shape_are_refused() -> None:
    tensors = fitted(rows(40, 0)).tensors()
    with pytest.raises(InputError, match="does not fit"):
        AlganVector(AlganVectorConfig(conditioning="none"), "cpu").load(tensors)
    del tensors["discriminator.layers.0.weight"]
    with pytest.raises(InputError, match="does not fit"):
        AlganVector(AlganVectorConfig(), "cpu").load(tensors)


def test_gradient_reaches_the_input() -> None:
    module = fitted(rows(40, 0)).module
    assert module is not None
    x = torch.from_numpy(rows(4, 1)).requires_grad_()
    module(x).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert x.grad.abs().sum() > 0
