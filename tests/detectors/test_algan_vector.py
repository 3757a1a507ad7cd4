import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from algan_ad.detectors.algan_vector import AlganVector, AlganVectorConfig
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.runtime.errors import InputError

DIM = 8
SMALL = {"epochs": 2, "hidden": 32, "z_dim": 8}
LAYERS = {"discriminator": "layers", "epochs": 16}


def rows(n: int, seed: int, shift: float = 0.0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, DIM)) * np.arange(1, DIM + 1) + shift).astype(np.float32)


def fitted(train: NDArray[np.float32], seed: int = 0, **changes: object) -> AlganVector:
    detector = AlganVector(AlganVectorConfig(**{**SMALL, **changes}), "cpu")
    detector.fit(TrainingData(train, held_out=train[:10]), RunOptions(seed, "cpu"))
    return detector


def test_defaults_are_those_of_the_thesis() -> None:
    config = AlganVectorConfig()
    assert (config.batch_size, config.hidden, config.z_dim) == (16, 512, 100)


@pytest.mark.parametrize("settings", [{}, {**LAYERS, "epochs": 40}])
def test_far_points_score_higher(settings: dict[str, object]) -> None:
    detector = fitted(rows(200, 0), **settings)
    samples = np.concatenate([rows(100, 1), rows(100, 2, shift=30)])
    assert image_auroc(np.repeat([0, 1], 100), detector.score(samples)) > 0.99


@pytest.mark.parametrize(
    ("settings", "whitens"),
    [({}, True), ({"prototypes": 20}, True), (LAYERS, True), ({**LAYERS, "conditioning": "none"}, False)],
)
def test_restored_detector_gives_the_same_scores(settings: dict[str, object], whitens: bool) -> None:
    detector = fitted(rows(60, 0), **settings)
    tensors = detector.tensors()
    assert ("conditioning.matrix" in tensors) == whitens
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
    detector.fit(TrainingData(rows(60, 0), held_out=rows(60, 0)[:10]), RunOptions(0, "cpu"))
    np.testing.assert_array_equal(detector.score(rows(20, 1)), fitted(rows(60, 0)).score(rows(20, 1)))


def test_tensors_of_another_shape_are_refused() -> None:
    tensors = fitted(rows(40, 0)).tensors()
    with pytest.raises(InputError, match="does not fit"):
        AlganVector(AlganVectorConfig(discriminator="layers"), "cpu").load(tensors)
    del tensors["discriminator.prototypes"]
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


def modes(n: int, seed: int) -> NDArray[np.float64]:
    """Two modes, elongated and far apart, in columns of unlike units."""
    rng = np.random.default_rng(seed)
    side = rng.integers(2, size=(n, 1)) * 40 - 20
    along = rng.normal(size=(n, 1)) * 5
    return np.hstack([along + side, along - side, rng.normal(size=(n, 2))]) * [1, 1000, 1e-3, 1]


def test_what_lies_between_modes_is_anomalous() -> None:
    """The thesis's layers follow one centre, which lies between the modes."""
    between = np.random.default_rng(2).normal(size=(100, 4)) * [1, 1000, 1e-3, 1]
    samples, labels = np.concatenate([modes(100, 1), between]), np.repeat([0, 1], 100)
    assert image_auroc(labels, fitted(modes(200, 0)).score(samples)) > 0.99
    assert image_auroc(labels, fitted(modes(200, 0), **LAYERS).score(samples)) < 0.5


def test_it_does_not_decay_with_steps_nor_with_rows() -> None:
    samples, labels = (
        np.concatenate([modes(300, 1), modes(100, 2) + np.array([3, 0, 0, 3])]),
        np.repeat([0, 1], [300, 100]),
    )
    few, many = modes(200, 0), modes(2500, 0)
    auroc = [image_auroc(labels, fitted(x, epochs=e).score(samples)) for x, e in ((few, 2), (few, 40), (many, 2))]
    assert min(auroc[1:]) > auroc[0] - 0.01


def test_size_is_bounded() -> None:
    detector = fitted(rows(500, 0), prototypes=100)
    assert detector.tensors()["discriminator.prototypes"].shape == (100, DIM)
    assert image_auroc(np.repeat([0, 1], 100), detector.score(np.concatenate([rows(100, 1), rows(100, 2, 30)]))) > 0.99


@pytest.mark.parametrize("train", [np.zeros((5, 3)), np.repeat(rows(3, 0), 20, 0), rows(2, 0)])
def test_data_without_neighbours(train: NDArray[np.float64]) -> None:
    detector = fitted(train)
    assert np.isfinite(detector.score(np.concatenate([train, train + 1e3]))).all()
    assert detector.score(train).max() < detector.score(train + 1e3).min()


def test_threads_do_not_meet() -> None:
    """Global random states are drawn from all the while, and are left alone."""
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            torch.rand(10)

    expected = fitted(rows(60, 0)).score(rows(20, 1))
    with ThreadPoolExecutor(5) as pool:
        pool.submit(disturb)
        runs = [pool.submit(fitted, rows(60, 0)) for _ in range(8)]
        scores = [run.result().score(rows(20, 1)) for run in runs]
        stop.set()
    for found in scores:
        np.testing.assert_array_equal(found, expected)


def test_scores_follow_weights_that_change_after_the_first_score() -> None:
    detector, x = fitted(rows(60, 0)), rows(5, 1)
    before = detector.score(x)
    np.testing.assert_array_equal(detector.score(x), before)
    detector.use_weights({name: 2 * tensor for name, tensor in detector.module.state_dict().items()})
    changed = detector.score(x)
    assert (changed != before).any()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(detector)).score(x), changed)
