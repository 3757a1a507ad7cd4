"""The command line as a user runs it: one chain in processes of its own, the rest in this one."""

import io
import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from algan_ad import __version__, cli
from algan_ad.detectors import METHODS

SIZE = ["--method", "algan-image", "--image-size", "32", "--width", "4", "--no-export"]
TINY = [*SIZE, "--epochs", "2", "--batch-size", "8"]
LONG = [*SIZE, "--epochs", "30", "--batch-size", "8", "--checkpoint-seconds", "0"]

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

Out = pytest.CaptureFixture[str]


class Done(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The one JSON object on standard output."""
        assert self.out.count("\n") == 1, self.out
        parsed = json.loads(self.out)
        assert isinstance(parsed, dict)
        return parsed


def algan(
    *arguments: object, program: tuple[str, ...] = ("-m", "algan_ad.cli"), env: dict[str, str] | None = None
) -> Done:
    """`algan` in a process of its own."""
    how = _PIPES | {"env": _PIPES["env"] | (env or {})}
    done = subprocess.run([sys.executable, *program, *map(str, arguments)], **how, check=False, timeout=300)
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


_PIPES: dict[str, Any] = {
    "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8",
    "env": os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"},
}  # fmt: skip


def run(*arguments: object) -> int:
    """`algan` in this process."""
    return cli.run([str(argument) for argument in arguments])


class Chain(NamedTuple):
    model: Path
    train: Done
    evaluate: Done
    predict: Done
    csv: Path
    maps: Path


@pytest.fixture(scope="session")
def chain(pristine_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Chain:
    """train -> evaluate -> predict, each in a process of its own, in folders with blanks and umlauts."""
    folder = tmp_path_factory.mktemp("chain")
    model, csv, maps = folder / "Modell ä 1", folder / "Ergebnis ö.csv", folder / "Karten é"
    some = [pristine_parts / "test/hole", pristine_parts / "test/good/000.png"]
    return Chain(
        model,
        algan("train", pristine_parts, "--out", model, *TINY, "--json"),
        algan("evaluate", model, pristine_parts, "--json"),
        algan("predict", model, *some, "--out", csv, "--maps", maps, "--json"),
        csv,
        maps,
    )


def test_train_prints_one_object_and_writes_a_model(chain: Chain) -> None:
    status, _, err = chain.train
    assert status == 0, err
    result = chain.train.result
    assert result["protocol"] == "normal-only"
    assert (result["n_train"], result["n_calibration"], result["seed"]) == (24, 6, 0)
    assert "--false-alarm-rate 0.143: what 6 held-out good samples support" in err
    assert {"config.json", "weights.safetensors", "README.md", "metrics.jsonl", "fake-normal.png"} <= {
        path.name for path in chain.model.iterdir()
    }
    assert not chain.model.with_name(chain.model.name + ".run").exists()


def test_evaluate_prints_the_figures_with_their_protocol(chain: Chain) -> None:
    status, _, err = chain.evaluate
    assert status == 0, err
    result = chain.evaluate.result
    assert {"image_auroc", "protocol", "seed", "n_normal", "n_anomalous", "intervals", "per_defect"} <= result.keys()
    assert (result["n_normal"], result["n_anomalous"]) == (10, 8)
    assert 0 <= result["image_auroc"] <= 1
    assert result["threshold"] == chain.train.result["threshold"]
    assert Path(result["report"]).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert json.loads((chain.model / "evaluation/evaluation.json").read_text())["images"]


def test_predict_scores_files_and_folders(chain: Chain) -> None:
    status, _, err = chain.predict
    assert status == 0, err
    result = chain.predict.result
    assert result["n"] == len(result["predictions"]) == 9
    assert result["skipped"] == []
    for each in result["predictions"]:
        assert each["anomalous"] == (each["score"] > each["threshold"])
        assert 1 / 7 <= each["p_value"] <= 1
    assert [Path(each["source"]).parent.name for each in result["predictions"]] == ["hole"] * 8 + ["good"]
    assert len(chain.csv.read_text(encoding="utf-8").splitlines()) == 10
    maps = {path.relative_to(chain.maps).as_posix() for path in chain.maps.rglob("*.png")}
    assert maps == {f"hole/{i:03}.png" for i in range(8)} | {"000.png"}


def test_evaluate_and_predict_agree(chain: Chain) -> None:
    evaluated = json.loads((chain.model / "evaluation/evaluation.json").read_text())["images"]
    decided = {each["path"]: each for each in evaluated}
    for each in chain.predict.result["predictions"]:
        same = decided[each["source"]]
        assert same["score"] == pytest.approx(each["score"], rel=1e-5)
        assert (same["p_value"], same["anomalous"]) == (each["p_value"], each["anomalous"])


def test_info_needs_no_torch(chain: Chain) -> None:
    info = algan("info", chain.model, "--json", program=("-c", WITHOUT_TORCH))
    assert info.status == 0, info.err
    assert info.err == ""
    plan = info.result["plan"]
    assert plan["epochs"] == {"value": 2, "origin": "user", "reason": None}
    assert plan["sigma"] == {"value": 4.0, "origin": "fixed", "reason": None}
    assert plan["selection"]["origin"] == "derived"
    assert info.result["fingerprint"]["n_images"] == 30


def test_names_that_the_terminal_cannot_show(chain: Chain) -> None:
    info = algan("info", chain.model, env={"PYTHONIOENCODING": "ascii"})
    assert info.status == 0, info.err
    assert "gute Teile \\xfc" in info.out


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_seen_enough(chain: Chain, unbuffered: str) -> None:
    """A reader ends early, as in `algan info MODEL --json | head -c 100`; printing or the end notices it."""
    command = [sys.executable, "-m", "algan_ad.cli", "info", str(chain.model), "--json"]
    process = subprocess.Popen(command, **_PIPES | {"env": _PIPES["env"] | {"PYTHONUNBUFFERED": unbuffered}})
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("verb", ["--help", "predict --help"])
def test_standard_output_that_takes_nothing(verb: str, unbuffered: str) -> None:
    command, env = (
        [sys.executable, "-m", "algan_ad.cli", *verb.split()],
        _PIPES["env"] | {"PYTHONUNBUFFERED": unbuffered},
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=env, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "No space left on device" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="closed streams are a matter of POSIX")
def test_closed_streams() -> None:
    for closed, shown in (("<&- >&-", False), ("<&- 2>&-", True)):
        command = f"{shlex.quote(sys.executable)} -m algan_ad.cli predict --help {closed}"
        done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode, done.stderr, bool(done.stdout)) == (0, "", shown)


def test_decoders_do_not_speak_beside_us(parts: Path) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((32, 32), 50).save(buffer, "TIFF", compression="tiff_lzw")
    (parts / "test/good/cut.tif").write_bytes(buffer.getvalue()[:-40])
    done = algan("data", "check", parts, "--json")
    assert done.status == 0
    assert done.err == ""
    assert [Path(each).name for each in done.result["unreadable"]] == ["cut.tif"]


def test_without_torch_a_verb_says_what_to_install(chain: Chain) -> None:
    done = algan("predict", chain.model, chain.model, program=("-c", WITHOUT_TORCH))
    assert done.status == 2
    assert done.out == ""
    assert "torch is not installed" in done.err
    assert "pip install 'algan-ad[train]'" in done.err


def test_same_seed_gives_the_same_model_in_another_process(chain: Chain, pristine_parts: Path, tmp_path: Path) -> None:
    assert run("train", pristine_parts, "--out", tmp_path / "again", *TINY) == 0
    assert run("train", pristine_parts, "--out", tmp_path / "other", *TINY, "--seed", 1) == 0
    again, other = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("again", "other"))
    assert again == (chain.model / "weights.safetensors").read_bytes()
    assert again != other


def test_resume_after_kill_9_gives_the_same_bits(pristine_parts: Path, tmp_path: Path) -> None:
    """The kill comes before the first checkpoint or after 1 to 25 of 30 epochs; finished epochs are not repeated."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run("train", pristine_parts, "--out", whole, *LONG) == 0
    epochs = random.SystemRandom().randrange(26)
    command = ["train", str(pristine_parts), "--out", str(killed), *LONG]
    process = subprocess.Popen([sys.executable, "-m", "algan_ad.cli", *command], **_PIPES)
    _wait_for(tmp_path / "killed.run", epochs, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not killed.exists(), f"killed after {epochs} epochs"
    before = (tmp_path / "killed.run" / "metrics.jsonl").read_text().splitlines() if epochs else []
    assert run(*command, "--resume") == 0
    after = (killed / "metrics.jsonl").read_text().splitlines()
    assert len(after) == 30
    done = max(0, epochs - 1)
    assert after[:done] == before[:done]  # with their times; the last may have missed its checkpoint
    same = (killed / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
    assert same, f"killed after {epochs} epochs"
    assert not (tmp_path / "killed.run").exists()


def _wait_for(folder: Path, epochs: int, process: subprocess.Popen[str]) -> None:
    """Wait until the run has a plan and that many rows of metrics."""
    rows, deadline = folder / "metrics.jsonl", time.monotonic() + 200
    while not rows.exists() or rows.read_bytes().count(b"\n") < epochs:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_run_that_stopped_is_not_thrown_away_unasked(
    chain: Chain, pristine_parts: Path, tmp_path: Path, capsys: Out
) -> None:
    command = ["train", pristine_parts, "--out", tmp_path / "model", *TINY]
    run_folder = tmp_path / "model.run"
    run_folder.mkdir()
    (run_folder / "checkpoint.safetensors").write_bytes(b"hours of work")
    assert run(*command) == 2
    assert "--resume continues it, --overwrite starts anew" in capsys.readouterr().err
    assert (run_folder / "checkpoint.safetensors").read_bytes() == b"hours of work"
    assert run(*command, "--overwrite") == 0
    assert not run_folder.exists()


def test_a_model_is_only_replaced_when_told_to(pristine_parts: Path, tmp_path: Path, capsys: Out) -> None:
    command = ["train", pristine_parts, "--out", tmp_path, *TINY]
    assert run(*command) == 0
    before = (tmp_path / "weights.safetensors").read_bytes()
    capsys.readouterr()
    assert run(*command, "--seed", 1) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"--out {tmp_path}: holds a model already; choose another folder or set --overwrite" in err
    assert (tmp_path / "weights.safetensors").read_bytes() == before
    assert run(*command, "--seed", 1, "--overwrite") == 0
    assert (tmp_path / "weights.safetensors").read_bytes() != before


def test_names_are_shown_as_they_are(chain: Chain, parts: Path, tmp_path: Path, capsys: Out) -> None:
    """Names look like markup to a terminal library; the next step can be pasted."""
    odd, model = parts.rename(tmp_path / "[red] :x: [b]"), tmp_path / "m [i]"
    assert run("train", odd, "--out", model, *TINY) == 0
    assert f"next:  algan evaluate '{model}' '{odd}'" in capsys.readouterr().out
    assert run("evaluate", model, odd) == 0
    out = capsys.readouterr().out
    assert "algan-image on [red] :x: [b], protocol normal-only, seed 0: 10 normal, 8 anomalous" in out
    assert f"report: {model}/evaluation/report.html" in out
    assert run("info", model) == 0
    assert "[red] :x: [b]" in capsys.readouterr().out
    assert run("data", "check", odd) == 0
    assert f"[red] :x: [b] (mvtec) in {odd}" in capsys.readouterr().out


def test_predict_shows_the_most_anomalous_first(
    chain: Chain, pristine_parts: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.chdir(pristine_parts)
    assert run("predict", chain.model, "train", "test") == 0
    out = capsys.readouterr().out
    scores = [float(line.split()[0]) for line in out.splitlines()[1:21]]
    assert scores == sorted(scores, reverse=True)
    assert "... and 28 with lower scores" in out
    assert "of 48 anomalous, 0 skipped" in out


def test_another_false_alarm_rate_moves_the_threshold(chain: Chain, pristine_parts: Path, capsys: Out) -> None:
    def threshold(rate: float) -> float:
        image = pristine_parts / "test/good/000.png"
        assert run("predict", chain.model, image, "--false-alarm-rate", rate, "--json") == 0
        return float(json.loads(capsys.readouterr().out)["predictions"][0]["threshold"])

    assert threshold(0.5) < threshold(0.2) <= threshold(0.01)


def test_vectors_from_training_to_predictions(table: Path, tmp_path: Path, capsys: Out) -> None:
    model = tmp_path / "model"
    options = ["--method", "algan-vector", "--epochs", 100, "--hidden", 32, "--z-dim", 4, "--batch-size", 8]
    assert run("train", table, "--out", model, *options, "--json") == 0
    trained = json.loads(capsys.readouterr().out)
    assert (trained["n_train"], trained["n_calibration"]) == (26, 6)  # 8 of the 40 good rows are for the test
    assert run("evaluate", model, table, "--json") == 0
    out, err = capsys.readouterr()
    evaluated = json.loads(out)
    assert "32 of 48 rows were left out: the model was made with them" in err
    assert (evaluated["n_normal"], evaluated["n_anomalous"]) == (8, 8)
    assert evaluated["image_auroc"] > 0.9
    assert run("predict", model, table, "--json") == 0
    predicted = json.loads(capsys.readouterr().out)["predictions"]
    assert [each["source"] for each in predicted] == [f"{table}: row {i}" for i in range(1, 49)]


def test_data_verbs(parts: Path, tmp_path: Path, capsys: Out) -> None:
    assert run("data", "check", parts, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["parts"]["train"] == {"normal": 24, "anomalous": 0, "with_mask": 0}
    assert run("data", "check", parts, "--protocol", "thesis", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["parts"]["validation"] == {"normal": 5, "anomalous": 4, "with_mask": 0}


@pytest.mark.parametrize("argv", [[], ["-h"], ["--help"]])
def test_overview(argv: list[str], capsys: Out) -> None:
    assert run(*argv) == 0
    out = capsys.readouterr().out
    assert all(f"algan {verb}" in out for verb in cli.VERBS)


def test_every_verb_explains_itself(capsys: Out) -> None:
    for verb in cli.VERBS:
        assert run(*verb.split(), "--help") == 0
        out, err = capsys.readouterr()
        assert f"usage: algan {verb}" in out
        assert "--json" in out
        assert err == ""
    assert run("--version") == 0
    assert capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize("verb", [*cli.VERBS, *(f"train --method {method}" for method in METHODS)])
def test_help_is_in_the_words_of_the_command_line(verb: str, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert run(*verb.split(), "--help") == 0
    text = capsys.readouterr().out
    assert "None" not in text
    twice = r"\(default: (?:(?!  )[^)])*\) \(default: "  # in one text: two spaces part the columns
    assert not re.search(r"\(default: (|True|False)\)|" + twice, text)
    options = [line for line in text.splitlines() if re.match("│ --", line)]
    assert [line for line in options if not re.match(r"│ --\S+( \S+)*  +\S", line)] == []  # each is explained
    several = re.search(r"^\W*(PATH|MODEL)\.\.\.", text, re.MULTILINE)
    assert "positional arguments" not in text or "(required)" in text or several


def test_values_of_yes_or_no_can_be_either(capsys: Out) -> None:
    """An option that follows the data set unless it is set is no flag."""
    assert run("train", "--help") == 0
    assert "--horizontal-flip {True,False}" in capsys.readouterr().out


def test_help_of_train_lists_the_options_of_the_method(capsys: Out) -> None:
    assert run("train", "--help") == 0
    assert "--layers" in capsys.readouterr().out  # of algan-patch
    for chosen in (["--method", "algan-vector"], ["rows.npy"]):
        assert run("train", "--help", *chosen) == 0
        out = capsys.readouterr().out
        assert "--discriminator" in out
        assert "--layers" not in out


def test_folders_with_a_point_in_their_name_get_models_of_their_own(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    """`plates.2023` and `plates.2024` are two data sets; the suffix of a table is no part of its name."""
    monkeypatch.chdir(tmp_path)
    for year in (2023, 2024):
        parts = parts.rename(tmp_path / f"plates.{year}")
        assert run("train", parts, *TINY) == 0
    np.save("rows.npy", np.random.default_rng(0).normal(size=(20, 3)))
    assert run("train", "rows.npy", "--method", "mahalanobis") == 0
    models = sorted(path.name for path in Path("models").iterdir())
    assert models == ["plates.2023-algan-image", "plates.2024-algan-image", "rows-mahalanobis"]


@pytest.mark.parametrize("labelled", [True, False])
def test_the_next_step_is_one_that_can_be_taken(
    labelled: bool, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    """Without a labelled sample to test on there is nothing to evaluate."""
    monkeypatch.chdir(tmp_path)
    y = np.repeat([0, 1], [30, 6 if labelled else 0])
    np.savez("t.npz", X=np.random.default_rng(0).normal(size=(len(y), 3)), y=y)
    for source, options, placeholder in (
        (parts if labelled else parts / "train/good", TINY, "IMAGE..."),
        ("t.npz", ["--method", "mahalanobis"], "TABLE..."),
    ):
        assert run("train", source, "--out", f"m {placeholder}", *options) == 0
        said = capsys.readouterr().out.split("next:  ")[1].strip()
        if labelled:
            assert said == shlex.join(["algan", "evaluate", f"m {placeholder}", str(source)])
            assert cli.run([*shlex.split(said)[1:], "--no-maps"]) == 0
        else:
            assert said == f"algan predict 'm {placeholder}' {placeholder}"


def test_of_two_methods_the_last_counts(capsys: Out) -> None:
    assert run("train", "--method", "algan-vector", "--method=kmeans", "--help") == 0
    out = capsys.readouterr().out
    assert "--clusters" in out
    assert "--hidden" not in out
