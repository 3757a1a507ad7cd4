"""Fixtures that all tests share: the real data beside the project, one thread, tiny data sets."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image
from safetensors.numpy import save

from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.model_folder import ModelConfig, write_model
from algan_ad.runtime.self_test import Reference

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)


@pytest.fixture
def shared() -> Path:
    """The folder of real data and weights; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED.name}/ is not beside the project")
    return SHARED


def part(seed: int, odd: bool = False, size: int = 32) -> NDArray[np.uint8]:
    """A grey plate with noise; an odd one has a dark hole."""
    rng = np.random.default_rng(seed)
    image = np.clip(140 + 12 * rng.normal(size=(size, size, 3)), 0, 255).astype(np.uint8)
    if odd:
        row, column = rng.integers(2, size - 12, 2)
        image[row : row + 10, column : column + 10] = 10
    return image


@pytest.fixture(scope="session")
def pristine_parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set in MVTec layout: 30 good training images, 10 good and 8 odd test images. Not to be changed."""
    root = tmp_path_factory.mktemp("data") / "gute Teile ü"
    wanted = [("train/good", 30, False), ("test/good", 10, False), ("test/hole", 8, True)]
    for group, (name, n, odd) in enumerate(wanted):
        (root / name).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(part(1000 * group + i, odd)).save(root / name / f"{i:03}.png")
    return root


@pytest.fixture
def parts(pristine_parts: Path, tmp_path: Path) -> Path:
    """A copy of the small data set to spoil."""
    return Path(shutil.copytree(pristine_parts, tmp_path / pristine_parts.name))


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An .npz of 40 good rows around 0 and 8 odd ones around 9, four columns, labels y. Not to be changed."""
    path = tmp_path_factory.mktemp("tables") / "Maße.npz"
    y = np.repeat([0, 1], [40, 8])
    np.savez(path, X=np.random.default_rng(0).normal(size=(48, 4)) + 9 * y[:, None], y=y)
    return path


@pytest.fixture(scope="session")
def brightness() -> onnx.ModelProto:
    """A network whose score is the mean of the pixels, and whose map is the mean of the colours."""
    nodes = [
        helper.make_node("Cast", ["samples"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["x", "all"], ["scores"], keepdims=0),
        helper.make_node("ReduceMean", ["x", "colours"], ["maps"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes, "brightness",
        [helper.make_tensor_value_info("samples", TensorProto.UINT8, ["n", 32, 32, 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n"]),
         helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["n", 32, 32])],
        [helper.make_tensor("all", TensorProto.INT64, [3], [1, 2, 3]),
         helper.make_tensor("colours", TensorProto.INT64, [1], [3])],
    )  # fmt: skip
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    weights = hashlib.sha256(save({})).hexdigest()
    helper.set_model_props(made, {"algan_ad.schema_version": "1", "algan_ad.weights_sha256": weights})
    onnx.checker.check_model(made)
    return made


@pytest.fixture(params=["onnx", "openvino"])
def runtime(request: pytest.FixtureRequest) -> str:
    """Every runtime that scores without torch; OpenVINO where it is installed."""
    if request.param == "openvino":
        pytest.importorskip("openvino", reason="OpenVINO is not installed")
    return str(request.param)


@pytest.fixture
def brightness_model(brightness: onnx.ModelProto, tmp_path: Path) -> Path:
    """A model folder with that network, and with samples for its self-test."""
    config = ModelConfig(
        method="brightness", plan={}, input="image", preprocessing=Preprocessing(size=32), protocol="normal-only",
        calibration=Calibration(scores=range(1, 100), false_alarm_rate=0.05), selection="none", seed=0,
        fingerprint={"files": {}}, versions={}, training={"n_train": 1, "n_calibration": 99},
    )  # fmt: skip
    samples = np.full((3, 32, 32, 3), [[[[10]]], [[[95]]], [[[200]]]], np.uint8)
    reference = Reference(samples, np.array([10.0, 95, 200]), np.full(3, 0.01))
    files = {"network.onnx": brightness.SerializeToString(), "self-test.safetensors": reference.to_bytes()}
    write_model(tmp_path / "model", config, {}, files)
    return tmp_path / "model"
