"""Every method that exports: network, saved model and fitted detector give the same scores, maps and decisions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from tiny import DIM, SIDE, TINY

from algan_ad.data.recipe import Recipe
from algan_ad.detectors import CATALOG, METHODS
from algan_ad.detectors.algan_vector import AlganVector
from algan_ad.detectors.shared.contract import Detector, RunOptions, TrainingData
from algan_ad.export import graph
from algan_ad.export.graph import make_network
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import ExportRefused
from algan_ad.runtime.images import Preprocessing, load_many
from algan_ad.runtime.model_folder import ModelConfig
from algan_ad.runtime.predictor import Predictor
from algan_ad.workflows.export import network_files
from algan_ad.workflows.load import load_model
from algan_ad.workflows.model import Model
from algan_ad.workflows.plan import entries
from algan_ad.workflows.train import train

SHARED = Path(__file__).parents[3] / "shared"

#: More than one setting, of the methods whose graph depends on it.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "algan-vector": [{}, {"discriminator": "layers"}],
    "ganomaly-vector": [{}, {"backbone": "squeezenet1_1", "backbone_weights": "random", "image_size": SIDE}],
    "patchcore": [{}, {"coreset": 1.0, "reweight": 3}],  # a bank large enough for the pruned search
    "algan-patch": [{}, {"align": True}],
    "alocc": [{"epochs": 6}],  # after the two of the other suites all scores are nearly one
}
CASES = [(each.name, changes) for each in CATALOG if each.exports for changes in VARIANTS.get(each.name, [{}])]


def samples(detector: Detector, n: int, seed: int) -> NDArray[Any]:
    """Images uint8 (n, SIDE, SIDE, 3), or vectors float32 (n, DIM)."""
    rng = np.random.default_rng(seed)
    if getattr(detector.config, "align", None):
        return parts(n, rng)
    if detector.input == "image":
        return rng.integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)
    return rng.normal(size=(n, DIM)).astype(np.float32)


def parts(n: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Round parts that lie a little apart: in noise there is nothing to align by."""
    down, right = rng.uniform(-2, 2, (2, n, 1, 1)) + SIDE / 2
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    grey = 60 + 130 / (1 + np.exp(np.hypot(y - down, x - right) - SIDE / 4))
    return np.clip(grey[..., None] + rng.normal(0, 6, (n, SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


def model(name: str, changes: dict[str, Any]) -> Model:
    detector = METHODS[name](METHODS[name].Config(**{**TINY[name], **changes}), "cpu")
    detector.fit(TrainingData(samples(detector, 40, 0), held_out=samples(detector, 5, 1)), RunOptions(0, "cpu"))
    image = detector.input == "image"
    return Model(detector, ModelConfig(
        method=name, plan=entries(detector.config, {}), input=detector.input,
        preprocessing=detector.preprocessing(Recipe()), protocol="normal-only", selection="none",
        maps=None if not image else "own" if detector.draws_maps else "attribution",
        calibration=Calibration(scores=detector.score(samples(detector, 19, 2)), false_alarm_rate=0.1),
        fingerprint={"n_features": DIM}, seed=0, versions={}, training={},
    ))  # fmt: skip


@pytest.fixture(scope="module", params=CASES, ids=str)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    """A model of each method that exports, and the folder that it lies in with its network."""
    made, folder = model(*request.param), tmp_path_factory.mktemp("saved") / "m"
    made.save(folder, network_files(made, samples(made.detector, 9, 2)))
    return made, folder


def agree(network: Predictor, made: Model, x: NDArray[Any]) -> None:
    """The scores, maps and decisions of samples, alone and seven at a time.

    They may differ by 1e-4 of the spread of the scores, or by eight last places of float32.
    """
    scores, calibration = made.score(x), made.config.calibration
    assert calibration is not None
    bound = max(1e-4 * np.std(scores), 8 * np.finfo(np.float32).eps * np.abs(scores).max())
    for batch in (1, 7):
        found = np.concatenate([network.score(x[i : i + batch]) for i in range(0, len(x), batch)])
        assert np.abs(found - scores).max() <= bound
    clear = np.abs(scores - calibration.threshold) > bound
    np.testing.assert_array_equal(calibration.decide(network.score(x))[clear], calibration.decide(scores)[clear])
    if made.detector.draws_maps and made.detector.exports_maps:
        maps, expected = (np.stack(each.scorer.score_and_maps(x[:14])[1]) for each in (network, made))
        assert np.abs(maps - expected).max() <= 1e-4 * expected.std()


def test_saved_is_loaded_is_exported(saved: tuple[Model, Path], runtime: Any) -> None:
    made, folder = saved
    x = samples(made.detector, 14, 3)
    np.testing.assert_array_equal(load_model(folder, runtime="torch").score(x), made.score(x))
    agree(load_model(folder, runtime=runtime), made, x)


@pytest.fixture(scope="module")
def real_images() -> NDArray[np.uint8]:
    """200 photographs of objects, uint8 (200, SIDE, SIDE, 3)."""
    photographs = sorted((SHARED / "data/coil100").glob("*.webp"))
    if not photographs:
        pytest.skip("no real data beside the project")
    images = load_many(photographs[:: len(photographs) // 200][:200], Preprocessing(size=SIDE), strict=True).images
    return np.asarray(images[:200])


@pytest.mark.shared
def test_200_real_images(saved: tuple[Model, Path], runtime: Any, real_images: NDArray[np.uint8]) -> None:
    made, folder = saved
    if made.detector.input == "vector":
        pytest.skip("scores vectors")
    agree(load_model(folder, runtime=runtime), made, real_images)


@pytest.mark.parametrize(
    ("name", "framing"),
    [
        *(
            (name, {"fit": "letterbox", "roi": "0,0 0.6,0 0.6,1 0,1"})
            for name in METHODS
            if METHODS[name].by_position and not METHODS[name].not_exported
        ),
        ("padim", {"tiles": 2}),
        ("algan-image", {"tiles": 2}),
    ],
)
def test_pictures_with_margins_regions_and_tiles(name: str, framing: dict[str, Any], tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (60, 2 * SIDE, 3 * SIDE, 3), dtype=np.uint8)
    made = train(pictures[:50], name, tmp_path / "m", config=TINY[name], false_alarm_rate=0.1, **framing)
    network, scores = load_model(tmp_path / "m", runtime="onnx"), made.score(pictures[50:])
    found = [network.score(pictures[50:57]), *(network.score(each[None]) for each in pictures[57:])]
    np.testing.assert_allclose(np.concatenate(found), scores, atol=1e-4 * np.std(scores))


@pytest.mark.parametrize("name", [each.name for each in CATALOG if not each.exports])
def test_a_method_without_a_network_says_why(name: str) -> None:
    detector = METHODS[name](METHODS[name].Config(**TINY[name]), "cpu")
    with pytest.raises(ExportRefused, match=f"{name} has no network: .*(scikit-learn|gradient|rounding)"):
        make_network(detector, torch.zeros(1), ModelConfig.model_construct(), "")


@pytest.fixture(scope="module")
def vectors() -> Model:
    return model("algan-vector", {})


def network_of(made: Model) -> bytes:
    x = torch.from_numpy(samples(made.detector, 1, 3))
    return make_network(made.detector, x, made.config, "ab" * 32)


@pytest.mark.parametrize(("name", "wanted"), [("algan-image", True), ("ganomaly-vector", False)])
def test_a_rectifier_of_float32_is_one_operation(name: str, wanted: bool) -> None:
    """Which ONNX Runtime joins to the convolution before it; as three they took a third of the time."""
    nodes = onnx.load_from_string(network_of(model(name, {}))).graph.node
    assert ("LeakyRelu" in {node.op_type for node in nodes}) is wanted
    assert ("Where" in {node.op_type for node in nodes}) is not wanted


def test_algan_image_reduces_no_channels() -> None:
    """Runtimes reduce three channels slowly: at width 16 that took a tenth of the time of a score."""
    found = onnx.load_from_string(network_of(model("algan-image", {}))).graph
    assert not {node.op_type for node in found.node} & {"ReduceMax", "ReduceMean"}
    first = next(node for node in found.node if node.op_type == "Conv")
    assert next(each.dims[1] for each in found.initializer if each.name == first.input[1]) == 4


def test_a_network_knows_its_decisions(vectors: Model) -> None:
    known = {each.key: each.value for each in onnx.load_from_string(network_of(vectors)).metadata_props}
    calibration = vectors.config.calibration
    assert calibration is not None
    assert float(known["algan_ad.threshold"]) == calibration.threshold
    assert Calibration(**json.loads(known["algan_ad.calibration"])) == calibration
    assert json.loads(known["algan_ad.preprocessing"]) is None
    assert (known["algan_ad.method"], known["algan_ad.weights_sha256"]) == ("algan-vector", "ab" * 32)


def test_a_network_holds_no_path_of_the_machine(vectors: Model) -> None:
    content = network_of(vectors)
    assert b".py" not in content
    assert str(Path(graph.__file__).parents[2]).encode() not in content


def test_an_export_leaves_the_detector_as_it_is(vectors: Model) -> None:
    x = samples(vectors.detector, 5, 3)
    scores, module, state = vectors.score(x), vectors.detector.module, torch.get_rng_state()
    network_of(vectors)
    assert vectors.detector.module is module
    np.testing.assert_array_equal(vectors.score(x), scores)
    assert torch.equal(torch.get_rng_state(), state)


def test_one_too_large_for_a_file_is_refused(vectors: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "MOST_BYTES", 100)
    with pytest.raises(ExportRefused, match=r"its weights take .* GiB, and an ONNX file holds less than"):
        network_of(vectors)


def test_what_torch_cannot_export_is_refused(vectors: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    class Branch(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sum(1) if float(x.sum()) > 0 else -x.sum(1)

    monkeypatch.setattr(AlganVector, "scoring_module", lambda self: (Branch(), torch.device("cpu")))
    with pytest.raises(ExportRefused, match="torch cannot export algan-vector: GuardOnDataDependent"):
        network_of(vectors)
