"""Fixtures of the station: an empty record, a model without torch, an open station that serves it."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from fastapi.testclient import TestClient
from onnx import TensorProto, helper
from PIL import Image
from safetensors.numpy import save

from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.model_folder import CONFIG, ModelConfig, write_model
from algan_ad.runtime.predictor import Maps, Predictor, Rows, Scores
from algan_ad.runtime.self_test import Reference
from algan_ad.service.api.app import create_app
from algan_ad.service.record.database import url_of
from algan_ad.service.record.record import Record
from algan_ad.service.settings import Settings
from algan_ad.service.station import Station, opened


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    """An empty record in SQLite."""
    made = Record(url_of(tmp_path))
    yield made
    made.close()


@dataclass
class Brightness:
    """A scorer whose score is the mean of the pixels; it can be made to fail."""

    error: Exception | None = None
    offset: float = 0
    seen: list[int] = field(default_factory=list)

    def score(self, samples: Rows) -> Scores:
        if self.error is not None:
            raise self.error
        self.seen.append(len(samples))
        return np.asarray(samples).mean((1, 2, 3), dtype=np.float64) + self.offset

    def score_and_maps(self, samples: Rows) -> tuple[Scores, Maps]:
        return self.score(samples), list(np.asarray(samples).mean(3, dtype=np.float32))


def brightness(rate: float = 0.05, seed: int = 0) -> Predictor:
    """A model with the threshold 95 at a rate of 0.05, for images of 8 x 8 pixels."""
    config = ModelConfig(
        method="brightness", plan={}, input="image", preprocessing=Preprocessing(size=8), protocol="normal-only",
        maps="own", calibration=Calibration(scores=range(1, 100), false_alarm_rate=rate), selection="none",
        fingerprint={}, seed=seed, versions={}, training={}, files={"weights.safetensors": f"{seed:064}"},
    )  # fmt: skip
    return Predictor(Brightness(), config)


@dataclass
class Shelf:
    """Models by folder, in place of the door to real ones. What lies here is what a replacement gets."""

    models: dict[Path, Predictor]

    def load(self, folder: Path) -> Predictor:
        if folder not in self.models:
            raise InputError(f"{folder}: no such model folder")
        return self.models[folder]


PLATES = Path("plates")


@pytest.fixture
def shelf(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """One model, `plates`, whose folder is in the current one: a station notices when a folder goes away."""
    monkeypatch.chdir(tmp_path_factory.mktemp("models"))
    PLATES.mkdir()
    (PLATES / CONFIG).touch()
    return Shelf({PLATES: brightness()})


def grey(value: int, size: int = 8) -> bytes:
    """A PNG of one grey."""
    buffer = BytesIO()
    Image.new("RGB", (size, size), (value, value, value)).save(buffer, "png")
    return buffer.getvalue()


class Open(Protocol):
    """Opens a station with some settings changed."""

    def __call__(self, **settings: Any) -> Station: ...


@pytest.fixture
def open_station(tmp_path: Path, shelf: Shelf) -> Iterator[Open]:
    """A way to open a station in the test's folder; opened again, the former one is closed first."""
    with ExitStack() as stack:

        def open_(**settings: Any) -> Station:
            stack.pop_all().close()
            folders = {folder.name: folder for folder in shelf.models}
            values = {"station": tmp_path / "station", "free_disk_bytes": 0, "audit_share": 0, **settings}
            return stack.enter_context(opened(Settings(**values), folders, shelf.load))

        yield open_


@pytest.fixture
def station(open_station: Open) -> Station:
    """An open station."""
    return open_station()


def client_of(station: Station) -> TestClient:
    """A client on this machine."""
    return TestClient(create_app(station), "http://127.0.0.1", raise_server_exceptions=False)


@pytest.fixture
def client(station: Station) -> TestClient:
    """A client of the open station."""
    return client_of(station)


def write_brightness(folder: Path, added: float = 0) -> Path:
    """A model folder that ONNX Runtime scores, as `brightness` above: the mean of 8 x 8 pixels, with maps.

    added: what its network adds to the scores, in which case the self-test finds it damaged.
    """
    floats, pixels = TensorProto.FLOAT, ["n", 8, 8, 3]
    nodes = [
        helper.make_node("Cast", ["samples"], ["x"], to=floats),
        helper.make_node("ReduceMean", ["x", "all"], ["mean"], keepdims=0),
        helper.make_node("Add", ["mean", "added"], ["scores"]),
        helper.make_node("ReduceMean", ["x", "colours"], ["maps"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes, "brightness", [helper.make_tensor_value_info("samples", TensorProto.UINT8, pixels)],
        [helper.make_tensor_value_info("scores", floats, ["n"]),
         helper.make_tensor_value_info("maps", floats, pixels[:3])],
        [helper.make_tensor("all", TensorProto.INT64, [3], [1, 2, 3]), helper.make_tensor("added", floats, [], [added]),
         helper.make_tensor("colours", TensorProto.INT64, [1], [3])],
    )  # fmt: skip
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    weights = hashlib.sha256(save({})).hexdigest()
    helper.set_model_props(network, {"algan_ad.schema_version": "1", "algan_ad.weights_sha256": weights})
    config = brightness().config.model_copy(update={"files": {}})
    reference = Reference(
        np.full((2, 8, 8, 3), [[[[10]]], [[[200]]]], np.uint8), np.array([10.0, 200]), np.full(2, 0.01)
    )
    files = {"network.onnx": network.SerializeToString(), "self-test.safetensors": reference.to_bytes()}
    write_model(folder, config, {}, files, overwrite=True)
    return folder


@pytest.fixture(scope="session")
def brightness_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model without torch. Not to be changed."""
    return write_brightness(tmp_path_factory.mktemp("models") / "plates")
