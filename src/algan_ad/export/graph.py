"""A fitted detector as one ONNX graph, from the samples to the scores, with everything in between inside."""

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from algan_ad.detectors.shared.contract import Detector
from algan_ad.runtime.errors import ExportRefused, MissingExtra
from algan_ad.runtime.model_folder import ModelConfig
from algan_ad.runtime.running import MOST_BYTES, PREFIX
from algan_ad.runtime.sessions import NETWORK_SCHEMA

OPSET = 20
#: Keys of the configuration that a network carries as properties.
COPIED = ("input", "preprocessing", "columns", "calibration", "quantisation", "versions")
TRACED = 2  # samples; torch would take a batch of one for a constant


class Graph(nn.Module):
    """Samples, uint8 (N, S, S, C) or float32 (N, d) -> scores float32 (N,) and, of some methods, maps (N, S, S)."""

    def __init__(self, module: nn.Module, maps: bool) -> None:
        super().__init__()
        self.module: Any = module
        self.outputs = ("scores", "maps") if maps else ("scores",)

    def forward(self, samples: Tensor) -> tuple[Tensor, ...]:
        found = self.module.forward_with_maps(samples) if "maps" in self.outputs else (self.module(samples),)
        return tuple(each.float() for each in found)


class PlainLeakyReLU(nn.Module):
    """nn.LeakyReLU in operations that ONNX Runtime has in float64; in float32 its own is much faster."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, self.slope * x)


def make_network(detector: Detector, sample: Tensor, config: ModelConfig, weights_sha256: str) -> bytes:
    """The content of network.onnx.

    Args:
        sample: one sample, uint8 (1, S, S, C) or float32 (1, d), for its shape.
        config: of the model; its threshold, calibration and preprocessing go along.
        weights_sha256: of the model's weights.safetensors.

    Raises:
        ExportRefused: a method without a network, one too large for a file, or one that torch cannot export.
        MissingExtra: onnx and onnxscript are not installed.
    """
    if detector.not_exported:
        raise ExportRefused(f"{detector.name} has no network: {detector.not_exported}")
    graph = _graph(detector)
    try:
        import onnx  # noqa: F401 (torch needs both)
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtra("an export needs pip install 'algan-ad[export]'") from error
    with _quiet(), torch.no_grad():
        try:
            program: Any = torch.onnx.export(
                graph, (sample.repeat_interleave(TRACED, 0),), dynamo=True, verbose=False, opset_version=OPSET,
                input_names=["samples"], output_names=graph.outputs, dynamic_shapes={"samples": {0: "n"}},
            )  # fmt: skip
        except Exception as error:  # torch wraps whatever stopped it
            raise ExportRefused(f"torch cannot export {detector.name}: {_reason(error)}") from error
    network = program.model_proto
    _strip(network.graph)
    return _with_properties(network, config, weights_sha256)


def with_properties(content: bytes, config: ModelConfig, weights_sha256: str) -> bytes:
    """A network with the properties of another configuration, such as a threshold that was computed with it."""
    import onnx

    return _with_properties(onnx.load_from_string(content), config, weights_sha256)


def _with_properties(network: Any, config: ModelConfig, weights_sha256: str) -> bytes:
    from onnx.helper import set_model_props

    set_model_props(network, _properties(config, weights_sha256))
    content: bytes = network.SerializeToString()
    return content


def _graph(detector: Detector) -> Graph:
    """A copy of the module to export, on the CPU. Raises ExportRefused where it is too large."""
    module = detector.exported_module()
    size = sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())
    if size > MOST_BYTES:
        raise ExportRefused(
            f"its weights take {size / 2**30:.1f} GiB, and an ONNX file holds less than {MOST_BYTES / 2**30:.0f} GiB"
        )
    maps = detector.draws_maps and detector.exports_maps
    graph = Graph(copy.deepcopy(module).cpu(), maps).eval()
    if any(each.dtype == torch.float64 for each in graph.parameters()):
        _replace_leaky_relus(graph)
    return graph


def _replace_leaky_relus(graph: Graph) -> None:
    for parent in list(graph.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.LeakyReLU):
                setattr(parent, name, PlainLeakyReLU(child.negative_slope))


def _properties(config: ModelConfig, weights_sha256: str) -> dict[str, str]:
    """Everything that a program needs for decisions beside the network, as text."""
    values = config.model_dump(mode="json")
    found = {
        "schema_version": str(NETWORK_SCHEMA),
        "method": config.method,
        "weights_sha256": weights_sha256,
        **{name: json.dumps(values[name]) for name in COPIED},
    }
    if config.calibration is not None:
        found["threshold"] = repr(config.calibration.threshold)
    return {f"{PREFIX}{name}": text for name, text in found.items()}


def _strip(graph: Any) -> None:
    """Remove the exporter's notes, which hold paths of the machine that exported."""
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _strip(attribute.g)


def _reason(error: BaseException) -> str:
    """The first line of the innermost cause."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep remarks of the exporter on its own insides away from users."""
    loggers = [logging.getLogger(name) for name in ("onnx_ir", "onnxscript")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
