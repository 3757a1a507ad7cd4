"""A network that scores otherwise than its model did is found out, on any machine."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save

from algan_ad.runtime.errors import AlganError, InputError
from algan_ad.runtime.model_folder import rewrite_config, verify_model
from algan_ad.runtime.running import Running
from algan_ad.runtime.self_test import MOST_BYTES, Agreement, Reference, compare, read_reference, self_test


def with_file(folder: Path, name: str, content: bytes) -> Path:
    rewrite_config(folder, verify_model(folder), {name: content})
    return folder


def test_the_network_of_the_model_passes(brightness_model: Path, runtime: Any) -> None:
    found = self_test(brightness_model, Running(runtime=runtime))
    assert found == Agreement(3, 0.0, 0.01, 0)
    assert "of 3 samples, alone and together, the scores differ by up to 0" in found.explain()


def test_a_network_that_scores_otherwise_fails(
    brightness_model: Path, brightness: onnx.ModelProto, runtime: Any
) -> None:
    """A valid network, which adds one. The sample at the threshold counts as decided either way."""
    network = copy.deepcopy(brightness)
    slope = onnx.helper.make_node("Add", ["x", "one"], ["y"])
    network.graph.initializer.append(onnx.helper.make_tensor("one", onnx.TensorProto.FLOAT, [], [1.0]))
    network.graph.node.insert(1, slope)
    network.graph.node[2].input[0] = "y"
    with pytest.raises(AlganError, match=r"self-test failed: .* differ by up to 1 \(allowed: 0.01\), 0 decisions") as e:
        self_test(with_file(brightness_model, "network.onnx", network.SerializeToString()), Running(runtime=runtime))
    assert not isinstance(e.value, InputError)


class Fixed:
    """A scorer that adds a number to the mean of each vector, or another one to vectors in company."""

    def __init__(self, alone: float, together: float) -> None:
        self.alone, self.together = alone, together

    def score(self, samples: Any) -> NDArray[np.float64]:
        return np.asarray(samples).mean(1, dtype=np.float64) + (self.alone if len(samples) == 1 else self.together)

    def score_and_maps(self, samples: Any) -> Any:
        raise NotImplementedError


def reference() -> Reference:
    return Reference(np.array([[1.0], [2.0], [3.0]], np.float32), np.array([1.0, 2.0, 3.0]), np.full(3, 0.1))


@pytest.mark.parametrize(
    ("alone", "together", "threshold", "largest", "flips"),
    [
        (0, 0, 2.0, 0, 0),
        (0.05, 0, 2.0, 0.05, 0),  # 2.05 is decided otherwise than 2, but 2 lies at the threshold
        (0.5, 0, 2.3, 0.5, 1),
        (0, 0.5, 2.3, 0.5, 1),
        (0, -1.5, 1.8, 1.5, 2),
        (0.5, 0, None, 0.5, 0),
    ],
)
def test_differences_and_decisions(alone: float, together: float, threshold: Any, largest: float, flips: int) -> None:
    found = compare(Fixed(alone, together), reference(), threshold)
    assert found.largest == pytest.approx(largest)
    assert (found.flips, found.holds) == (flips, largest <= 0.1)


def test_a_score_that_is_no_number_never_holds() -> None:
    assert not compare(Fixed(float("nan"), 0), reference(), 2.0).holds


def _without(name: str) -> bytes:
    r = reference()
    tensors = {"samples": r.samples, "scores": r.scores, "tolerances": r.tolerances}
    return save({key: tensor for key, tensor in tensors.items() if key != name})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda: b"", "not the samples of a self-test"),
        (lambda: _without("scores"), "not the samples of a self-test"),
        (lambda: _without("tolerances"), "not the samples of a self-test"),
        (lambda: Reference(np.zeros((2, 3)), np.zeros(3), np.ones(3)).to_bytes(), "2 samples and scores of shape"),
        (lambda: save({"samples": np.zeros((0, 3)), "scores": np.zeros(0), "tolerances": np.zeros(0)}), "0 samples"),
    ],
)
def test_samples_that_are_none(brightness_model: Path, content: Callable[[], bytes], said: str) -> None:
    folder = with_file(brightness_model, "self-test.safetensors", content())
    with pytest.raises(InputError, match=f"self-test.safetensors: {said}"):
        self_test(folder)


def test_a_model_without_samples(brightness_model: Path) -> None:
    with pytest.raises(InputError, match=r"holds no self-test.safetensors; export the model again"):
        read_reference(brightness_model, {})


@pytest.mark.parametrize(("most", "kept"), [(1, [1]), (2, [1, 3]), (3, [1, 2, 3]), (9, [1, 2, 3])])
def test_samples_are_spread_over_all(most: int, kept: list[float]) -> None:
    found = reference().spread(most)
    assert found.samples.tolist() == [[each] for each in kept]
    assert (found.scores.tolist(), found.tolerances.tolist()) == (kept, [0.1] * len(kept))


def test_samples_that_travel_are_few() -> None:
    for side, n in ((64, 341), (1024, 2)):
        images = np.zeros((400 if side == 64 else 4, side, side, 3), np.uint8)
        content = Reference(images, np.zeros(len(images)), np.ones(len(images))).to_bytes()
        assert len(content) < max(MOST_BYTES, 2 * images[0].nbytes) + 10_000
        assert len(content) > n * images[0].nbytes


def test_a_far_sample_may_differ_by_more() -> None:
    """What is reported is the sample that differs most, measured by its own tolerance."""
    far = Reference(np.array([[1.0], [200.0]], np.float32), np.array([1.0, 200.0]), np.array([0.1, 10.0]))
    assert compare(Fixed(0.05, 0.05), far, None) == Agreement(2, pytest.approx(0.05), 0.1, 0)
    assert compare(Fixed(5, 5), far, None) == Agreement(2, 5.0, 0.1, 0)
    assert not compare(Fixed(5, 5), far, None).holds
