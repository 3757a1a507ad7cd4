import json

import numpy as np
import pytest

from algan_ad.runtime.errors import AlganError
from algan_ad.runtime.prediction import Prediction

FULL = Prediction(
    score=1 / 3,
    p_value=0.05,
    anomalous=True,
    threshold=0.25,
    source="ä b,c.png",
    anomaly_map=np.ones((2, 3), "f4"),
)


def test_to_dict_is_json_without_the_map() -> None:
    assert json.loads(json.dumps(FULL.to_dict())) == {
        "source": "ä b,c.png",
        "score": 1 / 3,
        "p_value": 0.05,
        "threshold": 0.25,
        "anomalous": True,
    }
    assert set(Prediction(score=1.0).to_dict().values()) == {None, 1.0}


def test_predictions_compare_without_their_maps() -> None:
    other = Prediction(1 / 3, 0.05, True, 0.25, "ä b,c.png", np.zeros((9, 9), "f4"))
    assert other == FULL
    assert Prediction(score=1 / 3) != FULL


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_no_number_is_refused(score: float) -> None:
    with pytest.raises(AlganError, match=r"a\.png: the score is"):
        Prediction(score=score, source="a.png")
