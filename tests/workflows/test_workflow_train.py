"""Training on a folder, an array or a table gives a model that records its making."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from algan_ad.detectors.algan_image import AlganImage, AlganImageConfig
from algan_ad.detectors.algan_vector import AlganVectorConfig
from algan_ad.detectors.padim import PadimConfig
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import decode
from algan_ad.training.lock import locked
from algan_ad.workflows.evaluate import evaluate, report
from algan_ad.workflows.load import load_model
from algan_ad.workflows.model import Model
from algan_ad.workflows.train import train

Config = AlganImageConfig
Err = pytest.CaptureFixture[str]


def images(folder: Path) -> NDArray[np.uint8]:
    return np.stack([decode(path) for path in sorted(folder.glob("*.png"))])


def same(a: Model, b: Model) -> bool:
    first, second = a.detector.tensors(), b.detector.tensors()
    return all(np.array_equal(first[name], second[name]) for name in first)


def test_folder(image_model: Model, pristine_parts: Path) -> None:
    config = image_model.config
    assert (config.method, config.input, config.protocol, config.seed) == ("algan-image", "image", "normal-only", 0)
    assert config.preprocessing is not None
    assert config.preprocessing.size == 32
    assert config.maps == "attribution"
    assert config.training["dataset"] == pristine_parts.name
    assert (config.training["n_train"], config.training["n_calibration"]) == (24, 6)
    assert config.calibration is not None
    assert config.calibration.n == 6
    assert "chosen without labels" in config.selection
    assert {"python", "torch", "numpy"} <= config.versions.keys()


def test_fingerprint_names_every_image_the_model_was_made_with(image_model: Model, pristine_parts: Path) -> None:
    good = pristine_parts / "train/good"
    expected = {hashlib.sha256(path.read_bytes()).hexdigest() for path in good.iterdir()}
    files = image_model.config.fingerprint["files"]
    assert isinstance(files, dict)
    assert set(files.values()) == expected
    assert all((pristine_parts / name).is_file() for name in files)


def test_plan_tells_where_each_value_came_from(image_model: Model) -> None:
    plan = {name: (entry.value, entry.origin) for name, entry in image_model.config.plan.items()}
    assert plan["epochs"] == (2, "user")
    assert plan["sigma"] == (4.0, "fixed")
    assert plan["selection"] == (image_model.detector.default_selection, "derived")
    assert plan["horizontal_flip"] == (False, "derived")
    assert plan["calibration_fraction"] == (0.2, "fixed")
    assert plan["false_alarm_rate"] == (0.2, "user")


def test_the_plan_holds_the_epochs_after_which_nothing_moved(
    pristine_parts: Path, tiny_image: Config, monkeypatch: pytest.MonkeyPatch, capsys: Err
) -> None:
    monkeypatch.setattr(AlganImage, "_mean_over_kinds", lambda *_: lambda weights: 0.5)
    config = tiny_image.model_copy(update={"epochs": 30, "observe_every": 1, "patience": 2})
    entry = train(pristine_parts, "algan-image", config=config).config.plan["epochs"]
    assert (entry.value, entry.origin) == (8 + 2, "derived")
    assert entry.reason == "of 30: 2 looks in a row found no better weights"
    assert f"10 epochs, {entry.reason}" in capsys.readouterr().err


def test_array(pristine_parts: Path, tiny_image: Config, tmp_path: Path) -> None:
    good = images(pristine_parts / "train/good")
    model = train(good, "algan-image", config=tiny_image, out=tmp_path / "m", export=False)
    assert model.config.training["dataset"] == "array"
    assert (model.config.training["n_train"], model.config.training["n_calibration"]) == (24, 6)
    assert same(train(good, "algan-image", config=tiny_image), model)
    again = load_model(tmp_path / "m")
    np.testing.assert_array_equal(again.score(good[:5]), model.score(good[:5]))
    grey = train(good[..., 0], "algan-image", config=tiny_image)  # (N, H, W)
    assert grey.score(good[:2]).shape == (2,)


def test_array_of_another_size_is_resized(tiny_image: Config) -> None:
    odd = np.random.default_rng(0).integers(0, 256, (12, 50, 41, 3), dtype=np.uint8)
    model = train(odd, "algan-image", config=tiny_image)
    assert model.samples(odd).shape == (12, 32, 32, 3)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.zeros((20, 32, 32, 3)), "expected uint8 values 0..255, found float64"),
        (np.zeros((20, 32, 32, 4), np.uint8), r"expected the shape \(N, H, W, 3\)"),
        (np.zeros((0, 32, 32, 3), np.uint8), "0 good samples are too few to train and to calibrate"),
        (np.zeros((2, 32, 32, 3), np.uint8), "2 good samples are too few"),
        (np.zeros((9, 32, 32, 3), np.uint8), "7 training samples, fewer than the batch of 8"),
    ],
)
def test_unusable_arrays(wrong: Any, said: str, tiny_image: Config) -> None:
    with pytest.raises(InputError, match=said):
        train(wrong, "algan-image", config=tiny_image)


def test_vectors_from_file_and_array(vector_model: Model, table: Path, tiny_vector: AlganVectorConfig) -> None:
    config = vector_model.config
    assert (config.input, config.preprocessing) == ("vector", None)
    assert config.fingerprint["n_vectors"] == 32  # of 40 good rows 8 wait for the test
    assert (config.training["n_train"], config.training["n_calibration"]) == (26, 6)
    x = np.load(table)["X"]
    model = train(x[:40], "algan-vector", config=tiny_vector)
    assert (model.config.training["n_train"], model.config.training["n_calibration"]) == (32, 8)
    assert model.score(x).shape == (48,)
    assert vector_model.score(table).shape == (48,)


def test_what_calibrates_takes_nothing_from_the_test_of_a_table(table: Path) -> None:
    """Eight of 40 good rows wait for the test; the wanted share of the other 32 calibrates."""
    for fraction, n_calibration in ((0.1, 3), (0.5, 16)):
        training = train(table, "mahalanobis", calibration_fraction=fraction).config.training
        assert (training["n_calibration"], training["n_test"]) == (n_calibration, 8 + 8)


def test_no_odd_row_is_trained_on(table: Path, tiny_vector: AlganVectorConfig, tmp_path: Path) -> None:
    """Whatever the odd rows hold, the model stays the same."""
    held = dict(np.load(table))
    held["X"][held["y"] == 1] *= -100
    np.savez(tmp_path / "t.npz", **held)
    a, b = (train(path, "algan-vector", config=tiny_vector) for path in (table, tmp_path / "t.npz"))
    assert same(a, b)
    assert a.config.calibration == b.config.calibration


def test_flat_folder_and_good_beside_bad(parts: Path, tiny_image: Config) -> None:
    alone = train(parts / "train/good", "algan-image", config=tiny_image)
    assert (alone.config.training["n_train"], alone.config.training["n_calibration"]) == (24, 6)
    shutil.move(parts / "train/good", parts / "good")
    shutil.move(parts / "test/hole", parts / "hole")
    shutil.rmtree(parts / "train")
    shutil.rmtree(parts / "test")
    beside = train(parts, "algan-image", config=tiny_image)
    assert (beside.config.training["n_train"], beside.config.training["n_calibration"]) == (18, 6)


def test_nothing_but_good_training_images_has_a_part(parts: Path, tiny_image: Config, image_model: Model) -> None:
    """The same weights and the same threshold, whatever the test images hold."""
    for path in (parts / "test").rglob("*.png"):
        Image.new("RGB", (32, 32), "red").save(path)
    model = train(parts, "algan-image", config=tiny_image, false_alarm_rate=0.2)
    assert same(model, image_model)
    assert model.config.calibration == image_model.config.calibration


def test_thesis_takes_labels_and_says_so(pristine_parts: Path, tiny_image: Config, capsys: Err) -> None:
    model = train(pristine_parts, "algan-image", config=tiny_image, protocol="thesis")
    assert "approximately, because the same normals chose the epoch" in capsys.readouterr().err
    assert model.config.calibration is not None
    assert model.config.calibration.guaranteed_rate is None
    assert model.config.protocol == "thesis"
    assert "labelled validation half" in model.config.selection
    assert (model.config.training["n_train"], model.config.training["n_calibration"]) == (30, 5)
    assert model.config.fingerprint["n_images"] == 30 + 9  # the validation half counts as seen
    assert model.config.plan["selection"].value == "validation"


def test_what_is_fitted_once_keeps_its_guarantee_under_thesis(pristine_parts: Path) -> None:
    """No epoch is chosen, so that the normals of the validation half serve the threshold alone."""
    config = PadimConfig(
        image_size=32, backbone="squeezenet1_1", backbone_weights="random", layers=("features.3",), dims=4
    )
    model = train(pristine_parts, "padim", config=config, protocol="thesis")
    assert model.config.calibration is not None
    assert model.config.calibration.guaranteed_rate == 1 / 6
    assert model.config.maps == "own"


def test_thesis_refuses_data_without_labels(pristine_parts: Path, tiny_image: Config, table: Path) -> None:
    with pytest.raises(InputError, match="anomalous images: 0 found"):
        train(pristine_parts / "train/good", "algan-image", config=tiny_image, protocol="thesis")
    for source, method in ((images(pristine_parts / "train/good"), None), (table, "auto")):
        with pytest.raises(InputError, match="protocol='thesis' needs a folder of labelled images"):
            train(source, method, protocol="thesis")


def test_too_few_calibration_normals_is_said(pristine_parts: Path, tiny_image: Config, capsys: Err) -> None:
    model = train(pristine_parts, "algan-image", config=tiny_image, false_alarm_rate=0.05)
    err = capsys.readouterr().err
    assert "set by 6 held-out normal examples" in err
    assert "too few to guarantee the wanted 5 %" in err
    assert "guarantees 14.3 % only; hold out at least 19 normal examples" in err
    calibration = model.config.calibration
    assert calibration is not None
    assert not calibration.sufficient
    assert calibration.needed == 19


def test_enough_calibration_normals_is_said(pristine_parts: Path, tiny_image: Config, capsys: Err) -> None:
    train(pristine_parts, "algan-image", config=tiny_image, calibration_fraction=0.65, false_alarm_rate=0.05)
    assert "set by 20 held-out normal examples: on average at most 4.76 % of good ones" in capsys.readouterr().err


def test_copies_among_the_good_images_are_warned_of(parts: Path, tiny_image: Config, capsys: Err) -> None:
    """A copy in the calibration of a training image scores too low."""
    for path in (parts / "train/good").iterdir():
        shutil.copy(path, path.with_name(f"copy of {path.name}"))
    train(parts, "algan-image", config=tiny_image)
    err = capsys.readouterr().err
    assert " calibration images are also training images, the first is " in err
    assert "more good parts are flagged than the threshold promises" in err
    train(parts / "test/good", "algan-image", config=tiny_image)
    assert "calibration images are" not in capsys.readouterr().err


@pytest.mark.parametrize("fraction", [0.98, 0.999])
def test_nothing_left_to_train_on(fraction: float, table: Path, tiny_vector: AlganVectorConfig) -> None:
    with pytest.raises(InputError, match=rf"calibration_fraction={fraction}: leaves [01] of 48 good samples to train"):
        train(np.load(table)["X"], "algan-vector", config=tiny_vector, calibration_fraction=fraction)


def test_wishes_of_the_user_go_before_the_recipe(pristine_parts: Path, tiny_image: Config) -> None:
    config = train(pristine_parts, "algan-image", config=tiny_image, grayscale=True, rotation_degrees=10).config
    assert config.preprocessing is not None
    assert config.preprocessing.grayscale
    assert config.plan["rotation_degrees"].model_dump() == {"value": 10, "origin": "user", "reason": None}
    assert config.plan["grayscale"].origin == "user"


def test_model_folder_is_written_whole_and_replaced_only_on_demand(
    pristine_parts: Path, tiny_image: Config, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "model"
    model = train(pristine_parts, "algan-image", config=tiny_image, out=out, export=False)
    config = json.loads((out / "config.json").read_text())
    assert set(config["files"]) == {path.name for path in out.iterdir()} - {"config.json"}
    assert [path.name for path in out.parent.iterdir()] == ["model"]
    with pytest.raises(InputError, match="holds a model already"):
        train(pristine_parts, "algan-image", config=tiny_image, out=out, export=False, seed=1)
    assert same(load_model(out), model)
    other = train(pristine_parts, "algan-image", config=tiny_image, out=out, export=False, seed=1, overwrite=True)
    assert same(load_model(out), other)
    assert not same(other, model)


def test_model_folder_here(
    pristine_parts: Path, tiny_image: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    train(pristine_parts, "algan-image", config=tiny_image, out=".", export=False)
    assert load_model(".").config.seed == 0


def test_wrong_rate_is_refused_before_training(pristine_parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("algan_ad.detectors.algan_image.AlganImage.fit", None)
    for rate in (0, 1, -0.1, float("nan")):
        with pytest.raises(InputError, match="false_alarm_rate"):
            train(pristine_parts, "algan-image", false_alarm_rate=rate)


def test_unknown_method(pristine_parts: Path) -> None:
    with pytest.raises(InputError, match="method='patchwork': not known; did you mean 'patchcore'"):
        train(pristine_parts, "patchwork")


def test_the_caller_is_left_alone(pristine_parts: Path, tiny_image: Config) -> None:
    """Random states and the number of threads are the same afterwards as before."""
    torch.manual_seed(7)
    np.random.seed(7)
    expected, threads = (torch.rand(3), np.random.random(3)), torch.get_num_threads()
    torch.manual_seed(7)
    np.random.seed(7)
    model = train(pristine_parts, "algan-image", config=tiny_image, threads=2)
    torch.testing.assert_close(torch.rand(3), expected[0], rtol=0, atol=0)
    np.testing.assert_array_equal(np.random.random(3), expected[1])
    assert model.config.training["threads"] == 2
    assert torch.get_num_threads() == threads


def test_options_are_checked_by_one_schema(pristine_parts: Path) -> None:
    with pytest.raises(InputError, match="epochz"):
        train(pristine_parts, config={"epochz": 3})
    with pytest.raises(InputError, match=r"^seed: Input should be greater"):
        train(pristine_parts, seed=-1)
    with pytest.raises(InputError, match="sede"):
        train(pristine_parts, sede=1)


def test_files_of_the_user_stay(pristine_parts: Path, tiny_image: Config, tmp_path: Path) -> None:
    """A folder that is no model may hold a README and reports of the user."""
    for name in ("README.md", "network.onnx"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(InputError, match=rf"{name}: exists already; .* set overwrite=True"):
            train(pristine_parts, "algan-image", config=tiny_image, out=tmp_path)
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()
    page = tmp_path / "m/evaluation/report.html"
    page.parent.mkdir(parents=True)
    page.write_text("mine")
    model = train(pristine_parts, "algan-image", config=tiny_image, out=tmp_path / "m", export=False)
    assert page.read_text() == "mine"
    with pytest.raises(InputError, match=r"report.html: exists already"):
        report(model, evaluate(model, pristine_parts), page.parent, maps=False)
    assert page.read_text() == "mine"


def test_two_runs_do_not_mix(table: Path, tmp_path: Path) -> None:
    """The second is refused at once and harms nothing, even where it is told to resume or to overwrite."""
    (tmp_path / "model.run").mkdir()
    (tmp_path / "model.run/checkpoint.safetensors").write_bytes(b"of the first")
    with locked(tmp_path / "model.run"):
        for options in ({}, {"resume": True}, {"overwrite": True}):
            with pytest.raises(InputError, match=r"model\.run: another process is training there"):
                train(table, "algan-vector", tmp_path / "model", **options)
    assert (tmp_path / "model.run/checkpoint.safetensors").read_bytes() == b"of the first"
    assert not (tmp_path / "model").exists()
