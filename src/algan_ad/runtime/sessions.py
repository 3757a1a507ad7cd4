"""The scorer without torch: the network of a model folder in ONNX Runtime."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from algan_ad.runtime.errors import InputError, MissingExtra, Option
from algan_ad.runtime.model_folder import WEIGHTS, ModelConfig, verify_model
from algan_ad.runtime.predictor import Maps, Predictor, Rows, Scores
from algan_ad.runtime.progress import track

NETWORK = "network.onnx"
NETWORK_SCHEMA = 1
PREFIX = "algan_ad."  # of the properties that an export leaves in a network
MOST_BYTES = 2**31 - 1  # of a protobuf message, which an ONNX file is
BATCH = 16


class OnnxScorer:
    """A scorer that runs an ONNX graph. Several threads may use it at once.

    The graph's input is `samples`, uint8 (N, S, S, 3) or float32 (N, d); its outputs are `scores` (N,) and, where the
    method draws them, `maps` (N, S, S). All of it lies in one file: data outside of it is refused.
    Raises InputError for a file that is no such graph, MissingExtra without ONNX Runtime.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtra(f"{path}: scoring needs pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0  # 0: the physical cores
        options.log_severity_level = 4  # what ends the session is raised
        if (size := path.stat().st_size) > MOST_BYTES:
            raise InputError(f"{path}: {size} bytes, more than an ONNX file holds; export the model again")
        try:
            self.session = onnxruntime.InferenceSession(path.read_bytes(), options, ["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has an exception of its own for every status
            raise InputError(f"{path}: not a network that ONNX Runtime can run ({error})") from error
        self.outputs = [output.name for output in self.session.get_outputs()]
        if [each.name for each in self.session.get_inputs()] != ["samples"] or "scores" not in self.outputs:
            raise InputError(f"{path}: not a scoring network; expected the input 'samples' and the output 'scores'")

    @property
    def draws_maps(self) -> bool:
        """True when the graph gives maps, too."""
        return "maps" in self.outputs

    def score(self, samples: Rows) -> Scores:
        return _joined([found[0] for found in self._run(samples, ["scores"])])

    def score_and_maps(self, samples: Rows) -> tuple[Scores, Maps]:
        if not self.draws_maps:
            raise InputError("this model's network gives scores only: leave out the maps, or install algan-ad[train]")
        found = list(self._run(samples, ["scores", "maps"]))
        return _joined([scores for scores, _ in found]), [each for _, maps in found for each in maps]

    def check_origin(self, path: Path, config: ModelConfig) -> None:
        """Raises InputError unless this network was exported from the model of that configuration."""
        made = self.session.get_modelmeta().custom_metadata_map
        version = made.get(f"{PREFIX}schema_version")
        if version is None:
            raise InputError(f"{path}: not a network that algan-ad exported; export the model again")
        if version != str(NETWORK_SCHEMA):
            raise InputError(
                f"{path}: of schema {version}, and this algan-ad reads {NETWORK_SCHEMA}; export the model again"
            )
        if made.get(f"{PREFIX}weights_sha256") != config.files[WEIGHTS]:
            raise InputError(f"{path}: exported from other weights than {WEIGHTS}; export the model again")
        node = self.session.get_inputs()[0]
        found, expected = _described(node.type[len("tensor(") : -1], node.shape[1:]), _described(*_sample_of(config))
        if found != expected:
            raise InputError(f"{path}: takes {found}, and the model {expected}; export the model again")

    def _run(self, samples: Rows, outputs: list[str]) -> Iterator[list[Any]]:
        for start in track(range(0, len(samples), BATCH), "scores"):
            yield self.session.run(outputs, {"samples": np.array(samples[start : start + BATCH], order="C")})


def _joined(scores: list[Any]) -> Scores:
    return np.concatenate(scores).astype(np.float64) if scores else np.empty(0)


def _sample_of(config: ModelConfig) -> tuple[str, list[Any]]:
    """Type and shape of one sample, in the words of ONNX Runtime."""
    if config.preprocessing is None:
        return "float", [config.fingerprint["n_features"]]
    return "uint8", [config.preprocessing.size, config.preprocessing.size, 3]


def _described(kind: str, shape: list[Any]) -> str:
    return f"{kind} (n, {', '.join(map(str, shape))})"


def has_network(folder: Path) -> bool:
    """True when a model folder holds a network that scores without torch."""
    return (folder / NETWORK).is_file()


def load_predictor(folder: Path, threads: int | None = None) -> Predictor:
    """The model of a folder, run without torch. Raises InputError as `verify_model` does, and without its network."""
    config = verify_model(folder)
    if threads is not None and threads < 1:
        raise InputError(Option("threads", threads), ": expected 1 or more")
    if NETWORK not in config.files:
        raise InputError(f"{folder}: holds no {NETWORK}; install algan-ad[train] to score with its weights")
    scorer = OnnxScorer(folder / NETWORK, threads)
    scorer.check_origin(folder / NETWORK, config)
    return Predictor(scorer, config)
