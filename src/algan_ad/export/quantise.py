"""A network of 8-bit integers, made from one of float32, and its price.

The convolutions of its body compute in integers (static quantisation in ONNX's QDQ form, weights per channel). The head
stays in float32, because the score is its output: everything from the first matrix product on, which in a method with a
backbone comes right after it, or the last convolution where there is no matrix product.
"""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from algan_ad.evaluation.metrics import image_auroc
from algan_ad.export.check import units
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import ExportRefused, MissingExtra
from algan_ad.runtime.predictor import Scores
from algan_ad.runtime.quantisation import Quantisation

INTEGER = {"Conv", "Relu", "Clip"}  # a rectifier bounds what the integers after a convolution have to represent
PRODUCTS = {"MatMul", "Gemm"}


def quantise(network: bytes, samples: NDArray[Any]) -> bytes:
    """The same network with convolutions of 8-bit integers. Its properties are left out.

    Args:
        network: an ONNX graph of float32.
        samples: normal and altered images, uint8 (n, S, S, C), whose activations set the ranges. With normal ones
            alone, whatever is odd about an image would be clipped.

    Raises:
        ExportRefused: a network without a convolution before its head.
        MissingExtra: onnx is not installed.
    """
    try:
        import onnx
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    except ImportError as error:
        raise MissingExtra("an export needs pip install 'algan-ad[export]'") from error
    with TemporaryDirectory(prefix="algan-") as place:
        plain, small = Path(place) / "plain.onnx", Path(place) / "int8.onnx"
        plain.write_bytes(network)
        body = _body(onnx.load(plain).graph)
        if not body:
            raise ExportRefused("int8 makes convolutions faster, and this network has none before its head")
        level = logging.root.level
        logging.root.setLevel(logging.ERROR)  # hints for users of its command line
        try:
            quantize_static(
                plain, small, _Reader(samples), QuantFormat.QDQ, nodes_to_quantize=body,
                per_channel=True, weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
            )  # fmt: skip
        finally:
            logging.root.setLevel(level)
        return small.read_bytes()


def _body(graph: Any) -> list[str]:
    """The names of the nodes before the head that shall compute in integers, in order; none without a convolution."""
    after_product: set[str] = set()  # tensors
    body = []
    for node in graph.node:
        if node.op_type in PRODUCTS or after_product.intersection(node.input):
            after_product.update(node.output)
        elif node.op_type in INTEGER:
            body.append(node)
    convolutions = [i for i, node in enumerate(body) if node.op_type == "Conv"]
    if not after_product and convolutions:
        del body[convolutions.pop() :]
    return [node.name for node in body] if convolutions else []


class _Reader:
    """Samples, one after the other, as onnxruntime.quantization asks for them."""

    def __init__(self, samples: NDArray[Any]) -> None:
        self.batches = iter(samples[:, None])

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self.batches, None)
        return None if batch is None else {"samples": batch}


def price(before: tuple[Scores, Calibration], after: tuple[Scores, Calibration]) -> Quantisation:
    """Scores, float64 (2 n,), and calibration of the int8 network against those of the trained model.

    The samples are those of `check_samples`, where an altered image follows each good one.
    """
    (trained, old), (found, new) = before, after
    altered = np.arange(len(trained)) % 2
    return Quantisation(
        n=len(trained),
        spearman=float(spearmanr(trained, found).statistic),
        largest_shift=float((np.abs(found - trained) / units(trained, np.asarray(old.scores))).max()),
        flips=int((old.decide(trained) != new.decide(found)).sum()),
        auroc=image_auroc(altered, found),
        auroc_before=image_auroc(altered, trained),
    )
