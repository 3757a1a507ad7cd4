"""Anomalous iff score > threshold: predictions, evaluations and the calibration decide alike, at the boundary too."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from algan_ad.data.recipe import Recipe
from algan_ad.detectors.shared.contract import Detector, RunOptions, TrainingData
from algan_ad.evaluation.metrics import f1_max
from algan_ad.evaluation.results import Evaluation
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.model_folder import ModelConfig
from algan_ad.runtime.schema import Schema
from algan_ad.training.loop import Trained
from algan_ad.workflows.evaluate import evaluate
from algan_ad.workflows.model import Model


class FirstColumn(Detector):
    """The score is the value in the first column."""

    name = "first-column"
    Config = Schema
    input = "vector"

    def preprocessing(self, recipe: Recipe) -> None:
        return None

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        raise AssertionError("nothing here is trained")

    def build_module(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        class Column(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                return x[:, 0]

        return Column()


def model(calibration: Calibration | None) -> Model:
    detector = FirstColumn(Schema(), "cpu")
    detector.load({})
    config = ModelConfig(
        method="first-column", plan={}, input="vector", calibration=calibration, protocol="normal-only", seed=0,
        selection="none", fingerprint={"n_features": 1, "files": {}}, versions={}, training={},
    )  # fmt: skip
    return Model(detector, config)


def evaluated(of: Model, normal: object, anomalous: object, folder: Path) -> Evaluation:
    x = np.concatenate([np.ravel(normal), np.ravel(anomalous)]).astype(np.float64)
    path = folder / "t.npz"
    np.savez(path, X=x[:, None], y=np.repeat([0, 1], [np.size(normal), np.size(anomalous)]))
    return evaluate(of, path)


def above(values: object) -> NDArray[np.float32]:
    return np.nextafter(np.float32(values), np.float32(np.inf))


def test_at_the_threshold_is_normal_and_the_next_number_is_not(tmp_path: Path) -> None:
    calibration = Calibration(scores=range(99), false_alarm_rate=0.05)  # k = 5: threshold 94
    just_above = above(94)
    found = model(calibration).predict(np.array([[94], [just_above], [93]], np.float32))
    assert [each.anomalous for each in found] == [False, True, False]
    assert {each.threshold for each in found} == {94}
    assert [each.p_value for each in found] == [0.06, 0.05, 0.07]
    result = evaluated(model(calibration), [94, 93], [just_above], tmp_path)
    assert [image.anomalous for image in result.images] == [False, False, True]
    assert (result.realised_false_alarm_rate, result.detection_rate, result.threshold) == (0, 1, 94)


@pytest.mark.parametrize("n", [1, 6, 19, 99, 250])
def test_a_perfectly_separable_set_is_perfectly_decided(n: int, tmp_path: Path) -> None:
    """Every anomaly one rounding step above the highest normal score, which calibrates at rates too low for n."""
    scores = np.linspace(-700, 300, n).astype(np.float32)
    calibration = Calibration(scores=scores, false_alarm_rate=0.9 / (n + 1))
    result = evaluated(model(calibration), scores, [above(scores.max())] * 3, tmp_path)
    assert (result.realised_false_alarm_rate, result.detection_rate) == (0, 1)
    assert (result.image_auroc, result.f1_max, result.fpr_at_95_tpr) == (1, 1, 0)
    best = f1_max([image.label for image in result.images], [image.score for image in result.images])
    assert [image.score > best.threshold for image in result.images] == [bool(image.label) for image in result.images]


@settings(deadline=None, max_examples=50)
@given(
    calibrating=st.lists(st.integers(-5, 5), min_size=1, max_size=40),
    tested=st.lists(st.integers(-6, 6), min_size=1, max_size=20),
    rate=st.floats(0.01, 0.9),
)
def test_all_decide_alike(calibrating: list[int], tested: list[int], rate: float) -> None:
    calibration = Calibration(scores=calibrating, false_alarm_rate=rate)
    found = model(calibration).predict(np.array(tested, float)[:, None])
    flags = [each.anomalous for each in found]
    assert flags == calibration.decide(tested).tolist()
    assert flags == [score > calibration.threshold for score in tested]
    if calibration.sufficient:
        assert flags == [each.p_value is not None and each.p_value <= rate for each in found]


def test_evaluation_and_prediction_agree(image_model: Model, pristine_parts: Path) -> None:
    images = evaluate(image_model, pristine_parts).images
    found = image_model.predict([image.path for image in images])
    assert [(each.score, each.p_value, each.anomalous) for each in found] == [
        (image.score, image.p_value, image.anomalous) for image in images
    ]


def test_another_rate_decides_by_the_same_scores(tmp_path: Path) -> None:
    first = model(Calibration(scores=range(99), false_alarm_rate=0.01))
    x = np.arange(99.0)[:, None]
    for rate, flagged in ((0.01, 0), (0.05, 4), (0.5, 49)):
        found = first.with_false_alarm_rate(rate).predict(x)
        assert sum(bool(each.anomalous) for each in found) == flagged
    assert not any(each.anomalous for each in first.predict(x))  # unchanged
    for wrong in (0, 1, 2, -1):
        with pytest.raises(InputError, match="false_alarm_rate"):
            first.with_false_alarm_rate(wrong)


def test_without_calibration_there_are_scores_and_no_decisions(tmp_path: Path) -> None:
    bare = model(None)
    (found,) = bare.predict(np.array([[3.0]]))
    assert (found.score, found.p_value, found.anomalous, found.threshold) == (3, None, None, None)
    result = evaluated(bare, [1, 2], [3], tmp_path)
    assert (result.image_auroc, result.threshold, result.detection_rate) == (1, None, None)
    with pytest.raises(InputError, match="no calibration"):
        bare.with_false_alarm_rate(0.1)
