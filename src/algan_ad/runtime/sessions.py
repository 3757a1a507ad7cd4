"""The scorer without torch: the network of a model folder in ONNX Runtime."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from algan_ad.runtime.errors import InputError, MissingExtra, Option
from algan_ad.runtime.model_folder import read_model
from algan_ad.runtime.predictor import Maps, Predictor, Rows, Scores
from algan_ad.runtime.progress import track

NETWORK = "network.onnx"
BATCH = 16


class OnnxScorer:
    """A scorer that runs an ONNX graph. Several threads may use it at once.

    The graph's input is `samples`, uint8 (N, S, S, 3) or float32 (N, d); its outputs are `scores` (N,) and, where the
    method draws them, `maps` (N, S, S).
    Raises InputError for a file that is no such graph, MissingExtra without ONNX Runtime.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtra(f"{path}: scoring needs pip install onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or 0  # 0: the physical cores
        try:
            self.session = onnxruntime.InferenceSession(path.read_bytes(), options, ["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has an exception of its own for every status
            raise InputError(f"{path}: not a network that ONNX Runtime can run ({error})") from error
        self.outputs = [output.name for output in self.session.get_outputs()]
        if [each.name for each in self.session.get_inputs()] != ["samples"] or "scores" not in self.outputs:
            raise InputError(f"{path}: not a scoring network; expected the input 'samples' and the output 'scores'")

    def score(self, samples: Rows) -> Scores:
        return _joined([found[0] for found in self._run(samples, ["scores"])])

    def score_and_maps(self, samples: Rows) -> tuple[Scores, Maps]:
        if "maps" not in self.outputs:
            raise InputError("this model's network gives scores only: leave out the maps, or install algan-ad[train]")
        found = list(self._run(samples, ["scores", "maps"]))
        return _joined([scores for scores, _ in found]), [each for _, maps in found for each in maps]

    def _run(self, samples: Rows, outputs: list[str]) -> Iterator[list[Any]]:
        for start in track(range(0, len(samples), BATCH), "scores"):
            yield self.session.run(outputs, {"samples": np.array(samples[start : start + BATCH], order="C")})


def _joined(scores: list[Any]) -> Scores:
    return np.concatenate(scores).astype(np.float64) if scores else np.empty(0)


def has_network(folder: Path) -> bool:
    """True when a model folder holds a network that scores without torch."""
    return (folder / NETWORK).is_file()


def load_predictor(folder: Path, threads: int | None = None) -> Predictor:
    """The model of a folder, run without torch. Raises InputError as `read_model` does, and without a network."""
    config, _ = read_model(folder)
    if threads is not None and threads < 1:
        raise InputError(Option("threads", threads), ": expected 1 or more")
    if NETWORK not in config.files:
        raise InputError(f"{folder}: holds no {NETWORK}; install algan-ad[train] to score with its weights")
    return Predictor(OnnxScorer(folder / NETWORK, threads), config)
