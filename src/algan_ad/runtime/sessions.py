"""The scorer without torch: the network of a model folder in ONNX Runtime or OpenVINO."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from algan_ad.runtime.errors import InputError, MissingExtra
from algan_ad.runtime.model_folder import WEIGHTS, ModelConfig, verify_model
from algan_ad.runtime.predictor import Maps, Predictor, Rows, Scores
from algan_ad.runtime.progress import track
from algan_ad.runtime.running import IR, NETWORK, PREFIX, Running, Session

NETWORK_SCHEMA = 1
SCORES_ONLY = "the network of this model gives scores only; torch draws its maps: pip install 'algan-ad[train]'"


class NetworkScorer:
    """A scorer that runs a network. Several threads may use it at once; pickled, it is the path of its file.

    The input is `samples`, uint8 (N, S, S, C) or float32 (N, d); the outputs are `scores` (N,) and, where the
    method draws them, `maps` (N, S, S). All of an ONNX graph lies in one file: data outside of it is refused.
    Raises InputError for a file that is no such network and for a provider that is not there, MissingExtra without
    the runtime.
    """

    def __init__(self, path: Path, running: Running | None = None) -> None:
        self.path, self.running = path, running or Running()
        self.session = _opened(path, self.running)
        names = [name for name, _, _ in self.session.inputs]
        if names != ["samples"] or "scores" not in self.session.outputs:
            raise InputError(f"{path}: not a scoring network; expected the input 'samples' and the output 'scores'")
        _, kind, shape = self.session.inputs[0]
        self.takes = _described(kind, shape[1:])

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.path.resolve(), self.running, self.properties)

    @property
    def runtime(self) -> str:
        """The name of the runtime, for people."""
        return self.session.name

    @property
    def properties(self) -> dict[str, str]:
        """Those that the export left in the network."""
        return self.session.properties

    @property
    def draws_maps(self) -> bool:
        """True when the network gives maps, too."""
        return "maps" in self.session.outputs

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
            yield self.session.run(outputs, batch)


def _opened(path: Path, running: Running) -> Session:
    """The session of a file in the runtime that is asked for, which alone is imported."""
    if running.runtime == "openvino":
        from algan_ad.runtime.openvino_session import OpenVinoSession

        return OpenVinoSession(path, running)
    from algan_ad.runtime.onnx_session import OnnxSession

    return OnnxSession(path, running)


def _reopened(path: Path, running: Running, properties: dict[str, str]) -> NetworkScorer:
    """The scorer that was pickled. Raises InputError where another network has taken the place of its own."""
    scorer = NetworkScorer(path, running)
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
    """The model of a folder, run without torch. Raises as `open_network` does."""
    config, scorer = open_network(folder, running)
    return Predictor(scorer, config)


def open_network(folder: Path, running: Running | None = None) -> tuple[ModelConfig, NetworkScorer]:
    """The configuration of a model folder, and its network; OpenVINO takes its own form of it where there is one.

    Raises InputError as `verify_model` does, without a network, and for one of another model; MissingExtra without the
    runtime.
    """
    config = verify_model(folder)
    if NETWORK not in config.files:
        raise InputError(f"{folder}: holds no {NETWORK}; install algan-ad[train] to score with its weights")
    running = running or Running()
    name = IR[0] if running.runtime == "openvino" and IR[0] in config.files else NETWORK
    scorer = NetworkScorer(folder / name, running)
    scorer.check_origin(config)
    return config, scorer
