"""A network in OpenVINO, which reads ONNX files by itself."""

import re
import threading
from pathlib import Path
from typing import Any

from algan_ad.runtime.errors import InputError, MissingExtra, Option
from algan_ad.runtime.running import IR, PREFIX, Running, read_network, refuse_provider

CPU = "CPU"
TYPES = {"u8": "uint8", "f32": "float32"}
#: The key of a place outside of the file, after its length; OpenVINO would look there, from the current folder on.
OUTSIDE = re.compile(rb"[\x08\x00]location")
EXTRA = "OpenVINO is not installed: pip install 'algan-ad[openvino]'"


class OpenVinoSession:
    """An ONNX file, all of whose data lie inside of it, or OpenVINO's own form of it, network.xml beside network.bin.

    It computes in float32, also where the processor has less precise numbers that are faster.

    Raises InputError for another file and for a device that is not there, MissingExtra without OpenVINO.
    """

    name = "OpenVINO"

    def __init__(self, path: Path, running: Running) -> None:
        core = _openvino().Core()
        device, known = running.provider or CPU, core.available_devices
        if device not in {*known, *(each.split(".")[0] for each in known)}:  # GPU stands for GPU.0
            refuse_provider(device, self.name, known)
        model = _read(core, path)
        try:
            self.compiled = core.compile_model(model, device, _settings(device, running))
        except RuntimeError as error:
            if running.provider is None:
                raise _unfit(path, error) from error
            raise InputError(Option("provider", device), f": cannot run {path} ({_reason(error)})") from error
        self.properties = _properties(model)
        self.inputs = [(each.any_name, _numpys(each), _shape(each)) for each in model.inputs]
        self.outputs = [each.any_name for each in model.outputs]
        self.requests = threading.local()

    def run(self, outputs: list[str], samples: Any) -> list[Any]:
        request = getattr(self.requests, "own", None)  # a request is for one thread at a time
        if request is None:
            request = self.requests.own = self.compiled.create_infer_request()
        found = request.infer([samples])
        return [found[name] for name in outputs]


def to_ir(network: Path) -> dict[str, bytes]:
    """The contents of network.xml and network.bin, by name, made from an ONNX file beside which they are written.

    Raises InputError and MissingExtra as `OpenVinoSession` does.
    """
    openvino = _openvino()
    structure, constants = (network.with_name(name) for name in IR)
    openvino.save_model(_read(openvino.Core(), network), structure, compress_to_fp16=False)
    return {path.name: path.read_bytes() for path in (structure, constants)}


def _openvino() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise MissingExtra(EXTRA) from error
    return openvino


def _read(core: Any, path: Path) -> Any:
    """From memory, where a path inside leads nowhere but to what OUTSIDE finds."""
    try:
        if path.name == IR[0]:
            return core.read_model(path.read_bytes(), path.with_name(IR[1]).read_bytes())
        content = read_network(path)
        if OUTSIDE.search(content):
            raise InputError(f"{path}: names data outside of the file; export the model again")
        return core.read_model(content)
    except RuntimeError as error:
        raise _unfit(path, error) from error


def _settings(device: str, running: Running) -> dict[str, Any]:
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    if device == CPU and running.threads is not None:
        settings["INFERENCE_NUM_THREADS"] = str(running.threads)
    return settings


def _properties(model: Any) -> dict[str, str]:
    """OpenVINO keeps those of an ONNX file, also in its own form."""
    if not model.has_rt_info("framework"):
        return {}
    known = model.get_rt_info("framework").value
    return {name: str(value) for name, value in known.items() if name.startswith(PREFIX)}


def _numpys(port: Any) -> str:
    kind: str = port.element_type.type_name
    return TYPES.get(kind, kind)


def _shape(port: Any) -> list[Any]:
    return [each.get_length() if each.is_static else "n" for each in port.partial_shape]


def _unfit(path: Path, error: RuntimeError) -> InputError:
    return InputError(f"{path}: not a network that OpenVINO can run ({_reason(error)})")


def _reason(error: RuntimeError) -> str:
    """OpenVINO heads its messages with places in its own code."""
    lines = [line for line in str(error).splitlines() if line and not line.startswith("Exception from")]
    return lines[0] if lines else "no reason given"
