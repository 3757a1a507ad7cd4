"""Execution of the runs of a job, from their specifications to their lines of results."""

import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from algan_ad.benchmark.division import Samples
from algan_ad.benchmark.job import Job, Output
from algan_ad.benchmark.machine import machine, peak_mb, reset_peak
from algan_ad.benchmark.plan import RunSpec
from algan_ad.benchmark.results import Result
from algan_ad.benchmark.run_folder import run_folder
from algan_ad.benchmark.shared_images import reading
from algan_ad.benchmark.sources import NO_DATA
from algan_ad.benchmark.training import Training, found_files
from algan_ad.detectors import METHODS
from algan_ad.detectors.shared.contract import Detector
from algan_ad.evaluation.figures import FIGURES
from algan_ad.evaluation.results import Evaluation, evaluate_scores
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.clock import now
from algan_ad.runtime.drawings import sheet
from algan_ad.runtime.errors import AlganError
from algan_ad.runtime.predictor import Scores
from algan_ad.training.device import pick_device, using_threads
from algan_ad.training.loop import RunFolder, Trained
from algan_ad.workflows.maps import judged_masks, score_and_judge
from algan_ad.workflows.train import versions

#: Wanted rate of every threshold, to compare with the realised rate of a result.
FALSE_ALARM_RATE = 0.05

Values = dict[str, Any]
T = TypeVar("T")


def run_job(job: Job) -> list[Output]:
    """Carry out the runs of a job. An error in one of them becomes a result that reports it."""
    started = now()
    with run_folder(job) as folder, using_threads(job.threads), reading(job) as read:
        reset_peak()
        training = Training(job, folder, read)
        return [_run(job, spec, training, folder / spec.key, started) for spec in job.specs]


def _run(job: Job, spec: RunSpec, training: Training, folder: Path, started: str) -> Output:
    """Carry out one run. Files to keep go to `folder`."""
    folder.mkdir(exist_ok=True)
    try:
        found = _page(job, spec, folder) if job.page else _evaluated(job, spec, training, folder)
        return Output(_result(job, spec, started, {"status": "done", **found}), _files(folder))
    except Exception as error:  # a run that fails must not take the others with it
        return Output(_result(job, spec, started, {"status": "failed", "error": _in_words(error)}))


def failures(job: Job, error: str) -> list[Output]:
    """Results of runs that were lost with their worker; their machine is not known."""
    common: Values = {"versions": versions(), "git": job.git, "started": now()}
    return [
        Output(Result(key=spec.key, spec=spec, status="failed", error=_printable(error), **common))
        for spec in job.specs
    ]


def _page(job: Job, spec: RunSpec, folder: Path) -> Values:
    from algan_ad.benchmark.pages import PAGES

    assert job.page is not None
    path = None if spec.dataset == NO_DATA else job.sources.find(spec.dataset, spec.category)
    settings = spec.settings
    if spec.method in METHODS:
        settings = {**settings, **found_files(METHODS[spec.method].Config(**settings), job.sources)}
    spec = spec.model_copy(update={"settings": settings})
    found = PAGES[job.page].run(spec, path, folder, job.device, job.threads)
    return {"peak_mb": peak_mb(pick_device(job.device)), **found}


def _evaluated(job: Job, spec: RunSpec, training: Training, folder: Path) -> Values:
    detector, samples, trained = training.fitted_for(spec)
    scores, score_seconds = _timed(detector, lambda: detector.score(samples.test))
    peak = peak_mb(detector.device)  # before the maps and their figures
    evaluation = _evaluate(spec, detector, samples, scores, trained)
    _keep(job, folder, training.run, detector, samples, scores)
    return {
        "figures": {figure.key: getattr(evaluation, figure.key) for figure in FIGURES},
        "intervals": evaluation.intervals,
        "n_train": len(samples.data.train),
        "n_normal": evaluation.n_normal,
        "n_anomalous": evaluation.n_anomalous,
        "notes": samples.notes,
        "train_seconds": training.seconds,
        "score_ms_per_image": 1000 * score_seconds / len(scores),
        "peak_mb": peak,
        "n_parameters": _n_parameters(detector.module),
        "selection": trained.selection,
    }


def _timed(detector: Detector, work: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    done = work()
    if detector.device.type == "cuda":
        torch.cuda.synchronize()
    return done, time.perf_counter() - start


def _evaluate(spec: RunSpec, detector: Detector, samples: Samples, scores: Scores, trained: Trained) -> Evaluation:
    calibration = None
    if samples.calibration is not None:
        held_out = detector.score(samples.calibration)
        calibration = Calibration(scores=held_out, false_alarm_rate=FALSE_ALARM_RATE, also_selected=trained.by_labels)
    names = [item.defect for item in samples.items] or ["anomalous" if label else "good" for label in samples.labels]
    masks = judged_masks(detector.draws_maps, samples.items, samples.preprocessing)
    # This scores a second time, because the time of scoring is that of scores alone.
    pixels = score_and_judge(detector, samples.test, masks)[1] if masks else None
    return evaluate_scores(
        samples.labels, scores, names, [str(i) for i in range(len(scores))], calibration=calibration,
        method=spec.method, dataset=spec.dataset, protocol=spec.protocol, seed=spec.seed, pixels=pixels,
    )  # fmt: skip


def _n_parameters(module: nn.Module | None) -> int | None:
    return None if module is None else sum(each.numel() for each in module.parameters())


def _keep(job: Job, folder: Path, run: RunFolder, detector: Detector, samples: Samples, scores: Scores) -> None:
    if "scores" in job.keep:
        np.savez_compressed(folder / "scores.npz", labels=samples.labels, scores=scores)
    if "examples" in job.keep:
        for kind, images in detector.examples.items():
            (folder / f"{kind}.png").write_bytes(sheet(images))
    if "metrics" in job.keep and run.metrics.exists():
        (folder / "metrics.jsonl").write_bytes(run.metrics.read_bytes())


def _files(folder: Path) -> dict[str, bytes]:
    """All files in the folder that are not hidden, by their relative paths."""
    paths = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.as_posix(): (folder / path).read_bytes() for path in paths if not path.parts[0].startswith(".")}


def _result(job: Job, spec: RunSpec, started: str, found: Values) -> Result:
    return Result(
        key=spec.key, spec=spec, versions=versions(), machine=machine(job.device, job.threads), git=job.git,
        started=started, **{name: _printable(value) for name, value in found.items()},
    )  # fmt: skip


def _printable(value: Any) -> Any:
    """The value with ? for bytes that UTF-8 cannot hold, which a file name may have."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_printable(name): _printable(each) for name, each in value.items()}
    return [_printable(each) for each in value] if isinstance(value, list | tuple) else value


def _in_words(error: Exception) -> str:
    if isinstance(error, AlganError):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})"
