"""Training exports as its last step; an export is refused, and the model kept, where the network is not the model."""

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from algan_ad.cli import main
from algan_ad.detectors.algan_vector import AlganVectorConfig
from algan_ad.runtime.errors import ExportRefused, InputError, MissingExtra
from algan_ad.runtime.model_folder import verify_model
from algan_ad.runtime.running import Running
from algan_ad.runtime.self_test import Reference, self_test
from algan_ad.runtime.sessions import NetworkScorer
from algan_ad.workflows import export
from algan_ad.workflows.export import export_model
from algan_ad.workflows.load import load_model
from algan_ad.workflows.model import Model
from algan_ad.workflows.train import train

Err = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def exported(table: Path, tiny_vector: AlganVectorConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "m"
    train(table, "algan-vector", folder, config=tiny_vector, false_alarm_rate=0.2)
    return folder


def test_training_exports_as_its_last_step(exported: Path) -> None:
    assert self_test(exported).n == 2 * 6  # the held-out rows, and an altered copy of each
    assert isinstance(load_model(exported, runtime="torch"), Model)
    network, weights = load_model(exported, runtime="onnx"), load_model(exported, runtime="torch")
    x = np.random.default_rng(0).normal(size=(9, 4))
    np.testing.assert_allclose(network.score(x), weights.score(x), atol=1e-4 * np.std(weights.score(x)))


def test_a_training_may_leave_the_network_out(
    table: Path, tiny_vector: AlganVectorConfig, tmp_path: Path, capsys: Err
) -> None:
    train(table, "algan-vector", tmp_path / "m", config=tiny_vector, export=False)
    assert not (tmp_path / "m" / "network.onnx").exists()
    assert "network.onnx" not in capsys.readouterr().err
    with pytest.raises(InputError, match=r"holds no network.onnx; install algan-ad\[train\]"):
        load_model(tmp_path / "m", runtime="onnx")
    with pytest.raises(InputError, match=r"holds no samples to check an export with; name good ones .*: samples"):
        export_model(tmp_path / "m")
    assert export_model(tmp_path / "m", table).holds
    assert export_model(tmp_path / "m").holds  # with those that it left


def test_a_method_that_is_not_exported_says_so_in_one_line(table: Path, tmp_path: Path, capsys: Err) -> None:
    train(table, "knn", tmp_path / "m", config={"k": 2})
    said = [line for line in capsys.readouterr().err.splitlines() if "network.onnx" in line]
    assert said == ["no network.onnx: knn has no network: scikit-learn's estimator scores, not a network of torch"]
    with pytest.raises(SystemExit) as stop:
        main(["export", str(tmp_path / "m")])
    assert stop.value.code == 1
    assert "knn has no network: scikit-learn's estimator" in capsys.readouterr().err
    assert len(load_model(tmp_path / "m").score(table)) == 48


def test_without_the_extra_a_line_says_how_to_get_it(
    table: Path, tiny_vector: AlganVectorConfig, tmp_path: Path, capsys: Err, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    train(table, "algan-vector", tmp_path / "m", config=tiny_vector)
    assert "no network.onnx: an export needs pip install 'algan-ad[export]'\n" in capsys.readouterr().err
    with pytest.raises(MissingExtra):
        export_model(tmp_path / "m", table)


def test_a_refused_export_leaves_the_model_as_it_is(
    exported: Path, table: Path, tiny_vector: AlganVectorConfig, tmp_path: Path, capsys: Err,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def refuse(*given: object) -> Reference:
        raise ExportRefused("the network does not score as the model does: by far")

    monkeypatch.setattr(export, "check", refuse)
    before = (exported / "network.onnx").read_bytes()
    with pytest.raises(ExportRefused):
        export_model(exported)
    assert (exported / "network.onnx").read_bytes() == before
    train(table, "algan-vector", tmp_path / "m", config=tiny_vector)
    assert "no network.onnx: the network does not score as the model does: by far" in capsys.readouterr().err
    assert len(load_model(tmp_path / "m").score(table)) == 48


def test_a_network_that_onnx_runtime_cannot_run_is_refused(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "make_network", lambda *given: b"no network")
    with pytest.raises(ExportRefused, match=r"the network does not run: .* not a network that ONNX Runtime can run"):
        export_model(exported)


def run(*words: object) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(each) for each in words])
    assert stop.value.code == 0


def test_openvinos_own_form_lies_beside_on_request(exported: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    folder = Path(shutil.copytree(exported, tmp_path / "m"))
    x = np.random.default_rng(0).normal(size=(9, 4))
    expected = load_model(folder, runtime="onnx").score(x)
    assert export_model(folder, openvino=True).holds
    assert {"network.onnx", "network.xml", "network.bin"} <= set(verify_model(folder).files)
    assert self_test(folder, Running(runtime="openvino", threads=1)).holds
    np.testing.assert_allclose(load_model(folder, runtime="openvino").score(x), expected, rtol=1e-4)
    run("info", folder, "--self-test", "--runtime", "openvino")
    run("export", folder)
    assert not list(folder.glob("network.[xb]*"))  # gone, because they were not asked for
    assert load_model(folder, runtime="openvino").score(x) == pytest.approx(expected, rel=1e-4)


def test_files_that_no_export_made_stay(exported: Path) -> None:
    (exported / "network.bin").write_bytes(b"of somebody")
    for openvino in (False, True):
        with pytest.raises(InputError, match=r"network.bin: exists already; .* overwrite"):
            export_model(exported, openvino=openvino)
    assert (exported / "network.bin").read_bytes() == b"of somebody"
    assert export_model(exported, overwrite=True).holds
    (exported / "network.bin").unlink()


def test_a_form_that_scores_otherwise_is_refused(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    check = export.check

    def refuse_openvino(detector: Any, scorer: NetworkScorer, *others: Any) -> Reference:
        if scorer.runtime == "OpenVINO":
            raise ExportRefused("the network does not score as the model does: by far")
        return check(detector, scorer, *others)

    monkeypatch.setattr(export, "check", refuse_openvino)
    with pytest.raises(ExportRefused):
        export_model(exported, openvino=True)
    assert not list(exported.glob("network.[xb]*"))


def test_openvino_that_is_missing(exported: Path, monkeypatch: pytest.MonkeyPatch, capsys: Err) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(SystemExit) as stop:
        main(["export", str(exported), "--openvino"])
    assert stop.value.code == 2
    assert "OpenVINO is not installed: pip install 'algan-ad[openvino]'" in capsys.readouterr().err


def test_samples_of_an_image_model(pristine_parts: Path, tmp_path: Path) -> None:
    settings = {"image_size": 32, "width": 4, "epochs": 1, "batch_size": 8}
    train(pristine_parts, "algan-image", tmp_path / "m", config=settings, export=False)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="no images found; expected good ones that the model was not trained on"):
        export_model(tmp_path / "m", empty)
    assert export_model(tmp_path / "m", pristine_parts / "test/good").n == 20
