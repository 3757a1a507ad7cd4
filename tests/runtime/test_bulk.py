"""Scoring without end: every picture once, whatever ends the call."""

import csv
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from algan_ad.runtime import bulk
from algan_ad.runtime.bulk import predict_files
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Preprocessing, Skipped
from algan_ad.runtime.model_folder import ModelConfig
from algan_ad.runtime.prediction import Prediction
from algan_ad.runtime.predictor import Maps, Predictor, Rows, Scores


class Together:
    """A scorer whose scores also depend on the number of images that it is given, as last bits may."""

    def score(self, samples: Rows) -> Scores:
        return np.array([each.mean() for each in samples[:]]) + len(samples) / 1000

    def score_and_maps(self, samples: Rows) -> tuple[Scores, Maps]:
        return self.score(samples), [each.mean(-1).astype(np.float32) for each in samples[:]]


def model_of(scores: Sequence[float] = range(1, 100)) -> Predictor:
    config = ModelConfig(
        method="brightness", plan={}, input="image", preprocessing=Preprocessing(size=4), protocol="normal-only",
        calibration=Calibration(scores=scores, false_alarm_rate=0.05), selection="none", fingerprint={}, seed=0,
        versions={}, training={},
    )  # fmt: skip
    return Predictor(Together(), config)


@pytest.fixture(autouse=True)
def _chunks_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "CHUNK", 4)


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    """22 pictures, four of which are bad, in a folder and an archive; the archive ends with a bad one."""
    (tmp_path / "new").mkdir()
    for i in range(15):
        Image.new("L", (5 + i, 6), 3 * i).save(tmp_path / f"new/{i:02}.png")
    for i in (3, 4):
        (tmp_path / f"new/{i:02}.png").write_text("no picture")
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        for i in range(5):
            archive.write(tmp_path / f"new/{i + 5:02}.png", f"{i}.png")
        archive.writestr("5.png", b"")
        archive.writestr("../6.png", b"")
    return [tmp_path / "new", tmp_path / "more.zip"]


def written(sources: Sequence[Path], out: Path, **options: Any) -> bytes:
    list(predict_files(model_of(), sources, out=out, **options))
    return out.read_bytes()


def test_a_row_for_each_picture_in_their_order(sources: list[Path], tmp_path: Path) -> None:
    found = list(predict_files(model_of(), sources, out=tmp_path / "t.csv"))
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [str(each.path) if isinstance(each, Skipped) else each.source for each in found]
    assert [row["source"] for row in rows] == names
    folder, archive = sources
    assert names == [f"{folder}/{i:02}.png" for i in range(15)] + [f"{archive}#{i}.png" for i in range(6)] + [
        f"{archive}#../6.png"
    ]
    assert [i for i, row in enumerate(rows) if row["error"]] == [3, 4, 20, 21]
    assert {row["model"] for row in rows} == {model_of().config.identity}
    scored = [each for each in found if isinstance(each, Prediction)]
    assert [int(each.score) for each in scored[-5:]] == [15, 18, 21, 24, 27]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_left_anywhere_and_gone_on_with(sources: list[Path], tmp_path: Path, suffix: str) -> None:
    """Scores are those of an uninterrupted call even where they depend on the pictures scored beside them."""
    whole = written(sources, tmp_path / f"whole.{suffix}")
    everything = list(predict_files(model_of(), sources))
    for taken in range(len(everything) + 1):
        out = tmp_path / f"{taken}.{suffix}"
        outcomes = predict_files(model_of(), sources, out=out)
        for _ in range(taken):
            next(outcomes)
        outcomes.close()  # type: ignore[attr-defined]
        assert not out.exists()
        assert list(predict_files(model_of(), sources, out=out, resume=True)) == everything
        assert out.read_bytes() == whole
        assert list(predict_files(model_of(), sources, out=out, resume=True)) == everything


def test_another_model_or_threshold_or_other_pictures(sources: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "t.csv"
    written(sources, out)
    others = (model_of(range(2, 101)), model_of().with_false_alarm_rate(0.5))
    for other in others:
        with pytest.raises(InputError, match="belongs to another model, or another threshold"):
            list(predict_files(other, sources, out=out, resume=True))
    with pytest.raises(InputError, match=r"has a row of .*00\.png where the sources have .*more\.zip#0\.png"):
        list(predict_files(model_of(), sources[::-1], out=out, resume=True))
    rate = model_of().config.calibration
    assert rate is not None
    same = model_of().with_false_alarm_rate(0.5).with_false_alarm_rate(rate.false_alarm_rate)
    list(predict_files(same, sources, out=out, resume=True))  # whatever happened to its threshold in between


def test_strict_ends_at_the_first_bad_picture_and_can_go_on(sources: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "t.csv"
    with pytest.raises(InputError, match=r"03\.png: not an image"):
        written(sources, out, strict=True)
    assert list(tmp_path.glob("t.csv*")) == []  # nothing was scored yet
    for i in (3, 4):
        Image.new("L", (5, 6), 3 * i).save(sources[0] / f"{i:02}.png")
    with pytest.raises(InputError, match=r"more\.zip#5\.png: empty"):
        written(sources, out, strict=True)
    written(sources, out, resume=True)
    assert out.read_text().count("\n") == 23


def test_an_archive_without_pictures(tmp_path: Path) -> None:
    import tarfile

    with tarfile.open(tmp_path / "a.tar", "w"):
        pass
    with pytest.raises(InputError, match=r"a\.tar: no images found"):
        list(predict_files(model_of(), [tmp_path / "a.tar"]))


SCORING = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
from test_bulk import bulk, model_of, predict_files
bulk.CHUNK = 4
out, *sources = map(Path, sys.argv[1:])
for i, _ in enumerate(predict_files(model_of(), sources, out=out, resume=True)):
    print(i, flush=True)
    if i % 7 == 6:
        sys.stdin.read(1)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_kill_9_loses_and_doubles_no_row(sources: list[Path], tmp_path: Path) -> None:
    whole = written(sources, tmp_path / "whole.csv")
    out = tmp_path / "t.csv"
    command = [sys.executable, "-c", SCORING.format(tests=str(Path(__file__).parent)), str(out), *map(str, sources)]
    for round_ in range(3):
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            for _ in range(round_):
                process.stdin.write(b"x")
            process.stdin.flush()
            for line in process.stdout:
                if int(line) == 7 * round_ + 6:
                    process.send_signal(signal.SIGKILL)
                    break
        assert not out.exists()
    assert written(sources, out, resume=True) == whole
