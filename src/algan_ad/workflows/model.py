"""A model that torch scores: its scorer, in the sense of `runtime/predictor.py`, is a fitted detector."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from algan_ad.detectors import METHODS
from algan_ad.detectors.shared.contract import Detector
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.model_folder import read_model, write_model
from algan_ad.runtime.predictor import Predictor
from algan_ad.training.device import DeviceName
from algan_ad.workflows.plan import values


@dataclass(frozen=True)
class Model(Predictor):
    """The model that `train` returns and `load_model` reads, with the fitted detector inside."""

    scorer: Detector

    @property
    def detector(self) -> Detector:
        """The fitted detector."""
        return self.scorer

    def save(self, folder: str | Path, extra_files: Mapping[str, bytes] | None = None, overwrite: bool = False) -> None:
        """Write the model folder. Raises InputError when it holds a model already, AlganError on a full disk."""
        write_model(Path(folder), self.config, self.detector.tensors(), extra_files or {}, overwrite)


def load_trained(folder: Path, device: DeviceName = "auto", threads: int | None = None) -> Model:
    """Read a model folder and check every file in it. Raises InputError for a folder that is damaged or too new."""
    config, tensors = read_model(folder)
    if config.method not in METHODS:
        raise InputError(f"{folder}: method {config.method!r} is not known here; known: {', '.join(METHODS)}")
    method = METHODS[config.method]
    try:
        detector = method(method.Config(**values(config.plan, method.Config)), device).load(tensors)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    detector.threads = threads
    return Model(detector, config)
