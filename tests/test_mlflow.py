"""Models in MLflow: saved and logged, served as a python_function, without torch where a network is there."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from algan_ad import load_model
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import decode
from algan_ad.workflows.train import train

mlflow = pytest.importorskip("mlflow")
pd = pytest.importorskip("pandas")
flavour: Any = pytest.importorskip("algan_ad.mlflow")


@pytest.fixture(autouse=True)
def _local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")


def test_paths_bytes_and_pixels_score_alike(brightness_model: Path, pristine_parts: Path, tmp_path: Path) -> None:
    flavour.save_model(brightness_model, tmp_path / "saved")
    model = mlflow.pyfunc.load_model(str(tmp_path / "saved"))
    paths = [str(path) for path in sorted((pristine_parts / "test/hole").iterdir())[:3]]
    expected = load_model(brightness_model).predict(paths)
    table = model.predict(pd.DataFrame({"image": paths}))
    assert table.to_dict("records") == [each.to_dict() for each in expected]
    for images in ([Path(path).read_bytes() for path in paths], [decode(Path(path)) for path in paths],
                   [decode(Path(path)).tolist() for path in paths]):  # fmt: skip
        found = model.predict(pd.DataFrame({"image": images}))
        assert found["score"].tolist() == table["score"].tolist()
        assert found["anomalous"].tolist() == table["anomalous"].tolist()
        assert found["source"].isna().all()


def test_a_column_of_another_name_is_refused(brightness_model: Path, tmp_path: Path) -> None:
    flavour.save_model(brightness_model, tmp_path / "saved")
    with pytest.raises(mlflow.MlflowException, match="image"):
        mlflow.pyfunc.load_model(str(tmp_path / "saved")).predict(pd.DataFrame({"picture": ["a.png"]}))


def test_a_logged_model_comes_back(brightness_model: Path) -> None:
    with mlflow.start_run():
        info = flavour.log_model(brightness_model, name="parts")
    assert flavour.load_model(info.model_uri).config == load_model(brightness_model).config
    assert mlflow.pyfunc.load_model(info.model_uri).metadata.signature.outputs.input_names()[1] == "score"


def test_reports_and_strange_files_stay_behind(brightness_model: Path, tmp_path: Path) -> None:
    (brightness_model / "evaluation").mkdir()
    (brightness_model / "evaluation/report.html").write_text("/home/me")
    (brightness_model / "notes.txt").write_text("mine")
    flavour.save_model(brightness_model, tmp_path / "saved")
    files = {path.name for path in (tmp_path / "saved/data").rglob("*") if path.is_file()}
    assert files == {"config.json", "network.onnx", "self-test.safetensors", "weights.safetensors"}


def test_what_is_installed_to_serve_it(brightness_model: Path, table: Path, tmp_path: Path) -> None:
    train(table, "algan-vector", tmp_path / "vectors", config={"hidden": 8, "epochs": 1})
    flavour.save_model(brightness_model, tmp_path / "network")
    flavour.save_model(tmp_path / "vectors", tmp_path / "weights")
    assert "algan-ad==" in (tmp_path / "network/requirements.txt").read_text()
    needs_torch = "network.onnx" not in load_model(tmp_path / "vectors").config.files
    assert ("algan-ad[train]==" in (tmp_path / "weights/requirements.txt").read_text()) == needs_torch


def test_vectors_by_name_and_by_position(table: Path, tmp_path: Path) -> None:
    rows = np.load(table)["X"]
    pd.DataFrame(rows, columns=list("abcd")).to_csv(tmp_path / "named.csv", index=False)
    for source, columns in ((tmp_path / "named.csv", list("abcd")), (rows[:40], None)):
        train(source, "algan-vector", tmp_path / "m", config={"hidden": 8, "epochs": 1}, overwrite=True)
        place = tmp_path / f"saved-{columns is None}"
        flavour.save_model(tmp_path / "m", place)
        model = mlflow.pyfunc.load_model(str(place))
        expected = load_model(tmp_path / "m").score(rows)
        given = rows if columns is None else pd.DataFrame(rows, columns=columns)[list("dbca")]
        np.testing.assert_allclose(model.predict(given)["score"], expected, rtol=1e-6)


def test_other_models_are_refused(brightness_model: Path, tmp_path: Path) -> None:
    mlflow.pyfunc.save_model(str(tmp_path / "other"), loader_module="json", pip_requirements=[])
    with pytest.raises(InputError, match=r"not a model that algan_ad.mlflow saved"):
        flavour.load_model(str(tmp_path / "other"))
    (brightness_model / "network.onnx").write_bytes(b"cut")
    with pytest.raises(InputError, match="truncated or altered"):
        flavour.save_model(brightness_model, tmp_path / "saved")


def test_served_without_torch(brightness_model: Path, pristine_parts: Path, tmp_path: Path) -> None:
    flavour.save_model(brightness_model, tmp_path / "saved")
    program = """
import json, sys
sys.modules |= {"torch": None, "matplotlib": None}
import mlflow, pandas as pd
table = mlflow.pyfunc.load_model(sys.argv[1]).predict(pd.DataFrame({"image": sys.argv[2:]}))
print(json.dumps(table["score"].tolist()))
"""
    path = pristine_parts / "test/good/000.png"
    words = [sys.executable, "-c", program, str(tmp_path / "saved"), str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == load_model(brightness_model).score(path).tolist()
