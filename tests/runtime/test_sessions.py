"""A network is run only if it is whole, this model's own, and all in one file."""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from algan_ad.runtime import sessions
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.model_folder import rewrite_config, verify_model
from algan_ad.runtime.sessions import OnnxScorer, load_predictor

Change = Callable[[onnx.ModelProto], None]


def replaced(folder: Path, content: bytes) -> Path:
    """The model with another network, whose hash it knows."""
    rewrite_config(folder, verify_model(folder), {"network.onnx": content})
    return folder


def test_a_network_that_is_none_is_refused(brightness_model: Path, brightness: onnx.ModelProto) -> None:
    whole = brightness.SerializeToString()
    for content in (b"", b"no network", whole[: len(whole) // 2], whole[:-3]):
        with pytest.raises(InputError, match=r"network.onnx: not a network that ONNX Runtime can run"):
            load_predictor(replaced(brightness_model, content))


def _other_input(network: onnx.ModelProto) -> None:
    network.graph.input[0].name = network.graph.node[0].input[0] = "pixels"


def _no_properties(network: onnx.ModelProto) -> None:
    del network.metadata_props[:]


def _property(name: str, value: str) -> Change:
    def change(network: onnx.ModelProto) -> None:
        known = {each.key: each.value for each in network.metadata_props}
        helper.set_model_props(network, known | {f"algan_ad.{name}": value})

    return change


def _shape(*shape: int) -> Change:
    def change(network: onnx.ModelProto) -> None:
        network.graph.input[0].CopyFrom(helper.make_tensor_value_info("samples", TensorProto.UINT8, ["n", *shape]))

    return change


def _floats(network: onnx.ModelProto) -> None:
    network.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_other_input, "not a scoring network; expected the input 'samples'"),
        (_no_properties, "not a network that algan-ad exported"),
        (_property("schema_version", "2"), "of schema 2, and this algan-ad reads 1; export the model again"),
        (_property("weights_sha256", "0" * 64), "exported from other weights than weights.safetensors"),
        (_shape(64, 64, 3), r"takes uint8 \(n, 64, 64, 3\), and the model uint8 \(n, 32, 32, 3\)"),
        (_floats, r"takes float \(n, 32, 32, 3\), and the model uint8"),
    ],
)
def test_a_foreign_network_is_refused(
    brightness_model: Path, brightness: onnx.ModelProto, change: Change, said: str
) -> None:
    network = copy.deepcopy(brightness)
    change(network)
    with pytest.raises(InputError, match=f"network.onnx: {said}"):
        load_predictor(replaced(brightness_model, network.SerializeToString()))


def test_an_altered_network_is_refused(brightness_model: Path) -> None:
    with (brightness_model / "network.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(InputError, match=r"network.onnx: truncated or altered since it was saved"):
        load_predictor(brightness_model)


def test_an_oversized_network_is_not_read(brightness_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST_BYTES", 100)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail("read"))
    with pytest.raises(InputError, match=r"network.onnx: \d+ bytes, more than an ONNX file holds"):
        OnnxScorer(brightness_model / "network.onnx")


@pytest.mark.parametrize("place", ["data.bin", "../data.bin", "{folder}/data.bin"])
def test_data_outside_of_the_file_is_refused(
    brightness_model: Path, brightness: onnx.ModelProto, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it lies: beside the network, above it, or in the folder that the program was started in."""
    network = copy.deepcopy(brightness)
    outside = network.graph.initializer[0]
    outside.data_location = TensorProto.EXTERNAL
    outside.ClearField("int64_data")
    for key, value in (("location", place.format(folder=brightness_model)), ("offset", "0"), ("length", "24")):
        outside.external_data.add(key=key, value=value)
    for folder in (brightness_model, brightness_model.parent):
        (folder / "data.bin").write_bytes(np.array([1, 2, 3], np.int64).tobytes())
    monkeypatch.chdir(brightness_model)
    with pytest.raises(InputError, match=r"network.onnx: not a network that ONNX Runtime can run"):
        load_predictor(replaced(brightness_model, network.SerializeToString()))


def test_no_samples(brightness_model: Path) -> None:
    predictor = load_predictor(brightness_model)
    assert predictor.score([]).shape == (0,)
    assert predictor.predict(np.zeros((0, 32, 32, 3), np.uint8), maps=True) == []
