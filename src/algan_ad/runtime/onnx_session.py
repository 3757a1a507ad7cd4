"""A network in ONNX Runtime."""

from pathlib import Path
from typing import Any

from algan_ad.runtime.errors import InputError, MissingExtra, Option
from algan_ad.runtime.running import Running, read_network, refuse_provider

CPU = "CPUExecutionProvider"


class OnnxSession:
    """An ONNX file, all of whose data lie inside of it, in ONNX Runtime.

    Raises InputError for another file and for a provider that is not there, MissingExtra without ONNX Runtime.
    """

    name = "ONNX Runtime"

    def __init__(self, path: Path, running: Running) -> None:
        self.session = _session(path, running)
        self.properties: dict[str, str] = self.session.get_modelmeta().custom_metadata_map
        self.inputs = [(each.name, _numpys(each.type), each.shape) for each in self.session.get_inputs()]
        self.outputs = [each.name for each in self.session.get_outputs()]

    def run(self, outputs: list[str], samples: Any) -> list[Any]:
        found: list[Any] = self.session.run(outputs, {self.inputs[0][0]: samples})
        return found


def _session(path: Path, running: Running) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(f"{path}: scoring needs pip install onnxruntime") from error
    provider, known = running.provider or CPU, onnxruntime.get_available_providers()
    if provider not in known:
        refuse_provider(provider, OnnxSession.name, known)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = running.threads or 0  # 0: the physical cores
    options.log_severity_level = 4  # what ends the session is raised
    content = read_network(path)
    try:  # from memory, where no path leads to data outside of the file
        session = onnxruntime.InferenceSession(content, options, [provider])
    except Exception as error:  # ONNX Runtime has an exception of its own for every status
        raise InputError(f"{path}: not a network that {OnnxSession.name} can run ({error})") from error
    if provider not in session.get_providers():  # it falls back on the CPU by itself
        raise InputError(Option("provider", provider), ": does not start on this machine; check its drivers")
    return session


def _numpys(kind: str) -> str:
    """tensor(float) -> float32."""
    kind = kind[len("tensor(") : -1]
    return {"float": "float32"}.get(kind, kind)
