from collections.abc import Callable

import pytest

from algan_ad.evaluation.results import Evaluation
from algan_ad.report.verdict import verdict
from algan_ad.runtime.calibration import Calibration

Make = Callable[..., Evaluation]

FOUND = "7 of 10 defective parts were found"
FLAGGED = "2 of 20 good parts were flagged by mistake (10 %; promised: at most 10 % on average)"


def test_what_was_found_and_what_was_flagged(evaluate: Make) -> None:
    assert verdict(evaluate(), "parts") == f"{FOUND}; {FLAGGED}."


def test_where_the_good_ones_also_chose_the_epoch_nothing_is_promised(evaluate: Make) -> None:
    void = Calibration(scores=tuple(range(19)), false_alarm_rate=0.1, also_selected=True)
    assert "(10 %; wanted: at most 10 %; nothing is promised)" in verdict(evaluate(calibration=void), "parts")


def test_too_few_held_out_promise_what_they_can(evaluate: Make) -> None:
    few = Calibration(scores=tuple(range(9)), false_alarm_rate=0.01)
    assert "promised: at most 10 % on average" in verdict(evaluate(calibration=few), "parts")


@pytest.mark.parametrize(("label", "said"), [(1, "defective"), (0, "good")])
def test_one_class_alone(evaluate: Make, label: int, said: str) -> None:
    text = verdict(evaluate(labels=[label] * 30), "samples")
    assert ("defective samples" in text, "good samples" in text) == (said == "defective", said == "good")
    assert text.endswith(".")


def test_one_part_was_and_several_were(evaluate: Make) -> None:
    one = {"labels": [0, 1], "scores": [18.0, 20.0], "defects": ["good", "crack"], "paths": ["a.png", "b.png"]}
    text = verdict(evaluate(**one), "parts")
    assert text.startswith("1 of 1 defective parts was found; 1 of 1 good parts was flagged")


def test_without_a_threshold_it_ranks(evaluate: Make) -> None:
    text = verdict(evaluate(calibration=None), "parts")
    assert "decides nothing" in text
    assert "found" not in text


def test_nothing_tested_nothing_said(evaluate: Make) -> None:
    nothing: dict[str, list[object]] = {"labels": [], "scores": [], "defects": [], "paths": []}
    assert verdict(evaluate(**nothing), "parts") == ""
    assert verdict(evaluate(**nothing, calibration=None), "parts") == ""
