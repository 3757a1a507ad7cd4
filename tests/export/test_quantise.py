"""The body of a network computes in integers, its head does not, and the price of that is what it is."""

from collections import Counter
from typing import Any

import numpy as np
import onnx
import pytest
from test_graph import model, network_of, samples

from algan_ad.export.check import check_samples
from algan_ad.export.quantise import price, quantise
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import ExportRefused


def integers(network: bytes) -> list[bool]:
    """Of each convolution, in order: it computes in integers."""
    graph = onnx.load_from_string(network).graph
    makers = {output: node for node in graph.node for output in node.output}
    return [
        all(name in makers and makers[name].op_type == "DequantizeLinear" for name in node.input[:2])
        for node in graph.node
        if node.op_type == "Conv"
    ]


@pytest.mark.parametrize(
    ("name", "in_the_head"),
    [("algan-image", 1), ("algan-feature", 0), ("algan-patch", 2)],  # the last smooths its maps
)
def test_the_head_stays_in_float32(name: str, in_the_head: int) -> None:
    made = model(name, {})
    network = network_of(made)
    small = quantise(network, check_samples(samples(made.detector, 4, 5)))
    found = integers(small)
    assert found == [i < len(found) - in_the_head for i in range(len(found))]
    assert sum(found) >= 3
    before, after = (Counter(n.op_type for n in onnx.load_from_string(each).graph.node) for each in (network, small))
    for kind in ("Conv", "MatMul", "Gemm"):
        assert before[kind] == after[kind]
    assert len(small) < len(network)


def test_weights_have_a_scale_for_each_channel() -> None:
    made = model("algan-image", {})
    graph = onnx.load_from_string(quantise(network_of(made), check_samples(samples(made.detector, 4, 5)))).graph
    tensors = {each.name: each for each in graph.initializer}
    scales = [
        (tensors[node.input[0]].dims[0], list(tensors[node.input[1]].dims))
        for node in graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in tensors and len(tensors[node.input[0]].dims) == 4
    ]
    assert scales
    assert all(dims == [channels] for channels, dims in scales)


def test_a_network_without_convolutions_is_refused() -> None:
    made = model("algan-vector", {})
    with pytest.raises(ExportRefused, match="int8 makes convolutions faster, and this network has none"):
        quantise(network_of(made), samples(made.detector, 4, 5))


GOOD = np.arange(20.0)
PAIRS = np.stack([GOOD, GOOD + 15], 1).ravel()  # each good image, then its altered copy
OLD = Calibration(scores=GOOD, false_alarm_rate=0.1)


@pytest.mark.parametrize(
    ("after", "spearman", "shift", "flips"),
    [
        (PAIRS, 1, 0, 0),
        (PAIRS + 1, 1, 1 / GOOD.std(), 0),  # the threshold moves along
        (-PAIRS, -1, None, None),
    ],
)
def test_the_price(after: Any, spearman: float, shift: float | None, flips: int | None) -> None:
    found = price((PAIRS, OLD), (after, Calibration(scores=after[::2], false_alarm_rate=0.1)))
    assert found.n == 40
    assert found.spearman == pytest.approx(spearman)
    assert shift is None or found.largest_shift == pytest.approx(shift)
    assert flips is None or found.flips == flips
    assert found.auroc_before > 0.9
    assert found.auroc == pytest.approx(found.auroc_before if spearman > 0 else 1 - found.auroc_before)
    excesses = " ".join(found.excesses())
    assert ("correlation" in excesses) == ("AUROC" in excesses) == (spearman < 0)


def test_a_shift_far_from_normal_counts_by_its_distance() -> None:
    far = PAIRS + 1000 * (np.arange(40) == 39)
    found = price((far, OLD), (far + 10.0 * (np.arange(40) == 39), OLD))
    assert found.largest_shift < 0.01
