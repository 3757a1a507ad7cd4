import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algan_ad.evaluation.results import (
    Evaluation,
    evaluate_scores,
    read_evaluation,
    trade_off,
    write_evaluation,
)
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Skipped

LABELS = [0, 0, 0, 0, 1, 1, 1]
SCORES = [1.0, 2.0, 3.0, 8.0, 9.0, 7.0, 2.5]
DEFECTS = ["good"] * 4 + ["crack", "crack", "stain"]
PATHS = [f"test/{i}.png" for i in range(7)]
CALIBRATION = Calibration(scores=tuple(range(1, 10)), false_alarm_rate=0.2)  # n = 9, k = 2: threshold 8


def evaluate(**changes: Any) -> Evaluation:
    given = {
        "labels": LABELS,
        "scores": SCORES,
        "defects": DEFECTS,
        "paths": PATHS,
        "calibration": CALIBRATION,
        "method": "algan-image",
        "dataset": "demo",
        "protocol": "normal-only",
        "seed": 3,
    }
    return evaluate_scores(**(given | changes))


def test_every_figure_by_hand() -> None:
    result = evaluate()
    assert (result.n_normal, result.n_anomalous) == (4, 3)
    assert result.image_auroc == pytest.approx((4 + 3 + 2) / 12)
    assert result.f1_max == pytest.approx(2 * 3 / (3 + 5))  # above 2
    assert result.f1_all_anomalous == pytest.approx(6 / 10)
    assert result.fpr_at_95_tpr == pytest.approx(2 / 4)
    assert (result.threshold, result.false_alarm_rate) == (8, 0.2)
    assert result.guaranteed_false_alarm_rate == pytest.approx(2 / 10)
    assert result.realised_false_alarm_rate == 0  # a score of 8 is not above a threshold of 8
    assert result.detection_rate == pytest.approx(1 / 3)
    assert set(result.intervals) == {"image_auroc", "auprc", "f1_max", "fpr_at_95_tpr"}
    low, high = result.intervals["image_auroc"]
    assert low <= result.image_auroc <= high


def test_each_defect_is_measured_against_all_normal_images() -> None:
    crack, stain = (evaluate().per_defect[name] for name in ("crack", "stain"))
    assert (crack.n, crack.image_auroc, crack.detection_rate) == (2, pytest.approx(7 / 8), 0.5)
    assert (stain.n, stain.image_auroc, stain.detection_rate) == (1, pytest.approx(2 / 4), 0)
    assert list(evaluate().per_defect) == ["crack", "stain"]


def test_images_keep_their_order_and_get_the_decision() -> None:
    image = evaluate().images[4]
    assert (image.path, image.label, image.defect, image.score) == ("test/4.png", 1, "crack", 9.0)
    assert (image.p_value, image.anomalous) == (pytest.approx(2 / 10), True)
    assert evaluate().images[3].anomalous is False


def test_without_calibration_there_are_no_decisions() -> None:
    result = evaluate(calibration=None)
    assert result.threshold is result.detection_rate is result.per_defect["crack"].detection_rate is None
    assert all(image.anomalous is image.p_value is None for image in result.images)
    assert result.image_auroc == evaluate().image_auroc


@pytest.mark.parametrize(("chosen", "missing"), [(0, "detection_rate"), (1, "realised_false_alarm_rate")])
def test_one_class_gives_its_own_rate_only(chosen: int, missing: str) -> None:
    of = [i for i, label in enumerate(LABELS) if label == chosen]
    columns = {"labels": LABELS, "scores": SCORES, "defects": DEFECTS, "paths": PATHS}
    result = evaluate(**{name: [column[i] for i in of] for name, column in columns.items()})
    assert result.image_auroc is None
    assert result.intervals == {}
    assert getattr(result, missing) is None
    assert (result.realised_false_alarm_rate is None) != (result.detection_rate is None)


def test_no_test_image_at_all() -> None:
    result = evaluate(labels=[], scores=[], defects=[], paths=[])
    assert (result.n_normal, result.n_anomalous, result.images, result.per_defect) == (0, 0, (), {})
    assert result.threshold == 8


def test_summary_is_json_without_the_images() -> None:
    summary = evaluate(skipped=[Skipped(Path("bad.png"), "truncated")]).summary()
    assert "images" not in summary
    assert summary["skipped"] == [{"path": "bad.png", "reason": "truncated"}]
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


@pytest.mark.parametrize("changes", [{}, {"calibration": None}, {"protocol": "thesis", "seed": 0}])
def test_written_and_read_back(tmp_path: Path, changes: dict[str, Any]) -> None:
    result = evaluate(skipped=[Skipped(Path("bad.png"), "truncated")], **changes)
    write_evaluation(tmp_path / "evaluation.json", result)
    assert read_evaluation(tmp_path / "evaluation.json") == result


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[]", "not an evaluation"),
        ('{"schema_version": 2}', "upgrade"),
        ('{"schema_version": 1}', "method"),
        ('{"schema_version": "x"}', "schema_version"),
        ("{", "not valid JSON"),
    ],
)
def test_a_file_that_is_no_evaluation_is_refused_by_name(tmp_path: Path, content: str, says: str) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(content)
    with pytest.raises(InputError, match=f"(?s)evaluation.json.*{says}"):
        read_evaluation(path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"scores": [*SCORES[:-1], float("nan")]}, "test/6.png: its score is nan"),
        ({"labels": [2, *LABELS[1:]]}, "0 .* or 1"),
        ({"defects": DEFECTS[1:]}, "6 defect names and 7 paths"),
        ({"protocol": "mine"}, "protocol"),
    ],
)
def test_bad_input_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        evaluate(**changes)


def test_trade_off_by_hand() -> None:
    # Normal 1 2 3 8, anomalous 2.5 7 9: one in three without a false alarm, all of them for one half.
    third = pytest.approx(1 / 3)
    assert [tuple(row) for row in trade_off(LABELS, SCORES)] == [(8.0, 0.0, third), (2.0, 0.5, 1.0)]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20)), min_size=2, max_size=60))
def test_trade_off_is_what_its_thresholds_do(pairs: list[tuple[int, int]]) -> None:
    labels, scores = np.array([*pairs, (0, 1), (1, 2)]).T
    rows = trade_off(labels, scores)
    for row in rows:
        assert row.false_alarm_rate == np.mean(scores[labels == 0] > row.threshold)
        assert row.detection_rate == np.mean(scores[labels == 1] > row.threshold)
    assert rows == sorted(set(rows), reverse=True)
    assert all(a.detection_rate < b.detection_rate for a, b in pairwise(rows))
