"""From check over training to figures: a list with groups, and a set with COCO annotations."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from algan_ad import cli

Verb = Callable[..., dict[str, Any]]
FAST = ["--method", "padim", "--image-size", 32, "--backbone", "squeezenet1_1", "--layers", "features.3", "features.6",
        "--backbone-weights", "random", "--dims", 20, "--false-alarm-rate", 0.2]  # fmt: skip


@pytest.fixture
def verb(capsys: pytest.CaptureFixture[str]) -> Verb:
    """Run a verb that must work, and read what it prints."""

    def run(*words: object) -> dict[str, Any]:
        assert cli.run([*map(str, words), "--json"]) == 0, capsys.readouterr().err
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return run


def draw(path: Path, seed: int, odd: bool) -> None:
    """A grey plate; an odd one has a dark hole of 8 x 8 pixels, two from the upper left corner."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).normal(140, 12, (32, 32)).clip(0, 255).astype(np.uint8)
    if odd:
        pixels[2:10, 2:10] = 5
    Image.fromarray(pixels).save(path)


def test_a_list_with_groups(verb: Verb, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["path;label;defect;group"]
    for part in range(20):
        for view in range(3):
            odd = view == 0  # so that the defects of the parts that are trained on are left out
            draw(tmp_path / f"images/{part} {view}.png", 3 * part + view, odd)
            rows.append(f"images/{part} {view}.png;{int(odd)};{'hole' if odd else ''};part {part}")
    (tmp_path / "teile ü.csv").write_text("\n".join(rows), encoding="utf-8")
    checked = verb("data", "check", tmp_path / "teile ü.csv")
    assert (checked["name"], checked["layout"], checked["groups"]) == ("teile ü", "list", 20)
    assert checked["looks_like"].startswith("a table")
    assert checked["warnings"] == checked["overlaps"] == []
    tested = checked["parts"]["test"]
    assert tested["anomalous"] + len(checked["notes"]["left_out_by_group"]) == 20
    verb("train", tmp_path / "teile ü.csv", "--out", tmp_path / "model", *FAST)
    result = verb("evaluate", tmp_path / "model", tmp_path / "teile ü.csv")
    assert (result["n_normal"], result["n_anomalous"]) == (tested["normal"], tested["anomalous"])
    assert result["image_auroc"] > 0.9
    assert cli.run(["evaluate", str(tmp_path / "model"), str(tmp_path), "--overwrite"]) == 0
    assert "left out: the model was made with them, or with images of their group" in capsys.readouterr().err


def test_coco_boxes_are_the_masks_of_the_pixel_figures(verb: Verb, tmp_path: Path) -> None:
    images, annotations = [], []
    for i in range(40):
        odd = i % 5 == 0
        draw(tmp_path / f"{i}.png", i, odd)
        images.append({"id": i, "file_name": f"{i}.png", "width": 32, "height": 32})
        if odd:
            annotations.append({"id": i, "image_id": i, "category_id": 7, "bbox": [2, 2, 8, 8]})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 7, "name": "hole"}]}
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    assert verb("data", "check", tmp_path)["parts"]["test"] == {"normal": 6, "anomalous": 8, "with_mask": 8}
    verb("train", tmp_path, "--out", tmp_path / "model", *FAST)
    result = verb("evaluate", tmp_path / "model", tmp_path)
    assert result["pixel_auroc"] > 0.9


def test_what_was_recognised_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(6):
        draw(tmp_path / f"train/ok/{i}.bmp", i, False)
    assert cli.run(["data", "check", str(tmp_path)]) == 0
    assert "(btad) in" in (shown := capsys.readouterr().out)
    assert "recognised by train/ok, test/ok, test/ko, ground_truth/ko\n" in shown


def test_mistakes_end_a_verb_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "parts.csv").write_text("path,label\na.png,0\n")
    for words in (["data", "check"], ["train"]):
        assert cli.run([*words, str(tmp_path / "parts.csv")]) == 2
        assert "parts.csv: row 1: a.png: no such file" in capsys.readouterr().err
