"""A network is run only if it is whole, this model's own, and all in one file."""

import copy
import pickle
import re
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from algan_ad import load_model
from algan_ad.runtime import running
from algan_ad.runtime.errors import InputError, MissingExtra
from algan_ad.runtime.model_folder import rewrite_config, verify_model
from algan_ad.runtime.predictor import Predictor
from algan_ad.runtime.running import Running
from algan_ad.runtime.sessions import NetworkScorer, load_predictor

Change = Callable[[onnx.ModelProto], None]
UNFIT = r"network.onnx: not a network that (ONNX Runtime|OpenVINO) can run"


def replaced(folder: Path, content: bytes) -> Path:
    """The model with another network, whose hash it knows."""
    rewrite_config(folder, verify_model(folder), {"network.onnx": content})
    return folder


def load(folder: Path, runtime: Any) -> Predictor:
    return load_predictor(folder, Running(runtime=runtime))


def test_a_network_that_is_none_is_refused(brightness_model: Path, brightness: onnx.ModelProto, runtime: str) -> None:
    whole = brightness.SerializeToString()
    for content in (b"", b"no network", whole[: len(whole) // 2], whole[:-3]):
        with pytest.raises(InputError, match=UNFIT):
            load(replaced(brightness_model, content), runtime)


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
        (_floats, r"takes float32 \(n, 32, 32, 3\), and the model uint8"),
    ],
)
def test_a_foreign_network_is_refused(
    brightness_model: Path, brightness: onnx.ModelProto, change: Change, said: str, runtime: str
) -> None:
    network = copy.deepcopy(brightness)
    change(network)
    with pytest.raises(InputError, match=f"network.onnx: {said}"):
        load(replaced(brightness_model, network.SerializeToString()), runtime)


def test_an_altered_network_is_refused(brightness_model: Path) -> None:
    with (brightness_model / "network.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(InputError, match=r"network.onnx: truncated or altered since it was saved"):
        load_predictor(brightness_model)


def test_an_oversized_network_is_not_read(
    brightness_model: Path, monkeypatch: pytest.MonkeyPatch, runtime: Any
) -> None:
    monkeypatch.setattr(running, "MOST_BYTES", 100)
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail("read"))
    with pytest.raises(InputError, match=r"network.onnx: \d+ bytes, more than an ONNX file holds"):
        NetworkScorer(brightness_model / "network.onnx", Running(runtime=runtime))


@pytest.mark.parametrize("place", ["data.bin", "../data.bin", "{folder}/data.bin"])
def test_data_outside_of_the_file_is_refused(
    brightness_model: Path, brightness: onnx.ModelProto, place: str, monkeypatch: pytest.MonkeyPatch, runtime: str
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
    with pytest.raises(InputError, match=f"{UNFIT}|names data outside of the file"):
        load(replaced(brightness_model, network.SerializeToString()), runtime)


def test_no_samples(brightness_model: Path, runtime: str) -> None:
    predictor = load(brightness_model, runtime)
    assert predictor.score([]).shape == (0,)
    assert predictor.predict(np.zeros((0, 32, 32, 3), np.uint8), maps=True) == []


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.zeros((2, 32, 32, 3)), r"float64 \(n, 32, 32, 3\)"),
        (np.zeros((2, 3, 32, 32), np.uint8), r"uint8 \(n, 3, 32, 32\)"),
        (np.zeros((2, 64, 64, 3), np.uint8), r"uint8 \(n, 64, 64, 3\)"),
        (np.zeros((32, 32, 3), np.uint8), r"uint8 \(n, 32, 3\)"),
    ],
)
def test_samples_of_another_kind_are_refused(brightness_model: Path, samples: Any, said: str, runtime: str) -> None:
    scorer = load(brightness_model, runtime).scorer
    for score in (scorer.score, scorer.score_and_maps):
        with pytest.raises(InputError, match=rf"^samples: {said}; this network takes uint8 \(n, 32, 32, 3\)$"):
            score(samples)


def test_a_provider_that_is_not_there(brightness_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"provider='Abacus': not in this ONNX Runtime, which has .*CPUExecution"):
        load_model(brightness_model, provider="Abacus")
    monkeypatch.setattr("onnxruntime.InferenceSession.get_providers", lambda session: ["CPUExecutionProvider"])
    with pytest.raises(InputError, match=r"provider='AzureExecutionProvider': does not start on this machine"):
        load_model(brightness_model, provider="AzureExecutionProvider")
    pytest.importorskip("openvino")
    with pytest.raises(InputError, match=r"provider='Abacus': not in this OpenVINO, which has CPU"):
        load_model(brightness_model, runtime="openvino", provider="Abacus")
    load_model(brightness_model, runtime="openvino", provider="CPU")


def test_a_runtime_that_is_not_installed(brightness_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match=r"^OpenVINO is not installed: pip install 'algan-ad\[openvino\]'$"):
        load_model(brightness_model, runtime="openvino")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match="scoring needs pip install onnxruntime"):
        load_model(brightness_model)


@pytest.mark.parametrize("wish", [{"threads": 0}, {"batch_size": 0}])
def test_numbers_below_one(brightness_model: Path, wish: dict[str, int]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wish))}: Input should be greater than or equal to 1"):
        load_model(brightness_model, **wish)  # type: ignore[arg-type]


@pytest.mark.parametrize("wish", [{"provider": "CPUExecutionProvider"}, {"batch_size": 2}])
def test_options_of_the_network_are_none_of_torch(brightness_model: Path, wish: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(wish))}: is for network.onnx, and torch scores here"):
        load_model(brightness_model, runtime="torch", **wish)


def test_batches_are_as_large_as_asked_for(
    brightness_model: Path, monkeypatch: pytest.MonkeyPatch, runtime: Any
) -> None:
    how, sizes = Running(runtime=runtime, batch_size=3, threads=1), []
    scorer = NetworkScorer(brightness_model / "network.onnx", how)
    run = scorer.session.run
    monkeypatch.setattr(
        scorer.session, "run", lambda outputs, given: (sizes.append(len(given)), run(outputs, given))[1]
    )
    scorer.score(np.zeros((7, 32, 32, 3), np.uint8))
    assert sizes == [3, 3, 1]


def test_a_pickled_model_is_the_path_of_its_network(
    brightness_model: Path, brightness: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch, runtime: Any
) -> None:
    x = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    monkeypatch.chdir(brightness_model.parent)
    model = load_model(brightness_model.name, runtime=runtime, threads=1)
    pickled = pickle.dumps(model)
    assert len(pickled) < len(brightness.SerializeToString()) + 5000
    monkeypatch.chdir("/")
    again = pickle.loads(pickled)
    assert again.config == model.config
    np.testing.assert_array_equal(again.score(x), model.score(x))
    network = copy.deepcopy(brightness)
    _property("weights_sha256", "0" * 64)(network)
    (brightness_model / "network.onnx").write_bytes(network.SerializeToString())
    with pytest.raises(InputError, match="another network than that which was pickled"):
        pickle.loads(pickled)


def test_threads_share_a_model(brightness_model: Path, runtime: Any) -> None:
    model, x = (
        load_model(brightness_model, runtime=runtime),
        np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), dtype=np.uint8),
    )
    expected = model.score(x)
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda i: model.score(x[i : i + 8]), range(57)))
    for i, found in enumerate(parts):
        np.testing.assert_array_equal(found, expected[i : i + 8])


def test_openvino_computes_in_float32_by_as_many_threads_as_asked_for(brightness_model: Path) -> None:
    pytest.importorskip("openvino")
    for threads in (1, 2):
        model = load_model(brightness_model, runtime="openvino", threads=threads)
        assert isinstance(model.scorer, NetworkScorer)
        session: Any = model.scorer.session
        assert session.compiled.get_property("INFERENCE_NUM_THREADS") == threads
        assert session.compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"


def with_ir(folder: Path) -> dict[str, bytes]:
    """The model with OpenVINO's own form of its network, whose contents are returned."""
    pytest.importorskip("openvino")
    from algan_ad.runtime.openvino_session import to_ir

    files = to_ir(folder / "network.onnx")
    rewrite_config(folder, verify_model(folder), files)
    return files


def test_openvino_takes_its_own_form_where_there_is_one(brightness_model: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    expected, maps = load(brightness_model, "onnx").scorer.score_and_maps(x)
    with_ir(brightness_model)
    rewrite_config(brightness_model, verify_model(brightness_model), {"network.onnx": b"not even read"})
    scorer = load(brightness_model, "openvino").scorer
    assert isinstance(scorer, NetworkScorer)
    assert (scorer.runtime, scorer.path.name) == ("OpenVINO", "network.xml")
    found = scorer.score_and_maps(x)
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)
    np.testing.assert_allclose(found[1], maps, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("network.xml", lambda content: b"", "not a network that OpenVINO can run"),
        ("network.xml", lambda content: content[: len(content) // 2], "not a network that OpenVINO can run"),
        ("network.bin", lambda content: content[:-1], "not a network that OpenVINO can run"),
        (
            "network.xml",
            lambda content: content.replace(b"algan_ad.", b"others."),
            "not a network that algan-ad",
        ),
        ("network.xml", lambda content: content.replace(b'"samples"', b'"pixels"'), "not a scoring network"),
        (
            "network.xml",
            lambda content: re.sub(rb"(sha256 value=.)\w", rb"\1x", content),
            "exported from other weights",
        ),
    ],
)
def test_a_damaged_or_foreign_form_is_refused(
    brightness_model: Path, name: str, change: Callable[[bytes], bytes], said: str
) -> None:
    content = change(with_ir(brightness_model)[name])
    rewrite_config(brightness_model, verify_model(brightness_model), {name: content})
    with pytest.raises(InputError, match=f"network.xml: {said}"):
        load(brightness_model, "openvino")
    load(brightness_model, "onnx")


def test_an_altered_form_is_refused(brightness_model: Path) -> None:
    with_ir(brightness_model)
    with (brightness_model / "network.bin").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(InputError, match=r"network.bin: truncated or altered since it was saved"):
        load(brightness_model, "openvino")
