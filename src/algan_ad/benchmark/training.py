"""The training of a job, which begins when the first run asks for it and gives the weights of every run."""

import time
from pathlib import Path

import torch

from algan_ad.benchmark.division import Samples, load_samples
from algan_ad.benchmark.job import Job
from algan_ad.benchmark.plan import RunSpec
from algan_ad.benchmark.plan_check import files_in
from algan_ad.benchmark.run_folder import training_folder
from algan_ad.benchmark.sources import Sources
from algan_ad.detectors import METHODS
from algan_ad.detectors.shared.contract import Detector, RunOptions
from algan_ad.detectors.shared.trained_by_epochs import TrainedDetector
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Read
from algan_ad.runtime.schema import Schema
from algan_ad.training.loop import Trained
from algan_ad.training.selection import Selection


class Training:
    """The one training of a job, with all selections that its runs need; the first `fitted_for(spec)` trains.

    Attributes:
        run: the loop's folder, with its metrics.
        seconds: time of the fit, including the loop's time in earlier sessions.
    """

    def __init__(self, job: Job, folder: Path, read: Read) -> None:
        """read: as in `load_many`."""
        self.job, self.run, self._read = job, training_folder(folder), read
        self.seconds = 0.0
        self._detector: Detector | None = None
        self._trained: dict[Selection | None, Trained] = {}
        self._failure: Exception | None = None

    def fitted_for(self, spec: RunSpec) -> tuple[Detector, Samples, Trained]:
        """The detector with the weights of a run, its samples, and the training. Raises the error of the training."""
        detector = self._detector or _make(spec, self.job)
        samples = load_samples(spec, self.job.sources.find(spec.dataset, spec.category), detector, self._read)
        if self._failure is not None:
            raise self._failure
        if self._detector is None:
            try:
                self._fit(spec, detector, samples)
            except Exception as error:
                self._failure = error
                raise
        trained = self._trained[_selection(spec, detector)]
        if len(self._trained) > 1:
            assert isinstance(detector, TrainedDetector)
            detector.switch(trained)
        return detector, samples, trained

    def _fit(self, first: RunSpec, detector: Detector, samples: Samples) -> None:
        """Train on the samples of the first run that has any; the runs before it have failed."""
        served = self.job.specs[self.job.specs.index(first) :]
        wanted = tuple(dict.fromkeys(_selection(spec, detector) for spec in served))
        several = tuple(each for each in wanted if each) if len(wanted) > 1 else ()
        start = time.monotonic()
        trained = detector.fit(samples.data, RunOptions(first.seed, self.job.device, self.run, selections=several))
        if detector.device.type == "cuda":
            torch.cuda.synchronize()
        self.seconds = trained.earlier_seconds + time.monotonic() - start
        self._trained = dict(zip(wanted, (trained, *trained.others), strict=True))
        self._detector = detector


def _make(spec: RunSpec, job: Job) -> Detector:
    config = METHODS[spec.method].Config(**spec.settings)
    return METHODS[spec.method](type(config)(**{**spec.settings, **found_files(config, job.sources)}), job.device)


def _selection(spec: RunSpec, detector: Detector) -> Selection | None:
    """The rule by which a run keeps weights; None for a method that is fitted once."""
    if not isinstance(detector, TrainedDetector):
        return None
    chosen: Selection | None = spec.settings.get("selection")
    return chosen or ("validation" if spec.protocol == "thesis" else detector.default_selection)


def found_files(config: Schema, sources: Sources) -> dict[str, str]:
    """Settings that name a file, with its place. Raises InputError if it is not there."""
    found = {name: sources.find_file(path) for name, path in files_in(config)}
    for name, path in files_in(config):
        if found[name] is None:
            raise InputError(f"{name}: {path}: no such file here, in the folder of data sets or beside it")
    return {name: str(path) for name, path in found.items()}
