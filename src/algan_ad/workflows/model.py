"""The torch scorer: a fitted detector as `runtime/predictor.py` takes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from algan_ad.detectors import METHODS
from algan_ad.detectors.shared.contract import Detector
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.model_folder import ModelConfig, read_model, write_model
from algan_ad.runtime.predictor import Maps, Predictor, Rows, Scores
from algan_ad.training.device import DeviceName, using_threads
from algan_ad.workflows.plan import values


@dataclass(frozen=True)
class TorchScorer:
    """Scores by the detector's module; maps are the method's own, or an attribution of the score."""

    detector: Detector
    threads: int | None = None  # of one operation; None = the physical cores

    def score(self, samples: Rows) -> Scores:
        with using_threads(self.threads):
            return self.detector.score(samples)

    def score_and_maps(self, samples: Rows) -> tuple[Scores, Maps]:
        if not self.detector.draws_maps:
            return self.score(samples), self.maps(samples)
        with using_threads(self.threads):
            return self.detector.score_and_maps(samples)

    def maps(self, samples: Rows) -> Maps:
        """The maps alone."""
        if self.detector.draws_maps:
            return self.score_and_maps(samples)[1]
        from algan_ad.detectors.shared.attribution import attribution_maps  # captum and torchvision, seconds to import

        with using_threads(self.threads):
            return attribution_maps(self.detector, samples)


@dataclass(frozen=True)
class Model(Predictor):
    """The model that `train` returns and `load_model` reads: a predictor with the detector inside."""

    scorer: TorchScorer

    @property
    def detector(self) -> Detector:
        """The fitted detector."""
        return self.scorer.detector

    def save(self, folder: str | Path, extra_files: Mapping[str, bytes] | None = None, overwrite: bool = False) -> None:
        """Write the model folder. Raises InputError when it holds a model already, AlganError on a full disk."""
        write_model(Path(folder), self.config, self.detector.tensors(), extra_files or {}, overwrite)


def make_model(detector: Detector, config: ModelConfig) -> Model:
    """A model of a fitted detector."""
    return Model(TorchScorer(detector), config)


def load_trained(folder: Path, device: DeviceName = "auto", threads: int | None = None) -> Model:
    """Read a model folder and check every file in it. Raises InputError for one that is damaged or too new."""
    config, tensors = read_model(folder)
    if config.method not in METHODS:
        raise InputError(f"{folder}: method {config.method!r} is not known here; known: {', '.join(METHODS)}")
    method = METHODS[config.method]
    try:
        detector = method(method.Config(**values(config.plan, method.Config)), device).load(tensors)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    return Model(TorchScorer(detector, threads), config)
