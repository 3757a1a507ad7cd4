import csv
import json
from pathlib import Path

import numpy as np
import pytest

from algan_ad.runtime.errors import AlganError
from algan_ad.runtime.prediction import Prediction, write_csv

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


def test_csv_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "scores.csv"
    write_csv([FULL, Prediction(score=-2.0), Prediction(score=0.0, source="bad\udcff.png")], path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "source": "ä b,c.png",
        "score": repr(1 / 3),
        "p_value": "0.05",
        "threshold": "0.25",
        "anomalous": "True",
    }
    assert rows[1] == {"source": "", "score": "-2.0", "p_value": "", "threshold": "", "anomalous": ""}
    assert rows[2]["source"] == "bad\\udcff.png"


def test_a_failure_halfway_leaves_the_previous_csv(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    write_csv([FULL], path)
    before = path.read_bytes()
    with pytest.raises(AlganError):
        write_csv((Prediction(score=s) for s in (1.0, float("nan"))), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_no_predictions_make_a_header(tmp_path: Path) -> None:
    write_csv([], tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text().split() == ["source,score,p_value,threshold,anomalous"]
