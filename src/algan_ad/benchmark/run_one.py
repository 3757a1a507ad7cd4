"""One run of a plan, from its specification to its line of results."""

import os
import platform
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from algan_ad.benchmark.division import Samples, load_samples
from algan_ad.benchmark.plan import Kept, RunSpec
from algan_ad.benchmark.plan_check import files_in
from algan_ad.benchmark.results import Result
from algan_ad.benchmark.sources import NO_DATA, Sources
from algan_ad.detectors import METHODS
from algan_ad.detectors.shared.contract import Detector, RunOptions
from algan_ad.evaluation.figures import FIGURES
from algan_ad.evaluation.results import Evaluation, evaluate_scores
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.clock import now
from algan_ad.runtime.errors import AlganError, InputError
from algan_ad.runtime.predictor import Scores
from algan_ad.runtime.schema import Schema
from algan_ad.training.device import DeviceName, pick_device, using_threads
from algan_ad.training.loop import RunFolder, Trained
from algan_ad.workflows.maps import judged_masks, score_and_judge
from algan_ad.workflows.pictures import sheet
from algan_ad.workflows.train import versions

#: Wanted of every threshold; the realised rate of a result is to be compared with it.
FALSE_ALARM_RATE = 0.05

Values = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Job:
    """A run and all that is needed to carry it out, in whatever process."""

    spec: RunSpec
    sources: Sources
    page: str | None = None
    keep: tuple[Kept, ...] = ()
    device: DeviceName = "auto"
    threads: int = 1
    git: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Output:
    """The line, and the files that go with it, by name."""

    result: Result
    files: dict[str, bytes] = field(default_factory=dict)


def run_one(job: Job) -> Output:
    """Carry out a run. Whatever goes wrong in it becomes a result that says so."""
    started = now()
    with tempfile.TemporaryDirectory(prefix="algan-") as folder:
        try:
            found = {"status": "done", **_carry_out(job, Path(folder))}
            return Output(_result(job, started, found), _files(Path(folder)))
        except Exception as error:  # a run that fails must not take the others with it
            found = {"status": "failed", "error": _in_words(error)}
            return Output(_result(job, started, found))


def failure(job: Job, error: str) -> Result:
    """The result of a run that was lost with its worker, on whatever machine that was."""
    return Result(key=job.spec.key, spec=job.spec, versions=versions(), git=job.git, started=now(),
                  status="failed", error=_printable(error))  # fmt: skip


def _carry_out(job: Job, folder: Path) -> Values:
    reset_peak()
    spec, sources = job.spec, job.sources
    path = None if spec.dataset == NO_DATA else sources.find(spec.dataset, spec.category)
    with using_threads(job.threads):
        found = _page(job, path, folder) if job.page else _fit_and_evaluate(job, path, folder)
    return {"peak_mb": peak_mb(pick_device(job.device)), **found}


def _page(job: Job, path: Path | None, folder: Path) -> Values:
    from algan_ad.benchmark.pages import PAGES

    assert job.page is not None
    settings = job.spec.settings
    if job.spec.method in METHODS:
        settings = {**settings, **_found_files(METHODS[job.spec.method].Config(**settings), job.sources)}
    spec = job.spec.model_copy(update={"settings": settings})
    return dict(PAGES[job.page].run(spec, path, folder, job.device, job.threads))


def _fit_and_evaluate(job: Job, path: Path | None, folder: Path) -> Values:
    spec = job.spec
    assert path is not None  # a plan without a page has data
    config = METHODS[spec.method].Config(**spec.settings)
    config = type(config)(**{**spec.settings, **_found_files(config, job.sources)})
    detector = METHODS[spec.method](config, job.device)
    samples = load_samples(spec, path, detector)
    run = RunFolder(folder / ".run") if "metrics" in job.keep else None
    options = RunOptions(spec.seed, job.device, run)
    trained, train_seconds = _timed(detector, lambda: detector.fit(samples.data, options))
    scores, score_seconds = _timed(detector, lambda: detector.score(samples.test))
    peak = peak_mb(detector.device)  # before the maps, and what judges them
    evaluation = _evaluate(spec, detector, samples, scores, trained)
    _keep(job, folder, run, detector, samples, scores)
    return {
        "figures": {figure.key: getattr(evaluation, figure.key) for figure in FIGURES},
        "intervals": evaluation.intervals,
        "n_train": len(samples.data.train),
        "n_normal": evaluation.n_normal,
        "n_anomalous": evaluation.n_anomalous,
        "notes": samples.notes,
        "train_seconds": train_seconds,
        "score_ms_per_image": 1000 * score_seconds / len(scores),
        "peak_mb": peak,
        "n_parameters": _n_parameters(detector.module),
        "selection": trained.selection,
    }


def _found_files(config: Schema, sources: Sources) -> Values:
    """The settings that name a file, with the place where it lies."""
    found = {name: sources.find_file(path) for name, path in files_in(config)}
    for name, path in files_in(config):
        if found[name] is None:
            raise InputError(f"{name}: {path}: no such file here, in --data or beside it")
    return {name: str(path) for name, path in found.items()}


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
    masks = judged_masks(detector, samples.items, detector.preprocessing(samples.data.recipe))
    # Scored a second time here: the time of scoring is that of scores alone.
    pixels = score_and_judge(detector, samples.test, masks)[1] if masks else None
    return evaluate_scores(
        samples.labels, scores, names, [str(i) for i in range(len(scores))], calibration=calibration,
        method=spec.method, dataset=spec.dataset, protocol=spec.protocol, seed=spec.seed, pixels=pixels,
    )  # fmt: skip


def _n_parameters(module: nn.Module | None) -> int | None:
    return None if module is None else sum(each.numel() for each in module.parameters())


def _keep(job: Job, folder: Path, run: RunFolder | None, detector: Detector, samples: Samples, scores: Scores) -> None:
    if "scores" in job.keep:
        np.savez_compressed(folder / "scores.npz", labels=samples.labels, scores=scores)
    if "examples" in job.keep:
        for kind, images in detector.examples.items():
            (folder / f"{kind}.png").write_bytes(sheet(images))
    if run is not None and run.metrics.exists():
        (folder / "metrics.jsonl").write_bytes(run.metrics.read_bytes())


def _files(folder: Path) -> dict[str, bytes]:
    """Everything in the folder but what is hidden, by its path in there."""
    paths = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.as_posix(): (folder / path).read_bytes() for path in paths if not path.parts[0].startswith(".")}


def _result(job: Job, started: str, found: Values) -> Result:
    return Result(
        key=job.spec.key, spec=job.spec, versions=versions(), machine=machine(job.device), git=job.git,
        started=started, **{name: _printable(value) for name, value in found.items()},
    )  # fmt: skip


def _printable(value: Any) -> Any:
    """The same with ? for what UTF-8 cannot hold: the bytes of a file name that is no text."""
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


def machine(device: DeviceName) -> Values:
    """What figures and times were computed on, threads as they are set now."""
    try:
        kind = pick_device(device).type
    except InputError as error:  # the reason why a run failed
        kind = str(error)
    return {
        "cpu": _cpu(), "cores": os.cpu_count(), "threads": torch.get_num_threads(), "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if kind == "cuda" else kind,
    }  # fmt: skip


@cache
def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # not Linux, or a processor without a name
        return platform.processor() or platform.machine()


def reset_peak() -> None:
    """Forget how much memory earlier runs in this process took."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:  # not Linux: the peak is the process's
        return


def peak_mb(device: torch.device) -> float:
    """MiB since `reset_peak`: of the GPU's memory where one computes, else of the process."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource

        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(kilobytes / 1024, 1)
