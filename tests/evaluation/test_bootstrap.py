import time

import numpy as np
import pytest

from algan_ad.evaluation.bootstrap import interval
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.runtime.errors import InputError


def sample(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    labels = np.repeat([0, 1], [n // 2, n - n // 2])
    return labels, np.random.default_rng(seed).normal(size=n) + labels


def test_interval_holds_the_estimate_and_narrows_with_more_images() -> None:
    few, many = sample(40), sample(4000)
    low, high = interval(image_auroc, *few)
    assert low < image_auroc(*few) < high
    low_many, high_many = interval(image_auroc, *many, n=200)
    assert high_many - low_many < (high - low) / 4


def test_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    truth = 0.7602  # P(N(1, 1) > N(0, 1)) = Phi(1 / sqrt 2)
    hits = 0
    for seed in range(100):
        low, high = interval(image_auroc, *sample(120, seed), n=200, level=0.9, seed=seed)
        hits += low <= truth <= high
    assert 80 <= hits <= 98


def test_each_resample_keeps_the_classes_and_draws_with_replacement() -> None:
    seen = []

    def watch(labels: np.ndarray, scores: np.ndarray) -> float:
        seen.append((labels.copy(), scores.copy()))
        return 0.0

    interval(watch, [1, 0, 0, 1, 0], [10.0, 1.0, 2.0, 20.0, 3.0], n=50)
    assert all(np.array_equal(labels, [0, 0, 0, 1, 1]) for labels, _ in seen)
    assert all(set(s[:3]) <= {1.0, 2.0, 3.0} and set(s[3:]) <= {10.0, 20.0} for _, s in seen)
    assert any(len(set(s)) < 5 for _, s in seen)


def test_same_seed_same_interval() -> None:
    case = sample(60)
    assert interval(image_auroc, *case, n=100, seed=3) == interval(image_auroc, *case, n=100, seed=3)
    assert interval(image_auroc, *case, n=100, seed=3) != interval(image_auroc, *case, n=100, seed=4)


def test_a_thousand_resamples_of_two_thousand_images_are_quick() -> None:
    start = time.perf_counter()
    interval(image_auroc, *sample(2000))
    assert time.perf_counter() - start < 2


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="2 normal, 0 anomalous"):
        interval(image_auroc, [0, 0], [1.0, 2.0])
    with pytest.raises(InputError, match="level"):
        interval(image_auroc, *sample(10), level=95)
