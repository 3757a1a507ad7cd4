"""Bad input at the command line: the exit status, a message that names what is wrong, and never a stack trace."""

import errno
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from algan_ad import cli
from algan_ad.runtime import model_folder
from algan_ad.training import loop

SMALL = ["--method", "algan-image", "--image-size", "32", "--width", "4"]
TINY = [*SMALL, "--no-export", "--epochs", "1", "--batch-size", "8"]
VECTORS = ["--method", "algan-vector", "--epochs", "1", "--hidden", "8", "--z-dim", "4", "--batch-size", "8",
           "--no-export"]  # fmt: skip

Out = pytest.CaptureFixture[str]


def run(*arguments: object) -> int:
    return cli.run([str(argument) for argument in arguments])


def refused(capsys: Out, *arguments: object, status: int = 2) -> str:
    """Run a command that is to fail. Returns its standard error as one line; standard output is empty."""
    capsys.readouterr()
    assert run(*arguments) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return " ".join(err.replace("│", " ").split())


@pytest.fixture(scope="module")
def model(pristine_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "image"
    assert run("train", pristine_parts, "--out", folder, *TINY) == 0
    return folder


@pytest.fixture(scope="module")
def vector_model(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "vector"
    assert run("train", table, "--out", folder, *VECTORS) == 0
    return folder


# --- options ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--sigma", "inf"], "--sigma: Input should be a finite number (found inf)"),
        (["--sigma", "-1"], "--sigma: Input should be greater than 0 (found -1.0)"),
        (["--alpha", "2"], "--alpha: Input should be less than or equal to 1 (found 2.0)"),
        (["--epochs", "0"], "--epochs: Input should be greater than or equal to 1 (found 0)"),
        (["--batch-size", "1"], "--batch-size: Input should be greater than or equal to 2 (found 1)"),
        ([*SMALL, "--image-size", "48"], "image size 48: expected a power of two from 32 to 512"),
        (["--calibration-fraction", "0"], "--calibration-fraction: Input should be greater than 0 (found 0.0)"),
        (["--rotation-degrees", "270"], "--rotation-degrees: Input should be less than or equal to 180 (found 270.0)"),
        (["--false-alarm-rate", "0"], "--false-alarm-rate: Input should be greater than or equal to 0.000001"),
        (["--false-alarm-rate", "2"], "--false-alarm-rate: Input should be less than 1 (found 2.0)"),
        (["--false-alarm-rate", "low"], "could not convert string to float: 'low'"),
        (["--checkpoint-seconds", "-1"], "--checkpoint-seconds: Input should be greater than or equal to 0 (found -1"),
        (["--seed", "-1"], "--seed: Input should be greater than or equal to 0 (found -1)"),
        (["--threads", "0"], "--threads: Input should be greater than or equal to 1 (found 0)"),
        (["--device", "tpu"], "invalid choice 'tpu' for argument '--device'. Expected one of ('auto', 'cpu'"),
        (["--protocol", "guess"], "invalid choice 'guess' for argument '--protocol'"),
        (["--method", "magic"], "--method magic: not known; expected one of algan-image"),
        (["--method"], "Missing value for argument '--method'"),
        (["--nonsense", "3"], "Unrecognized options: --nonsense"),
        (["--clusters", "8"], "Unrecognized options: --clusters"),  # another method's
        ([*TINY, "--selection", "validation"], "--selection validation: is for --protocol thesis only"),
        ([*TINY, "--protocol", "thesis", "--selection", "last"], "last: with --protocol thesis labels select"),
        ([*TINY, "--quality-backbone", "nosuch"], "backbone nosuch: not a network of torchvision or timm"),
        ([*TINY, "--quality-backbone", "resnet18", "--quality-weights", "no.pth"], "no.pth: no such weights file"),
        ([*SMALL, "--batch-size", "64"], "24 training samples, fewer than the batch of 64: add normal examples or set"
                                         " --batch-size 24 or less"),
    ],
)  # fmt: skip
def test_options_of_train(options: list[str], said: str, pristine_parts: Path, tmp_path: Path, capsys: Out) -> None:
    assert said in refused(capsys, "train", pristine_parts, "--out", tmp_path / "m", *options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["frobnicate", "--json"])
def test_unknown_verb(verb: str, capsys: Out) -> None:
    assert f"'{verb}' is not a verb; expected one of demo, data check" in refused(capsys, verb)


def test_the_first_word_of_two(capsys: Out) -> None:
    assert "algan data: expected one of algan data check, algan data get" in refused(capsys, "data")
    assert "expected one of algan benchmark run, algan benchmark list" in refused(capsys, "benchmark", "ran")


@pytest.mark.parametrize("verb", [["train"], ["evaluate"], ["predict"], ["info"], ["data", "check"], ["data", "get"]])
def test_nothing_given(verb: list[str], capsys: Out) -> None:
    assert f"Missing from algan {' '.join(verb)}" in refused(capsys, *verb)


def test_other_options_out_of_bounds(model: Path, pristine_parts: Path, capsys: Out) -> None:
    image = pristine_parts / "test/good/000.png"
    assert "--false-alarm-rate: Input" in refused(capsys, "predict", model, image, "--false-alarm-rate", 1)
    assert "expected at least one image or folder" in refused(capsys, "predict", model)
    assert "--calibration-fraction 2.0" in refused(capsys, "data", "check", pristine_parts, "--calibration-fraction", 2)
    assert "--seed -1: expected 0 or more" in refused(capsys, "data", "check", pristine_parts, "--seed", -1)
    assert "invalid choice 'no'" in refused(capsys, "data", "get", "no")


def test_a_rate_that_cannot_be_guaranteed_is_said(model: Path, pristine_parts: Path, capsys: Out) -> None:
    """Six held-out normals guarantee 1/7, and no less."""
    capsys.readouterr()
    for rate, enough, guaranteed in ((0.05, False, 1 / 7), (0.3, True, 2 / 7)):
        image = pristine_parts / "test/good/000.png"
        assert run("predict", model, image, "--false-alarm-rate", rate, "--json") == 0
        out, err = capsys.readouterr()
        assert ("too few to guarantee the wanted" in err) != enough
        assert json.loads(out)["guaranteed_rate"] == pytest.approx(guaranteed)


# --- folders and images ----------------------------------------------------------------------------------------


def test_folders_without_images(model: Path, tmp_path: Path, capsys: Out) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    for verb in (["train"], ["evaluate", model], ["data", "check"]):
        assert "the folder holds no images; expected image files such as .png" in refused(capsys, *verb, tmp_path)
        assert "nowhere: does not exist; expected a folder" in refused(capsys, *verb, "nowhere")
        assert "notes.txt: is a file; expected a folder" in refused(capsys, *verb, tmp_path / "notes.txt")
    assert "no images found; expected image files or folders" in refused(capsys, "predict", model, tmp_path)
    assert "nowhere: cannot be read (No such file" in refused(capsys, "predict", model, "nowhere")


def test_unreadable_files_are_skipped_counted_and_listed(parts: Path, tmp_path: Path, capsys: Out) -> None:
    whole = (parts / "train/good/000.png").read_bytes()
    spoilt = {"empty": b"", "cut": whole[: len(whole) // 2], "text": b"not an image at all"}
    for name, content in spoilt.items():
        (parts / "train/good" / f"{name}.png").write_bytes(content)
    (parts / "test/good/cut too.png").write_bytes(whole[:-200])
    out, train = tmp_path / "m", ["train", parts, "--out", tmp_path / "m", *TINY]

    assert "--strict: 3 unreadable files, the first: " in refused(capsys, *train, "--strict")
    assert not out.exists()
    assert run(*train, "--json") == 0
    result, err = capsys.readouterr()
    assert sorted(Path(path).stem for path in json.loads(result)["skipped"]) == ["cut", "empty", "text"]
    assert "3 unreadable files were skipped:" in err
    for reason in (f"{parts}/train/good/empty.png: empty (0 bytes)", "cut.png: cannot be read", "text.png: not an"):
        assert reason in err

    assert "cut too.png: cannot be read as an image" in refused(capsys, "evaluate", out, parts, "--strict")
    assert run("evaluate", out, parts, "--json") == 0
    result, err = capsys.readouterr()
    assert [Path(each["path"]).name for each in json.loads(result)["skipped"]] == ["cut too.png"]
    assert json.loads(result)["n_normal"] == 10
    assert "1 unreadable files were skipped" in err

    some = [parts / "test/good/cut too.png", parts / "test/good/000.png"]
    assert "cut too.png" in refused(capsys, "predict", out, *some, "--strict")
    assert run("predict", out, *some, "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["n"], len(result["skipped"])) == (1, 1)
    assert "none of 1 images can be read" in refused(capsys, "predict", out, some[0])

    assert run("data", "check", parts, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["unreadable"]) == 4


def test_nothing_readable(model: Path, parts: Path, tmp_path: Path, capsys: Out) -> None:
    for image in parts.rglob("*.png"):
        image.write_text("x")
    assert "none of 24 images can be read; the first: " in refused(capsys, "train", parts, "--out", tmp_path, *TINY)
    assert "none of 18 images can be read" in refused(capsys, "evaluate", model, parts)


def test_unreadable_folder(model: Path, pristine_parts: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if Path(path) == pristine_parts / "test/hole":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    said = "test/hole: cannot be read (Permission denied); give an existing folder you may read"
    for verb in (["train"], ["evaluate", model], ["predict", model], ["data", "check"]):
        assert said in refused(capsys, *verb, pristine_parts)


def test_test_images_that_are_training_images(parts: Path, tmp_path: Path, capsys: Out) -> None:
    """Every good image is in the test again, so that calibration images are among them, too."""
    for image in (parts / "train/good").iterdir():
        shutil.copy(image, parts / "test/good" / f"again {image.name}")
    assert run("train", parts, "--out", tmp_path / "m", *TINY) == 0
    err = capsys.readouterr().err
    assert "30 test images are also training images, the first is " in err
    assert "they are left out of every evaluation" in err
    assert run("evaluate", tmp_path / "m", parts, "--json") == 0
    out, err = capsys.readouterr()
    assert "30 of 48 test images were left out: the model was made with them" in err
    assert json.loads(out)["n_normal"] == 10
    assert run("data", "check", parts, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["overlaps"]) == 30


def test_nothing_unseen_is_left(parts: Path, model: Path, tmp_path: Path, capsys: Out) -> None:
    flat = tmp_path / "flat"
    shutil.copytree(parts / "train/good", flat / "good")
    assert "no labelled image is left to test on" in refused(capsys, "evaluate", model, flat, "--no-commissioning")


def test_defects_inside_train(parts: Path, capsys: Out) -> None:
    shutil.copytree(parts / "test/hole", parts / "train/hole")
    said = refused(capsys, "train", parts, *TINY)
    assert f"{parts}/train/hole: a folder of anomalous images inside train" in said
    assert f"move this one to {parts}/test/hole" in said


def test_masks_that_match_no_image(parts: Path, tmp_path: Path, capsys: Out) -> None:
    (parts / "ground_truth/hole").mkdir(parents=True)
    for name in ("000_mask.png", "777_mask.png", "stray.png"):
        shutil.copy(parts / "test/hole/000.png", parts / "ground_truth/hole" / name)
    assert run("train", parts, "--out", tmp_path / "m", *TINY) == 0
    assert "warning: 2 masks match no image, the first is " in capsys.readouterr().err


def test_thesis_needs_labels(parts: Path, tmp_path: Path, capsys: Out) -> None:
    shutil.rmtree(parts / "test/hole")
    said = refused(capsys, "train", parts, "--out", tmp_path / "m", *TINY, "--protocol", "thesis")
    assert "anomalous images: 0 found; expected at least 2" in said


# --- vectors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.where(np.eye(20, 4) > 0, np.nan, 1.0), "4 values are missing, infinite or beyond 3.4e38; the first is nan"),
        (np.where(np.eye(20, 4) > 0, np.inf, 1.0), "the first is inf in row 1, column 1; fill or remove them"),
        (np.full((20, 4), "red"), "holds <U3; expected numbers"),
        (np.arange(20.0), "shape (20,); expected (n, d), one sample per row"),
        (np.zeros((2, 4)), "Maße 1.npy: 2 good samples are too few to train and to calibrate; expected at least 3"),
    ],
)
def test_unusable_vectors(values: Any, said: str, tmp_path: Path, capsys: Out) -> None:
    path = tmp_path / "Maße 1.npy"
    np.save(path, values)
    message = refused(capsys, "train", path, "--out", tmp_path / "m", *VECTORS)
    assert said in message


def test_vectors_that_never_change_are_warned_of(tmp_path: Path, capsys: Out) -> None:
    np.save(tmp_path / "x.npy", np.ones((20, 4)))
    assert run("train", tmp_path / "x.npy", "--out", tmp_path / "m", *VECTORS) == 0
    assert "x.npy: 4 columns never change, the first is 1" in capsys.readouterr().err


def test_vectors_of_another_width(vector_model: Path, tmp_path: Path, capsys: Out) -> None:
    path = tmp_path / "wide.npz"
    np.savez(path, X=np.zeros((5, 7)), y=[0, 0, 0, 1, 1])
    for verb in ("predict", "evaluate"):
        assert f"{path}: 7 columns; this model was trained on 4" in refused(capsys, verb, vector_model, path)


def test_images_and_vectors_mixed_up(
    model: Path, vector_model: Path, pristine_parts: Path, table: Path, tmp_path: Path, capsys: Out
) -> None:
    assert f"{table}: is a table of vectors; set --method algan-vector" in refused(capsys, "train", table, *TINY)
    assert "expected a file ending in .npy, .npz" in refused(capsys, "train", pristine_parts, *VECTORS)
    assert "expected a file ending in .npy, .npz" in refused(capsys, "predict", vector_model, pristine_parts)
    assert "no labels; expected an .npz" in refused(capsys, "evaluate", vector_model, pristine_parts)
    assert "is a file; expected a folder of images" in refused(capsys, "evaluate", model, table)
    assert "there is no image to draw on" in refused(capsys, "predict", vector_model, table, "--maps", tmp_path)
    options = [*VECTORS, "--rotation-degrees", 20]
    assert "--rotation-degrees is for images; leave it out" in refused(capsys, "train", table, *options)
    options = [*VECTORS, "--protocol", "thesis"]
    assert "--protocol thesis needs a folder of labelled images" in refused(capsys, "train", table, *options)
    assert "no such file" in refused(capsys, "train", "nowhere.npz", *VECTORS)


# --- model folders ---------------------------------------------------------------------------------------------


def test_damaged_model_folders(model: Path, pristine_parts: Path, tmp_path: Path, capsys: Out) -> None:
    copy, image = tmp_path / "copy", pristine_parts / "test/good/000.png"

    def said(name: str, content: bytes | None) -> str:
        shutil.copytree(model, copy)
        if content is None:
            (copy / name).unlink()
        else:
            (copy / name).write_bytes(content)
        messages = {refused(capsys, *verb) for verb in (["info", copy], ["predict", copy, image])}
        shutil.rmtree(copy)
        assert len(messages) == 1
        return messages.pop()

    weights, config = ((model / name).read_bytes() for name in ("weights.safetensors", "config.json"))
    name = model_folder.WEIGHTS
    flipped = weights[:-1] + bytes([weights[-1] ^ 1])
    newer = json.dumps(json.loads(config) | {"schema_version": 3}).encode()
    assert "weights.safetensors: missing from the model, or not a file; copy the model folder again" in said(name, None)
    assert "weights.safetensors: truncated or altered" in said(name, weights[:-20])
    assert "weights.safetensors: truncated or altered" in said(name, flipped)
    assert "config.json: not valid JSON, perhaps truncated" in said(model_folder.CONFIG, config[:200])
    assert "config.json: made by a newer algan-ad (schema 3" in said(model_folder.CONFIG, newer)
    moved = config.replace(b'"seed": 0', b'"seed": 1')
    assert "config.json: changed since it was saved" in said(model_folder.CONFIG, moved)
    assert "not a model folder, or an incomplete one" in said(model_folder.CONFIG, None)
    assert "nowhere: no such model folder; check the path" in refused(capsys, "info", "nowhere")


def test_plans_changed_on_purpose(model: Path, pristine_parts: Path, tmp_path: Path, capsys: Out) -> None:
    """The plan is changed together with its checksum."""
    config = json.loads((model / "config.json").read_text())
    del config["sha256"]
    folder = Path(shutil.copytree(model, tmp_path / "m"))

    def said(**changes: object) -> str:
        digest = model_folder._digest(config | changes)
        (folder / "config.json").write_text(json.dumps(config | changes | {"sha256": digest}))
        return refused(capsys, "evaluate", folder, pristine_parts)

    wide = {"value": 8, "origin": "user"}
    assert f"{folder}: method 'next-years' is not known here; known: algan-image" in said(method="next-years")
    assert "weights.safetensors does not fit config.json" in said(plan=config["plan"] | {"width": wide})
    assert "width: Input should be" in said(plan=config["plan"] | {"width": {"value": -8, "origin": "user"}})
    assert "plan: Input should be a valid dictionary (found 7)" in said(plan=7)


def test_full_disk_while_saving_leaves_the_old_model(
    pristine_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    train = ["train", pristine_parts, "--out", tmp_path / "m", *TINY]
    assert run(*train) == 0

    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    before = {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(model_folder, "flush_to_disk", full)
        said = refused(capsys, *train, "--overwrite", "--seed", 1, status=1)
    assert "the disk is full, so it was not saved; a previous version, if any, is intact" in said
    assert {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()} == before
    assert run("info", tmp_path / "m") == 0
    assert run(*train, "--overwrite", "--seed", 1, "--resume") == 0  # nothing is trained twice
    assert (tmp_path / "m/weights.safetensors").read_bytes() != before["weights.safetensors"]


def test_places_that_cannot_be_written_to(model: Path, pristine_parts: Path, tmp_path: Path, capsys: Out) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    train = ["train", pristine_parts, *TINY, "--out"]
    assert f"{file} is not a folder that can be written to; choose another" in refused(capsys, *train, file)
    assert f"{file} is not a folder that can be written to; choose another" in refused(capsys, *train, file / "a/b")
    for option, target in (("--out", file / "a.csv"), ("--maps", file)):
        said = refused(capsys, "predict", model, pristine_parts / "test/good/000.png", option, target)
        assert f"{file}/" in said
        assert "cannot be written" in said
    said = refused(capsys, "evaluate", model, pristine_parts, "--report", file)
    assert f"{file}: cannot be written (File exists); choose another place" in said
    assert "cannot be written" in refused(capsys, "data", "get", "demo", "--into", file)
    assert file.read_text() == "mine"


# --- everything else -------------------------------------------------------------------------------------------


def test_diverged_training(pristine_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out) -> None:
    monkeypatch.setattr(loop, "COLLAPSED", 1e9)
    said = refused(capsys, "train", pristine_parts, "--out", tmp_path / "m", *TINY, status=1)
    assert "training diverged in epoch 1" in said
    assert "another --seed" in said
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 1, "--resume"),
        (OSError(errno.EIO, "Input/output error", "/mnt/camera"), 1, "/mnt/camera: Input/output error"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), 2, "pip install 'algan-ad[train]'"),
    ],
)
def test_what_the_machine_does(
    error: BaseException, status: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(sys.modules["algan_ad.workflows.train"], "train", failing)
    assert said in refused(capsys, "train", "anything", status=status)


@pytest.mark.parametrize(("method", "hinted"), [("algan-image", True), ("kmeans", False)])
def test_a_run_without_epochs_cannot_be_resumed(
    method: str, hinted: bool, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["algan_ad.workflows.train"], "train", interrupted)
    said = refused(capsys, "train", "anything", "--method", method, status=1)
    assert said == "algan: stopped" + "; add --resume to continue from the last checkpoint" * hinted


@pytest.mark.parametrize("options", [["--resume"], ["--checkpoint-seconds", "5"], ["--track", "tensorboard"]])
def test_options_of_epochs_for_a_method_that_has_none(
    options: list[str], table: Path, tmp_path: Path, capsys: Out
) -> None:
    said = refused(capsys, "train", table, "--out", tmp_path / "m", "--method", "kmeans", *options)
    assert said == f"algan: {options[0]}: kmeans is fitted once, not epoch by epoch; leave it out"
    assert list(tmp_path.iterdir()) == []


def test_tracker_that_is_not_installed(
    pristine_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    said = refused(capsys, "train", pristine_parts, "--out", tmp_path / "m", *TINY, "--track", "mlflow")
    assert "--track mlflow: install it with pip install 'algan-ad[tracking]'" in said
