"""What a notebook shows: everything that is known, self-contained, without torch and matplotlib."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.model_folder import ModelConfig
from algan_ad.runtime.notebook import WIDTH, histogram
from algan_ad.runtime.prediction import Prediction
from algan_ad.runtime.predictor import Maps, Predictor, Rows, Scores

CALIBRATION = Calibration(scores=range(1, 100), false_alarm_rate=0.05)


class Brightness:
    """A scorer: the mean of all pixels; its map, the mean of the colours."""

    def score(self, samples: Rows) -> Scores:
        return np.asarray(samples[:], np.float64).mean((1, 2, 3))

    def score_and_maps(self, samples: Rows) -> tuple[Scores, Maps]:
        return self.score(samples), list(np.asarray(samples[:], np.float32).mean(-1))


@pytest.fixture
def predictor() -> Predictor:
    config = ModelConfig(
        method="brightness", plan={}, input="image", preprocessing=Preprocessing(size=32), protocol="normal-only",
        calibration=CALIBRATION, selection="none", fingerprint={}, seed=0, versions={},
        training={"dataset": "a <b>", "n_train": 7},
    )  # fmt: skip
    return Predictor(Brightness(), config)


class Checked(HTMLParser):
    """Balanced, without a script, and without any reference outside itself."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pictures = 0
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "link", "style")
        for name, value in attrs:
            assert not name.startswith("on")
            assert name not in ("href", "src") or str(value).startswith("data:image/png;base64,")
        self.pictures += tag == "img"
        if tag != "img":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_prediction_with_its_map(predictor: Predictor, pristine_parts: Path) -> None:
    (prediction,) = predictor.predict(pristine_parts / "test/hole/000.png", maps=True)
    html = prediction._repr_html_()
    assert Checked(html).pictures == 2
    assert "anomalous" in html
    assert "hole/000.png" in html
    assert "threshold 95.00" in html
    assert "p = 0.010. Bars: 99 held-out normal examples" in html
    assert prediction.image is not None
    assert prediction.image.shape == (32, 32, 3)


def test_arrays_have_pictures_too(predictor: Predictor) -> None:
    images = np.full((2, 40, 20, 3), (7, 7, 7), np.uint8)
    assert [Checked(each._repr_html_()).pictures for each in predictor.predict(images, maps=True)] == [2, 2]
    assert [Checked(each._repr_html_()).pictures for each in predictor.predict(images)] == [0, 0]


def test_without_a_map_the_file_is_shown_as_long_as_it_is_there(predictor: Predictor, tmp_path: Path) -> None:
    Image.new("RGB", (9, 5)).save(tmp_path / "new.png")
    (prediction,) = predictor.predict(tmp_path / "new.png")
    assert prediction.size == (9, 5)
    assert Checked(prediction._repr_html_()).pictures == 1
    (tmp_path / "new.png").unlink()
    assert Checked(prediction._repr_html_()).pictures == 0


def test_names_are_shown_literally() -> None:
    html = Prediction(1.0, source="<script>x</script>/é\udcff.png")._repr_html_()
    Checked(html)
    assert "&lt;script&gt;" in html
    html.encode()


def test_what_is_not_known_is_left_out() -> None:
    assert "score 1.500" in Prediction(1.5)._repr_html_()
    read_back = Prediction(1.5, 0.25, False, 2.0)._repr_html_()  # from a table, say
    assert "score 1.500, threshold 2.000, p = 0.250" in read_back
    assert "None" not in read_back


def test_a_model(predictor: Predictor) -> None:
    html = predictor._repr_html_()
    Checked(html)
    assert "brightness on a &lt;b&gt;" in html
    assert "trained on 7 normal examples" in html
    assert re.sub(r"\s+", " ", CALIBRATION.explain()) in re.sub(r"\s+", " ", html)
    bare = predictor.config.model_copy(update={"calibration": None})
    assert "scores, not decisions" in Predictor(Brightness(), bare)._repr_html_()


@pytest.mark.parametrize("score", [-1e9, 1.0, 50.0, 95.0, 99.0, 1e9])
def test_everything_lies_on_the_axis(score: float) -> None:
    drawn = histogram(CALIBRATION, score)
    assert drawn.score is not None
    assert drawn.beyond == (abs(score) == 1e9)
    for place in (drawn.score, drawn.threshold, *(bar.x for bar in drawn.bars)):
        assert 0 <= place <= WIDTH
    assert (drawn.score > drawn.threshold) == (score > CALIBRATION.threshold)
    assert sum(bar.width for bar in drawn.bars) > WIDTH / 4  # a far score does not hide the others


def test_one_held_out_score_is_enough() -> None:
    drawn = histogram(Calibration(scores=[0.0], false_alarm_rate=0.5), 0.0)
    assert len(drawn.bars) == 1
    assert drawn.score == drawn.threshold


def test_neither_torch_nor_matplotlib_is_needed() -> None:
    program = """
import sys
sys.modules |= {"torch": None, "matplotlib": None, "scipy": None}
import numpy as np
from algan_ad import Prediction
image = np.zeros((4, 4, 3), np.uint8)
print(Prediction(1.0, anomaly_map=np.ones((4, 4), np.float32), image=image)._repr_html_())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Checked(done.stdout).pictures == 2
