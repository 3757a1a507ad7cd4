"""The core install: with torch, timm and every extra blocked, what needs none of them works."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from algan_ad import load_model, train

BLOCKED = (
    "torch", "torchvision", "timm", "kornia", "captum", "torchmetrics", "faiss", "FrEIA", "sklearn", "scipy", "pandas",
    "pyarrow", "matplotlib", "filelock", "ray", "mlflow", "tensorboard", "onnx", "onnxscript",
)  # fmt: skip
ALGAN = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in %r:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
from algan_ad.cli import main
main()
"""


def algan(*words: object, installed: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    program = ALGAN % ({*BLOCKED} - {*installed},)
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True, check=False
    )


@pytest.fixture
def model(brightness_model: Path) -> Path:
    return brightness_model


def test_predict_with_a_scorer_that_needs_no_torch(model: Path, pristine_parts: Path, tmp_path: Path) -> None:
    done = algan("predict", model, pristine_parts / "test", "--out", tmp_path / "all.csv", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["n"], found["n_anomalous"]) == (18, 18)  # a mean grey of 140, above 95
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 19
    with_torch = load_model(model)
    scores = [each["score"] for each in found["predictions"]]
    np.testing.assert_allclose(with_torch.score(sorted((pristine_parts / "test").rglob("*.png"))), scores, rtol=1e-6)


def test_maps_come_from_the_network(model: Path, pristine_parts: Path) -> None:
    (prediction,) = load_model(model).predict(pristine_parts / "test/good/000.png", maps=True)
    assert prediction.anomaly_map is not None
    assert prediction.anomaly_map.shape == (32, 32)
    assert float(prediction.anomaly_map.mean()) == pytest.approx(prediction.score)


def test_bench_needs_no_torch_either(model: Path, runtime: str) -> None:
    done = algan("bench", model, "--rounds", 2, "--threads", 1, "--runtime", runtime, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    scorer = {"onnx": "ONNX Runtime", "openvino": "OpenVINO"}[runtime]
    assert (found["scorer"], found["flops"], found["share_of_limit"]) == (scorer, None, None)


def test_a_trained_model_scores_without_torch(pristine_parts: Path, tmp_path: Path) -> None:
    settings = {"image_size": 32, "width": 4, "epochs": 1, "batch_size": 8}
    made = train(pristine_parts, "algan-image", tmp_path / "m", config=settings, false_alarm_rate=0.2)
    test = sorted((pristine_parts / "test").rglob("*.png"))
    done = algan("predict", tmp_path / "m", *test, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found, expected = json.loads(done.stdout)["predictions"], made.predict(test)
    assert [each["anomalous"] for each in found] == [each.anomalous for each in expected]
    np.testing.assert_allclose([each["p_value"] for each in found], [each.p_value for each in expected])
    scores = made.score(test)
    np.testing.assert_allclose([each["score"] for each in found], scores, atol=1e-4 * np.std(scores))
    done = algan("predict", tmp_path / "m", *test, "--maps", tmp_path / "maps", installed=("scipy", "matplotlib"))
    assert done.returncode == 2
    assert "the network of this model gives scores only; torch draws its maps: pip install" in done.stderr


def test_evaluate_needs_scipy_and_matplotlib_only(model: Path, pristine_parts: Path) -> None:
    done = algan("evaluate", model, pristine_parts)
    assert done.returncode == 2
    assert "is not installed; this verb needs pip install 'algan-ad[evaluate]'" in done.stderr
    done = algan("evaluate", model, pristine_parts, "--json", installed=("scipy", "matplotlib"))
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["n_anomalous"] == 8
    assert (model / "evaluation" / "report.html").is_file()


def test_verbs_that_only_read(model: Path, tmp_path: Path) -> None:
    for words, said in (
        (["info", model], "brightness"),
        (["info", model, "--self-test"], "self-test passed: of 3 samples"),
        (["methods"], "patchcore"),
        (["benchmark", "list"], "thesis/table-5.10"),
        (["data", "get", "demo", "--into", tmp_path], "demo"),
        (["data", "check", tmp_path / "demo"], "nothing odd was found"),
    ):
        done = algan(*words)
        assert (done.returncode, said in done.stdout) == (0, True), done.stderr


def test_training_says_what_it_needs(pristine_parts: Path, tmp_path: Path) -> None:
    done = algan("train", pristine_parts, "--out", tmp_path / "m")
    assert done.returncode == 2
    assert "this verb needs pip install 'algan-ad[train]'" in done.stderr
