"""The scorer without torch: the network of a model folder in ONNX Runtime."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from algan_ad.runtime.errors import InputError, MissingExtra, Option
from algan_ad.runtime.model_folder import WEIGHTS, ModelConfig, verify_model
from algan_ad.runtime.predictor import Maps, Predictor, Rows, Scores
from algan_ad.runtime.progress import track
from algan_ad.runtime.schema import Schema

NETWORK = "network.onnx"
NETWORK_SCHEMA = 1
PREFIX = "algan_ad."  # of the properties that an export leaves in a network
MOST_BYTES = 2**31 - 1  # of a protobuf message, which an ONNX file is
CPU = "CPUExecutionProvider"
SCORES_ONLY = "the network of this model gives scores only; torch draws its maps: pip install 'algan-ad[train]'"


class Running(Schema):
    """The way a network is run. Each default suits a production machine without an accelerator."""

    threads: int | None = Field(None, ge=1, description="threads of one operation; None = the physical cores")
    provider: str = Field(CPU, description="execution provider of ONNX Runtime")
    batch_size: int = Field(16, ge=1, description="samples that are scored at once")


class OnnxScorer:
    """A scorer that runs an ONNX graph. Several threads may use it at once; pickled, it is the path of its file.

    The graph's input is `samples`, uint8 (N, S, S, C) or float32 (N, d); its outputs are `scores` (N,) and, where the
    method draws them, `maps` (N, S, S). All of it lies in one file: data outside of it is refused.
    Raises InputError for a file that is no such graph and for a provider that is not there, MissingExtra without
    ONNX Runtime.
    """

    def __init__(self, path: Path, running: Running | None = None) -> None:
        self.path, self.running = path, running or Running()
        self.session = _session(path, self.running)
        self.properties: dict[str, str] = self.session.get_modelmeta().custom_metadata_map
        self.outputs = [output.name for output in self.session.get_outputs()]
        inputs = self.session.get_inputs()
        if [each.name for each in inputs] != ["samples"] or "scores" not in self.outputs:
            raise InputError(f"{path}: not a scoring network; expected the input 'samples' and the output 'scores'")
        kind = inputs[0].type[len("tensor(") : -1]
        self.takes = _described({"float": "float32"}.get(kind, kind), inputs[0].shape[1:])

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.path.resolve(), self.running, self.properties)

    @property
    def draws_maps(self) -> bool:
        """True when the graph gives maps, too."""
        return "maps" in self.outputs

    def score(self, samples: Rows) -> Scores:
        return _joined([found[0] for found in self._run(samples, ["scores"])])

    def score_and_maps(self, samples: Rows) -> tuple[Scores, Maps]:
        if not self.draws_maps:
            raise MissingExtra(SCORES_ONLY)
        found = list(self._run(samples, ["scores", "maps"]))
        return _joined([scores for scores, _ in found]), [each for _, maps in found for each in maps]

    def check_origin(self, config: ModelConfig) -> None:
        """Raises InputError unless this network was exported from the model of that configuration."""
        version = self.properties.get(f"{PREFIX}schema_version")
        if version is None:
            raise InputError(f"{self.path}: not a network that algan-ad exported; export the model again")
        if version != str(NETWORK_SCHEMA):
            raise InputError(
                f"{self.path}: of schema {version}, and this algan-ad reads {NETWORK_SCHEMA}; export the model again"
            )
        if self.properties.get(f"{PREFIX}weights_sha256") != config.files[WEIGHTS]:
            raise InputError(f"{self.path}: exported from other weights than {WEIGHTS}; export the model again")
        if self.takes != (expected := _sample_of(config)):
            raise InputError(f"{self.path}: takes {self.takes}, and the model {expected}; export the model again")

    def _run(self, samples: Rows, outputs: list[str]) -> Iterator[list[Any]]:
        size = self.running.batch_size
        for start in track(range(0, len(samples), size), "scores"):
            batch = np.array(samples[start : start + size], order="C")
            if (found := _described(batch.dtype.name, batch.shape[1:])) != self.takes:
                raise InputError(f"samples: {found}; this network takes {self.takes}")
            yield self.session.run(outputs, {"samples": batch})


def _session(path: Path, running: Running) -> Any:
    """The session of a file. Raises as `OnnxScorer` does."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(f"{path}: scoring needs pip install onnxruntime") from error
    known = onnxruntime.get_available_providers()
    if running.provider not in known:
        wish = Option("provider", running.provider)
        raise InputError(wish, f": not in this ONNX Runtime, which has {', '.join(known)}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = running.threads or 0  # 0: the physical cores
    options.log_severity_level = 4  # what ends the session is raised
    if (size := path.stat().st_size) > MOST_BYTES:
        raise InputError(f"{path}: {size} bytes, more than an ONNX file holds; export the model again")
    try:  # from memory, where no path leads to data outside of the file
        session = onnxruntime.InferenceSession(path.read_bytes(), options, [running.provider])
    except Exception as error:  # ONNX Runtime has an exception of its own for every status
        raise InputError(f"{path}: not a network that ONNX Runtime can run ({error})") from error
    if running.provider not in session.get_providers():  # it falls back on the CPU by itself
        raise InputError(Option("provider", running.provider), ": does not start on this machine; check its drivers")
    return session


def _reopened(path: Path, running: Running, properties: dict[str, str]) -> OnnxScorer:
    """The scorer that was pickled. Raises InputError where another network has taken the place of its own."""
    scorer = OnnxScorer(path, running)
    if scorer.properties != properties:
        raise InputError(f"{path}: another network than that which was pickled; load the model again")
    return scorer


def _joined(scores: list[Any]) -> Scores:
    return np.concatenate(scores).astype(np.float64) if scores else np.empty(0)


def _sample_of(config: ModelConfig) -> str:
    """Type and shape of a model's samples, as `_described`."""
    if config.preprocessing is None:
        return _described("float32", [config.fingerprint["n_features"]])
    height, width, channels = config.preprocessing.shape
    side = config.preprocessing.size
    return _described("uint8", [side, side, channels] if config.preprocessing.tiled else [height, width, channels])


def _described(kind: str, shape: Sequence[Any]) -> str:
    return f"{kind} (n, {', '.join(map(str, shape))})"


def has_network(folder: Path) -> bool:
    """True when a model folder holds a network that scores without torch."""
    return (folder / NETWORK).is_file()


def load_predictor(folder: Path, running: Running | None = None) -> Predictor:
    """The model of a folder, run without torch. Raises InputError as `verify_model` does, and without its network."""
    config = verify_model(folder)
    if NETWORK not in config.files:
        raise InputError(f"{folder}: holds no {NETWORK}; install algan-ad[train] to score with its weights")
    scorer = OnnxScorer(folder / NETWORK, running)
    scorer.check_origin(config)
    return Predictor(scorer, config)
