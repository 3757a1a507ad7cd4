"""An int8 model is a model of its own, whose threshold comes from the images that set the old one."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import algan_ad
from algan_ad import load_model, quantise_model, train
from algan_ad.cli import main
from algan_ad.runtime import quantisation
from algan_ad.runtime.errors import ExportRefused, InputError
from algan_ad.runtime.model_folder import verify_model
from algan_ad.runtime.running import Running
from algan_ad.runtime.self_test import self_test

TINY = {"image_size": 32, "width": 8, "epochs": 1, "batch_size": 8}


@pytest.fixture(scope="module")
def trained(pristine_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("int8") / "m"
    train(pristine_parts, "algan-image", folder, config=TINY, false_alarm_rate=0.2)
    return folder


@pytest.fixture(scope="module")
def small(trained: Path, pristine_parts: Path) -> Path:
    folder = trained.with_name("small")
    quantise_model(trained, folder, pristine_parts)
    return folder


def test_an_int8_model_is_a_model(small: Path, trained: Path, pristine_parts: Path, runtime: Any) -> None:
    test = sorted((pristine_parts / "test").rglob("*.png"))
    before, after = load_model(trained, runtime="onnx"), load_model(small, runtime=runtime)
    scores = after.score(test)
    assert not np.array_equal(scores, before.score(test))
    assert np.corrcoef(scores, before.score(test))[0, 1] > 0.9
    assert self_test(small, Running(runtime=runtime)).holds
    old, new = verify_model(trained), verify_model(small)
    assert old.calibration is not None
    assert new.calibration is not None
    assert (new.calibration.n, new.calibration.false_alarm_rate) == (old.calibration.n, 0.2)
    assert new.calibration.scores != old.calibration.scores


def test_its_threshold_is_that_of_its_own_scores(small: Path, pristine_parts: Path) -> None:
    """The held-out images scored by the int8 network, whatever they scored before."""
    model = load_model(small, runtime="onnx")
    scores = model.score(sorted((pristine_parts / "train").rglob("*.png")))
    calibration = model.config.calibration
    assert calibration is not None
    assert all(np.isclose(scores, each, rtol=1e-6).any() for each in calibration.scores)
    known = {each.key: each.value for each in onnx.load(small / "network.onnx").metadata_props}
    assert float(known["algan_ad.threshold"]) == calibration.threshold
    price = model.config.quantisation
    assert price is not None
    assert json.loads(known["algan_ad.quantisation"]) == price.model_dump(mode="json")
    assert price.n == 2 * calibration.n
    assert price.explain() in (small / "README.md").read_text().replace("\n", " ")


def test_torch_does_not_score_it(small: Path) -> None:
    for how in ({"runtime": "torch"}, {"device": "cpu"}):
        with pytest.raises(InputError, match=r"an int8 model, whose threshold is that of network.onnx"):
            load_model(small, **how)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="an int8 model, which is exported already"):
        algan_ad.export_model(small)


def test_it_is_made_from_the_images_of_its_model(
    trained: Path, small: Path, pristine_parts: Path, table: Path, tmp_path: Path
) -> None:
    others = Path(shutil.copytree(pristine_parts / "test", tmp_path / "others"))
    for source, n in ((others, 0), (tmp_path / "nowhere", 0)):
        message = rf"holds {n} of the \d+ images that set the threshold and 0 of the \d+ that .*; name .*: samples"
        with pytest.raises(InputError, match=message):
            quantise_model(trained, tmp_path / "m", source)
    with pytest.raises(InputError, match="an int8 model already; name the model that it was made from"):
        quantise_model(small, tmp_path / "m", pristine_parts)
    with pytest.raises(InputError, match="is the model itself; name another folder"):
        quantise_model(trained, trained, pristine_parts, overwrite=True)
    with pytest.raises(InputError, match="holds a model already; choose another folder"):
        quantise_model(trained, small, tmp_path / "nowhere")  # before anything is read
    labelled = tmp_path / "labelled"
    train(pristine_parts, "algan-image", labelled, config=TINY, protocol="thesis", false_alarm_rate=0.2)
    with pytest.raises(InputError, match="trained by protocol thesis, whose other images hold anomalies"):
        quantise_model(labelled, tmp_path / "m", pristine_parts)
    train(table, "algan-vector", tmp_path / "v", config={"epochs": 1}, false_alarm_rate=0.2)
    with pytest.raises(InputError, match="scores vectors, whose network is small; int8 is for images"):
        quantise_model(tmp_path / "v", tmp_path / "m", pristine_parts)
    assert not (tmp_path / "m").exists()


def test_figures_of_the_model_before_are_removed(trained: Path, pristine_parts: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained, tmp_path / "m"))
    main_of = ["evaluate", str(folder), str(pristine_parts), "--no-commissioning"]
    with pytest.raises(SystemExit):
        main(main_of)
    assert (folder / "evaluation/evaluation.json").exists()
    quantise_model(trained, folder, pristine_parts, overwrite=True)
    assert not (folder / "evaluation/evaluation.json").exists()


def test_too_high_a_price_is_refused(
    trained: Path, pristine_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantisation, "MOST_SHIFT", 1e-6)
    with pytest.raises(ExportRefused, match=r"largest shift of a score .*; allowed: a shift of 1e-06 at most$"):
        quantise_model(trained, tmp_path / "m", pristine_parts)
    assert not (tmp_path / "m").exists()


def test_at_the_command_line(
    trained: Path, pristine_parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stop:
            main([str(each) for each in words])
        return int(str(stop.value.code)), *capsys.readouterr()

    made = ["export", trained, "--int8", tmp_path / "m"]
    assert "--int8" in run(*made)[2]
    assert "expected the images that the model was trained with, as --samples" in run(*made)[2]
    assert "--openvino: OpenVINO reads the int8 network as it is" in run(*made, "--openvino")[2]
    status, out, _ = run(*made, "--samples", pristine_parts, "--json")
    assert status == 0
    assert set(json.loads(out)["quantisation"]) == set(quantisation.Quantisation.model_fields)
    assert "int8, on" in run("info", tmp_path / "m")[1]
