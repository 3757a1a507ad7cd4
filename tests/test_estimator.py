import doctest
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from algan_ad import estimator
from algan_ad.detectors.algan_vector import AlganVectorConfig
from algan_ad.estimator import ALGANDetector
from algan_ad.runtime.errors import InputError

SMALL = {"epochs": 2, "hidden": 8, "z_dim": 4}
LAYERS = {**SMALL, "discriminator": "layers"}
pytestmark = pytest.mark.filterwarnings("ignore:Scores above:UserWarning")


def rows(n: int, seed: int, shift: float = 0.0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(n, 5)) + shift


@pytest.fixture(scope="module")
def fitted() -> ALGANDetector:
    return ALGANDetector(**SMALL, false_alarm_rate=0.05, calibration="split", random_state=0).fit(rows(300, 0))


@parametrize_with_checks([ALGANDetector()])
def test_scikit_learn_contract(estimator: ALGANDetector, check: object) -> None:
    check(estimator)  # type: ignore[operator]


def test_defaults_are_those_of_the_detector() -> None:
    config, params = AlganVectorConfig(), ALGANDetector().get_params()
    shared = params.keys() & AlganVectorConfig.model_fields.keys()
    assert {"epochs", "sigma", "alpha", "xi", "scale"} <= shared
    assert {name: params[name] for name in shared} == {name: getattr(config, name) for name in shared}


def test_anomalies_get_low_scores_and_minus_one(fitted: ALGANDetector) -> None:
    X, y = np.concatenate([rows(200, 1), rows(50, 2, shift=6)]), np.repeat([1, 0], [200, 50])
    assert roc_auc_score(y, fitted.score_samples(X)) > 0.98
    assert (fitted.predict(rows(50, 2, shift=6)) == -1).mean() > 0.9
    assert (fitted.predict(rows(1000, 3)) == -1).mean() < 0.12


def test_threshold_is_the_conformal_one(fitted: ALGANDetector) -> None:
    """60 held out, rate 0.05: k = floor(0.05 * 61) = 3, so the third largest score is the threshold."""
    scores = sorted(fitted.calibration_.scores)
    assert len(scores) == 60
    assert fitted.offset_ == -scores[-3]
    flagged = [-1, -1, 1]
    p = fitted.calibration_.p_values(scores[-1:-4:-1])
    np.testing.assert_allclose(p, [2 / 61, 3 / 61, 4 / 61])
    assert [(-1 if -s - fitted.offset_ < 0 else 1) for s in scores[-1:-4:-1]] == flagged


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_all_answers_agree(fitted: ALGANDetector, seed: int) -> None:
    X = np.concatenate([rows(300, 0), rows(5, seed, shift=2)])
    scores, decision = fitted.score_samples(X), fitted.decision_function(X)
    np.testing.assert_array_equal(decision, scores - fitted.offset_)
    anomalous = fitted.calibration_.decide(-scores)
    np.testing.assert_array_equal(fitted.predict(X) == -1, anomalous)
    np.testing.assert_array_equal(fitted.predict(X) == -1, decision < 0)
    np.testing.assert_array_equal(fitted.p_values(X) <= fitted.false_alarm_rate, anomalous)


def test_a_sample_has_one_score_whatever_its_batch(fitted: ALGANDetector) -> None:
    X = rows(300, 0)
    np.testing.assert_array_equal(fitted.score_samples(X[::-1])[::-1], fitted.score_samples(X))
    one_by_one = np.concatenate([fitted.score_samples(X[i : i + 1]) for i in range(20)])
    np.testing.assert_array_equal(one_by_one, fitted.score_samples(X)[:20])


@pytest.mark.parametrize("settings", [SMALL, LAYERS])
def test_seed_decides_everything_and_torch_is_left_alone(settings: dict[str, Any]) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    a, b, c = (ALGANDetector(**settings, random_state=s).fit(rows(40, 0)) for s in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(a.score_samples(rows(9, 1)), b.score_samples(rows(9, 1)))
    assert not np.array_equal(a.score_samples(rows(9, 1)), c.score_samples(rows(9, 1)))


def test_pickles_and_clones(fitted: ALGANDetector) -> None:
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.score_samples(rows(9, 1)), fitted.score_samples(rows(9, 1)))
    assert clone(fitted).get_params() == fitted.get_params()


def test_names_of_columns_and_pipelines() -> None:
    frame = pd.DataFrame(rows(40, 0), columns=list("abcde"))
    detector = ALGANDetector(**SMALL, random_state=0).fit(frame)
    assert list(detector.feature_names_in_) == list("abcde")
    assert detector.n_features_in_ == 5
    with pytest.raises(ValueError, match="feature names"):
        detector.predict(frame.rename(columns={"a": "z"}))
    assert make_pipeline(StandardScaler(), ALGANDetector(**SMALL)).fit_predict(rows(40, 0)).shape == (40,)


def test_warns_when_the_rate_cannot_be_guaranteed() -> None:
    with pytest.warns(UserWarning, match="hold out at least 99"):
        ALGANDetector(**SMALL, false_alarm_rate=0.01, calibration="split").fit(rows(50, 0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ALGANDetector(**SMALL, false_alarm_rate=0.1, calibration="split").fit(rows(50, 0))


@pytest.mark.parametrize(("n", "rate"), [(3, 1 / 4), (20, 0.1), (99, 0.05), (600, 0.01)])
def test_default_rate_is_what_the_samples_support(n: int, rate: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        calibration = ALGANDetector(**SMALL, random_state=0).fit(rows(n, 0)).calibration_
    assert calibration.false_alarm_rate == pytest.approx(rate)
    assert calibration.sufficient


def test_every_sample_calibrates_and_every_sample_trains() -> None:
    detector = ALGANDetector(**SMALL, random_state=0).fit(rows(50, 0))
    assert sorted(detector.calibration_indices_) == list(range(50))
    assert detector.calibration_.refits == 5
    assert detector.calibration_.guaranteed_rate is None
    assert len(detector.detector_.tensors()["discriminator.prototypes"]) == 50


def test_refits_flag_about_the_wanted_share() -> None:
    """Of 2,000 new samples; the binomial and the calibration together deviate by 0.02."""
    detector = ALGANDetector(**SMALL, false_alarm_rate=0.1, random_state=0).fit(rows(300, 0))
    assert 0.04 < (detector.predict(rows(2000, 1)) == -1).mean() < 0.16


@pytest.mark.parametrize("settings", [SMALL, LAYERS])
def test_threads_fit_the_same_detector(settings: dict[str, Any]) -> None:
    X = rows(40, 0)
    with ThreadPoolExecutor(4) as pool:
        fits = list(pool.map(lambda _: ALGANDetector(**settings, random_state=0).fit(X), range(4)))
    for other in fits[1:]:
        np.testing.assert_array_equal(other.score_samples(X), fits[0].score_samples(X))


def test_as_few_as_three_samples() -> None:
    assert ALGANDetector(**SMALL).fit(rows(3, 0)).predict(rows(3, 0)).shape == (3,)


@pytest.mark.parametrize(
    "bad",
    [{"epochs": 0}, {"alpha": 1.5}, {"sigma": -1.0}, {"conditioning": "pca"}, {"false_alarm_rate": 0.0},
     {"calibration_fraction": 1.0}, {"calibration": "none"}, {"discriminator": "none"}, {"device": "tpu"}],
)  # fmt: skip
def test_bad_parameters_are_named(bad: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(bad))):
        ALGANDetector(**{**SMALL, **bad}).fit(rows(30, 0))


def test_the_example_runs() -> None:
    result = doctest.testmod(estimator)
    assert result.attempted >= 6
    assert not result.failed
