import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from algan_ad.evaluation.metrics import (
    auprc,
    aupro,
    f1_max,
    f1_of_flagging_all,
    fpr_at_tpr,
    image_auroc,
    operating_points,
    pixel_auroc,
)
from algan_ad.runtime.errors import InputError

LABELS = [0, 0, 0, 1, 1]
SCORES = [1.0, 2.0, 4.0, 3.0, 5.0]

labelled_scores = st.tuples(
    st.lists(st.integers(-5, 5), min_size=1, max_size=30),
    st.lists(st.integers(-5, 5), min_size=1, max_size=30),
).map(lambda sides: ([0] * len(sides[0]) + [1] * len(sides[1]), [float(s) for side in sides for s in side]))


def test_operating_points_by_hand() -> None:
    points = operating_points(LABELS, SCORES)
    np.testing.assert_array_equal(points.thresholds[:-1], [5, 4, 3, 2, 1])
    assert points.thresholds[-1] < 1
    np.testing.assert_array_equal(points.false_alarms, [0, 0, 1, 1, 2, 3])
    np.testing.assert_array_equal(points.detections, [0, 1, 1, 2, 2, 2])
    np.testing.assert_allclose(points.precision, [1, 1, 1 / 2, 2 / 3, 2 / 4, 2 / 5])


@given(labelled_scores)
def test_operating_points_count_what_lies_above_their_threshold(case: tuple[list[int], list[float]]) -> None:
    labels, scores = (np.asarray(side) for side in case)
    points = operating_points(labels, scores)
    for threshold, false_alarms, detections in zip(
        points.thresholds, points.false_alarms, points.detections, strict=True
    ):
        assert false_alarms == np.count_nonzero((scores > threshold) & (labels == 0))
        assert detections == np.count_nonzero((scores > threshold) & (labels == 1))


def test_metrics_by_hand() -> None:
    assert image_auroc(LABELS, SCORES) == pytest.approx(5 / 6)  # five of the six pairs are in order
    assert auprc(LABELS, SCORES) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert f1_max(LABELS, SCORES) == (pytest.approx(0.8), 2.0)  # three flagged, two of them anomalous
    assert f1_of_flagging_all(LABELS) == pytest.approx(4 / 7)
    assert fpr_at_tpr(LABELS, SCORES) == pytest.approx(1 / 3)
    assert fpr_at_tpr(LABELS, SCORES, tpr=0.5) == 0


@given(labelled_scores)
def test_areas_agree_with_scikit_learn(case: tuple[list[int], list[float]]) -> None:
    assert image_auroc(*case) == pytest.approx(roc_auc_score(*case))
    assert auprc(*case) == pytest.approx(average_precision_score(*case))


@given(labelled_scores)
def test_f1_max_is_what_its_threshold_gives(case: tuple[list[int], list[float]]) -> None:
    labels, scores = (np.asarray(side) for side in case)
    best = f1_max(labels, scores)
    flagged = scores > best.threshold
    hits = np.count_nonzero(flagged & (labels == 1))
    assert best.f1 == pytest.approx(2 * hits / (np.count_nonzero(flagged) + np.count_nonzero(labels)))
    assert best.f1 >= f1_of_flagging_all(labels)


@given(labelled_scores, st.sampled_from([1e-3, 1.0, 700.0]), st.sampled_from([-1e3, 0.0, 512.0]))
def test_scale_and_offset_of_scores_do_not_matter(
    case: tuple[list[int], list[float]], scale: float, offset: float
) -> None:
    labels, scores = case
    moved = [score * scale + offset for score in scores]
    for metric in (image_auroc, auprc, fpr_at_tpr, lambda *both: f1_max(*both).f1):
        assert metric(labels, moved) == pytest.approx(metric(labels, scores))


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-900.0, 640.0), (1.0, float(np.nextafter(1.0, 2.0)))])
def test_perfectly_separable_is_perfectly_decided(low: float, high: float) -> None:
    labels, scores = np.array([0, 0, 1, 1]), np.array([low, low, high, high])
    best = f1_max(labels, scores)
    assert best.f1 == 1
    np.testing.assert_array_equal(scores > best.threshold, labels == 1)
    assert (image_auroc(labels, scores), auprc(labels, scores), fpr_at_tpr(labels, scores)) == (1, 1, 0)


def test_equal_scores_are_chance() -> None:
    assert image_auroc([0, 1, 0, 1], [3.0] * 4) == 0.5
    assert fpr_at_tpr([0, 1, 0, 1], [3.0] * 4) == 1
    best = f1_max([0, 1, 0, 1], [3.0] * 4)
    assert best.f1 == f1_of_flagging_all([0, 1, 0, 1])
    assert best.threshold < 3


def test_fpr_at_95_of_20_needs_19_detections() -> None:
    labels = [1] * 20 + [0] * 2
    scores = [*range(20, 1, -1), 0.0, 1.0, -1.0]  # one normal score lies above the twentieth anomalous one
    assert fpr_at_tpr(labels, scores) == 0
    assert fpr_at_tpr(labels, scores, tpr=1.0) == 0.5


@pytest.mark.parametrize(
    ("labels", "scores", "says"),
    [
        ([], [], "0 normal, 0 anomalous"),
        ([0, 0], [1.0, 2.0], "2 normal, 0 anomalous"),
        ([1, 1], [1.0, 2.0], "0 normal, 2 anomalous"),
        ([0, 1], [1.0, float("nan")], "Score 1 is nan"),
        ([0, 1], [float("inf"), 1.0], "Score 0 is inf"),
        ([0, 1], [1.0, 2.0, 3.0], r"\(2,\) and scores \(3,\)"),
        ([0, 2, 1], [1.0, 2.0, 3.0], "0 .* or 1"),
        ([0, -1, 1], [1.0, 2.0, 3.0], "0 .* or 1"),
    ],
)
def test_what_cannot_be_measured_is_refused(labels: list[int], scores: list[float], says: str) -> None:
    for metric in (image_auroc, auprc, f1_max, fpr_at_tpr):
        with pytest.raises(InputError, match=says):
            metric(labels, scores)


def test_f1_of_flagging_all_needs_both_classes() -> None:
    with pytest.raises(InputError, match="3 normal, 0 anomalous"):
        f1_of_flagging_all([0, 0, 0])


def test_pixel_auroc_pools_all_pixels() -> None:
    masks = [np.array([[0, 255], [0, 0]]), np.zeros((1, 2))]
    maps = [np.array([[1.0, 3.0], [2.0, 0.0]]), np.array([[4.0, 0.0]])]
    assert pixel_auroc(masks, maps) == pytest.approx(4 / 5)


RAMP = np.arange(2800).reshape(400, 7)


@pytest.mark.parametrize("columns", [[3], [1, 3, 5]])
def test_aupro_of_a_ramp_is_the_area_under_the_diagonal(columns: list[int]) -> None:
    mask = np.zeros((400, 7))
    mask[:, columns] = 1
    assert aupro([mask], [RAMP], limit=1 / 3) == pytest.approx(1 / 6, abs=1e-5)


def test_aupro_weighs_regions_not_pixels() -> None:
    mask = np.array([[1, 0, 0, 0, 0], [0, 0, 1, 1, 1]])
    found_large, found_small = mask * [[0], [1]], mask * [[1], [0]]
    # One of two regions found without a false alarm, then all at once: from 1/2 up to 1 along x in [0, 1].
    for found in (found_large, found_small):
        assert aupro([mask], [found], limit=0.3) == pytest.approx((0.5 + 0.65) / 2)


def test_aupro_joins_pixels_that_touch_at_a_corner() -> None:
    mask = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    found = np.zeros((3, 4))
    found[2, 3] = 1
    assert aupro([mask], [found], limit=1.0) == pytest.approx((0.5 + 1) / 2)


def test_aupro_perfect_and_with_images_of_other_sizes() -> None:
    masks = [np.eye(4), np.zeros((2, 3))]
    assert aupro(masks, [700.0 * np.eye(4), np.zeros((2, 3))]) == pytest.approx(1)


def test_pixel_metrics_refuse_what_does_not_fit() -> None:
    for metric in (pixel_auroc, aupro):
        with pytest.raises(InputError, match=r"Mask 0 has shape \(2, 2\) and its map \(2, 3\)"):
            metric([np.eye(2)], [np.zeros((2, 3))])
        with pytest.raises(InputError, match="1 masks, 0 maps"):
            metric([np.eye(2)], [])
        with pytest.raises(InputError, match="4 normal, 0 anomalous"):
            metric([np.zeros((2, 2))], [np.zeros((2, 2))])
    with pytest.raises(InputError, match="limit"):
        aupro([np.eye(2)], [np.eye(2)], limit=0)


@given(st.integers(1, 60), st.integers(1, 60))
def test_perfect_separation_is_exactly_one(n_normal: int, n_anomalous: int) -> None:
    labels = np.repeat([0, 1], [n_normal, n_anomalous])
    scores = np.arange(n_normal + n_anomalous)
    assert image_auroc(labels, scores) == 1
    assert auprc(labels, scores) == 1
    assert image_auroc(labels, -scores) == 0
