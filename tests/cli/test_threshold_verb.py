"""`algan threshold` on a model of nothing but its configuration."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from algan_ad import cli
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.model_folder import ModelConfig, read_model, write_model

Out = pytest.CaptureFixture[str]

WITHOUT_TORCH = """
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, Finder())
from algan_ad.cli import main
main()
"""


def save(folder: Path, **changes: Any) -> Path:
    given: dict[str, Any] = {
        "method": "knn", "plan": {}, "input": "vector", "protocol": "normal-only", "selection": "", "seed": 0,
        "fingerprint": {}, "versions": {}, "training": {},
        "calibration": Calibration(scores=tuple(range(49)), false_alarm_rate=0.05),
    }  # fmt: skip
    write_model(folder, ModelConfig(**given | changes), {})
    return folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save(tmp_path / "Modell ä")


def run(*arguments: object) -> int:
    return cli.run(["threshold", *map(str, arguments)])


def test_the_rates_that_the_held_out_scores_allow(model: Path, capsys: Out) -> None:
    before = (model / "config.json").read_bytes()
    assert run(model, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["threshold"], shown["false_alarm_rate"], shown["guaranteed_rate"]) == (47, 0.05, 0.04)
    assert [each["false_alarm_rate"] for each in shown["choices"]] == [0.02, 0.05, 0.1, 0.2, 0.5]
    assert [each["threshold"] for each in shown["choices"]] == [48, 47, 44, 39, 24]
    assert shown["threshold_history"] == []
    assert run(model) == 0
    out = capsys.readouterr().out
    assert "Scores above 47 are anomalous." in out
    assert "set by 49 held-out normal examples: on average at most 4 %" in out
    (own,) = (line for line in out.splitlines() if line.split()[-1:] == ["now"])
    assert own.split() == ["5", "%", "4", "%", "47", "now"]
    assert (model / "config.json").read_bytes() == before


def test_no_rate_is_called_guaranteed_where_none_is(tmp_path: Path, capsys: Out) -> None:
    void = Calibration(scores=tuple(range(49)), false_alarm_rate=0.05, also_selected=True)
    save(tmp_path / "m", calibration=void)
    assert run(tmp_path / "m", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert {each["guaranteed_rate"] for each in [shown, *shown["choices"]]} == {None}
    assert run(tmp_path / "m") == 0
    assert "at most" not in capsys.readouterr().out


def test_another_rate_is_written_and_shown_by_info(model: Path, capsys: Out) -> None:
    assert run(model, "--false-alarm-rate", 0.1, "--reason", "night shift", "--json") == 0
    changed = json.loads(capsys.readouterr().out)
    assert changed["threshold"] == 44
    (record,) = changed["threshold_history"]
    assert (record["old_rate"], record["old_threshold"], record["new_rate"]) == (0.05, 47, 0.1)
    assert record["reason"] == "night shift"
    assert read_model(model)[0].model_dump(mode="json")["threshold_history"] == [record]
    assert cli.run(["info", str(model)]) == 0
    out = capsys.readouterr().out
    assert "rate 5 % to 10 %, threshold 47 to 44 (night shift)" in out
    assert "Scores above 44" in out


def test_torch_is_not_needed(model: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, "threshold", str(model), "--false-alarm-rate", "0.2"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "wanted: 20 %" in done.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--reason", "x"], "--reason x belongs to a change; set --false-alarm-rate"),
        (["--false-alarm-rate", "1"], "less than 1"),
        (["--false-alarm-rate", "nan"], "finite number"),
    ],
)
def test_what_cannot_be_set_changes_nothing(model: Path, options: list[str], said: str, capsys: Out) -> None:
    before = (model / "config.json").read_bytes()
    assert run(model, *options) == 2
    assert said in capsys.readouterr().err
    assert (model / "config.json").read_bytes() == before


def test_a_model_that_decides_nothing(tmp_path: Path, capsys: Out) -> None:
    save(tmp_path / "m", calibration=None)
    for options in ([], ["--false-alarm-rate", "0.1"]):
        assert run(tmp_path / "m", *options) == 2
        assert "no calibration: train it again" in capsys.readouterr().err


def test_where_maps_come_from(tmp_path: Path, capsys: Out) -> None:
    images = {"input": "image", "preprocessing": {"size": 32}}
    for maps, said in (("own", "anomaly maps of the method itself"), ("attribution", "attributions of the score")):
        save(tmp_path / maps, maps=maps, **images)
        assert cli.run(["info", str(tmp_path / maps)]) == 0
        assert said in capsys.readouterr().out
