"""A threshold that is changed on purpose: recorded, described in the card, and the weights as they were."""

from pathlib import Path

import numpy as np
import pytest

from algan_ad.report.cards import model_card
from algan_ad.runtime.model_folder import CARD, read_model
from algan_ad.workflows.load import load_model
from algan_ad.workflows.model import Model
from algan_ad.workflows.threshold import change_false_alarm_rate

Err = pytest.CaptureFixture[str]


@pytest.fixture
def folder(vector_model: Model, tmp_path: Path) -> Path:
    vector_model.save(tmp_path, {"fake.png": b"", CARD: model_card(vector_model.config, ["fake.png"]).encode()})
    return tmp_path


def test_the_threshold_moves_and_the_weights_stay(folder: Path, table: Path) -> None:
    before = load_model(folder)
    changed = change_false_alarm_rate(folder, 0.5, "fewer misses")
    after = load_model(folder)
    assert after.config == changed
    assert after.config.files | {CARD: ""} == before.config.files | {CARD: ""}
    np.testing.assert_array_equal(after.score(table), before.score(table))
    assert after.predict(table)[0].threshold == before.with_false_alarm_rate(0.5).predict(table)[0].threshold
    (change,) = after.config.threshold_history
    assert (change.old_rate, change.new_rate, change.reason) == (0.2, 0.5, "fewer misses")
    assert change.new_threshold < change.old_threshold


def test_the_card_describes_the_new_threshold(folder: Path) -> None:
    changed = change_false_alarm_rate(folder, 0.5)
    assert (folder / CARD).read_text(encoding="utf-8") == model_card(changed, ["fake.png"])
    assert "wanted: 50 %" in (folder / CARD).read_text(encoding="utf-8")


def test_a_model_without_a_card_gets_none(vector_model: Model, tmp_path: Path) -> None:
    vector_model.save(tmp_path)
    change_false_alarm_rate(tmp_path, 0.5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "weights.safetensors"]


def test_the_same_rate_is_no_change(folder: Path) -> None:
    before = (folder / "config.json").read_bytes()
    assert change_false_alarm_rate(folder, 0.2, "again").threshold_history == ()
    assert (folder / "config.json").read_bytes() == before


def test_reports_on_the_former_threshold_are_named(folder: Path, capsys: Err) -> None:
    change_false_alarm_rate(folder, 0.5)
    assert capsys.readouterr().err == ""
    (folder / "evaluation").mkdir()
    change_false_alarm_rate(folder, 0.4)
    assert "evaluation shows the former threshold; evaluate the model again" in capsys.readouterr().err


def test_a_saved_model_with_another_rate_holds_the_record(vector_model: Model, tmp_path: Path) -> None:
    vector_model.with_false_alarm_rate(0.5).save(tmp_path)
    assert [change.new_rate for change in read_model(tmp_path)[0].threshold_history] == [0.5]
