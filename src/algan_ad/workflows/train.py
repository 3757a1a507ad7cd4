"""From a folder of good images, or a table of good vectors, to a model."""

import hashlib
import json
import os
import platform
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from algan_ad.detectors import METHODS
from algan_ad.detectors.shared.contract import Detector, RunOptions
from algan_ad.detectors.shared.trained_by_epochs import TrainedDetector
from algan_ad.report.cards import model_card
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.model_folder import CONFIG, ModelConfig, PlanEntry
from algan_ad.runtime.progress import log
from algan_ad.runtime.schema import Schema
from algan_ad.training.device import DeviceName, set_threads
from algan_ad.training.loop import RunFolder, Trained
from algan_ad.training.trackers import TrackerName
from algan_ad.workflows.evaluate import remove_reports
from algan_ad.workflows.model import Model
from algan_ad.workflows.pictures import sheet
from algan_ad.workflows.plan import entries, method_plan
from algan_ad.workflows.samples import DataSettings, Prepared, prepare

PACKAGES = ("algan-ad", "torch", "torchvision", "timm", "numpy", "scikit-learn", "pillow")
Quality = Callable[[torch.Tensor], dict[str, float]]


def train(
    source: str | Path | NDArray[Any],
    method: str = "algan-image",
    out: str | Path | None = None,
    *,
    config: Schema | None = None,
    settings: DataSettings | None = None,
    false_alarm_rate: float = 0.01,
    seed: int = 0,
    device: DeviceName = "auto",
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    strict: bool = False,
    checkpoint_seconds: float = 60.0,
    track: tuple[TrackerName, ...] = (),
    quality_backbone: str | None = None,
    quality_weights: Path | None = None,
) -> Model:
    """Train a detector and, when `out` is given, write its model folder.

    Args:
        source: a folder of images in any known layout, a table of vectors (.npy, .npz, .csv, .parquet), or an
            array: uint8 images (N, H, W, 3), float vectors (N, d). Arrays hold good samples only.
        config: the method's settings; `METHODS[method].Config()` holds the defaults.
        settings: how the data is divided and augmented.
        false_alarm_rate: wanted share of good samples flagged; the threshold comes from held-out normals.
        resume: continue the unfinished run of `out`, to the same bits as if it had not stopped.
        quality_backbone: network that judges the generated images (Fréchet distance, inception score; 5.8).

    Raises:
        InputError: unusable data or settings, or a model in `out` and not `overwrite`; `resume`, `track` or
            `checkpoint_seconds` for a method without epochs.
        TrainingDiverged: NaN or a collapsed discriminator.
    """
    if method not in METHODS:
        raise InputError(f"--method {method}: not known; expected one of {', '.join(METHODS)}")
    if seed < 0:
        raise InputError(f"--seed {seed}: expected 0 or more")
    Calibration(scores=(0.0,), false_alarm_rate=false_alarm_rate)  # refuses a wrong rate now, not after training
    folder = None if out is None else Path(out)
    if folder is not None:
        _check_out(folder, resume, overwrite)
    if not issubclass(METHODS[method], TrainedDetector):
        _refuse_options_of_epochs(method, resume=resume, checkpoint_seconds=checkpoint_seconds != 60.0, track=track)
    set_threads(threads)
    settings = settings or DataSettings()
    detector = METHODS[method](config or METHODS[method].Config(), device)
    prepared = prepare(source, detector, settings, seed, strict)
    plan = _plan(detector, settings, prepared, false_alarm_rate)
    quality = _quality(quality_backbone, quality_weights, prepared, detector)
    run = RunOptions(
        seed, device, _run_folder(folder, plan, seed, prepared, resume, checkpoint_seconds, track), quality
    )
    trained = detector.fit(prepared.data, run)
    model = _model(detector, plan, settings, prepared, trained, false_alarm_rate, seed)
    if folder is not None and run.folder is not None:
        model.save(folder, _extra_files(model, run.folder, detector), overwrite)
        remove_reports(folder)  # of the model that was there before
        run.folder.remove()
    return model


def _check_out(folder: Path, resume: bool, overwrite: bool) -> None:
    """Nothing is lost unless the user said so, and a place that cannot be written to is refused before training."""
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise InputError(f"--out {folder}: {nearest} is not a folder that can be written to; choose another place")
    if (folder / CONFIG).exists() and not overwrite:
        raise InputError(f"--out {folder}: holds a model already; choose another folder or add --overwrite")
    run = _run_path(folder)
    if RunFolder(run).checkpoint.exists() and not resume and not overwrite:
        raise InputError(
            f"--out {folder}: an unfinished run lies in {run}; --resume continues it, --overwrite starts anew"
        )


def _refuse_options_of_epochs(method: str, **given: object) -> None:
    for name in (name for name, value in given.items() if value):
        raise InputError(f"--{name.replace('_', '-')}: {method} is fitted once, not epoch by epoch; leave it out")


def _run_path(out: Path) -> Path:
    """An unfinished run lives beside its model, in OUT.run."""
    whole = out.resolve() if out.name in ("", "..") else out
    return whole.with_name(whole.name + ".run")


def _plan(
    detector: Detector, settings: DataSettings, prepared: Prepared, false_alarm_rate: float
) -> dict[str, PlanEntry]:
    recipe = prepared.data.recipe.model_dump()
    followed = {
        name: recipe[name]
        for name in recipe
        if getattr(settings, name, None) is None and name in type(settings).model_fields
    }
    origin = "fixed" if false_alarm_rate == 0.01 else "user"
    return {
        **method_plan(detector, settings.protocol),
        **entries(settings, followed),
        "false_alarm_rate": PlanEntry(value=false_alarm_rate, origin=origin),
    }


def _run_folder(
    out: Path | None, plan: dict[str, PlanEntry], seed: int, prepared: Prepared, resume: bool,
    checkpoint_seconds: float, track: tuple[TrackerName, ...],
) -> RunFolder | None:  # fmt: skip
    """Where the run is kept until its model is; what it depends on must not change on resume."""
    if out is None:
        return None
    fixed = {name: entry.value for name, entry in plan.items()}
    fixed |= {"seed": seed, "data": _hash_of(prepared.fingerprint)}
    return RunFolder(_run_path(out), fixed, resume, checkpoint_seconds, track)


def _hash_of(fingerprint: dict[str, Any]) -> str:
    """One short name for a fingerprint."""
    return hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:16]


def _model(
    detector: Detector, plan: dict[str, PlanEntry], settings: DataSettings, prepared: Prepared, trained: Trained,
    false_alarm_rate: float, seed: int,
) -> Model:  # fmt: skip
    calibration = Calibration(scores=detector.score(prepared.calibration), false_alarm_rate=false_alarm_rate)
    log(calibration.explain())
    return Model(
        detector,
        ModelConfig(
            method=detector.name,
            plan=plan,
            input=detector.input,
            preprocessing=detector.preprocessing(prepared.data.recipe),
            calibration=calibration,
            protocol=settings.protocol,
            selection=trained.selection,
            fingerprint=prepared.fingerprint,
            seed=seed,
            versions=versions(),
            training={
                "dataset": prepared.name,
                "n_train": len(prepared.data.train),
                "n_calibration": len(prepared.calibration),
                "n_test": prepared.n_test,
                "skipped": [str(each.path) for each in prepared.skipped],
                "seconds": round(trained.seconds, 1),
                "device": str(detector.device),
                "threads": torch.get_num_threads(),
                **prepared.notes,
            },
        ),
    )


def _extra_files(model: Model, run: RunFolder, detector: Detector) -> dict[str, bytes]:
    files = {f"{kind}.png": sheet(images) for kind, images in detector.examples.items()}
    card = model_card(model.config, list(files))
    if run.metrics.exists():
        files["metrics.jsonl"] = run.metrics.read_bytes()
    return files | {"README.md": card.encode()}


def _quality(backbone: str | None, weights: Path | None, prepared: Prepared, detector: Detector) -> Quality | None:
    if backbone is None:
        return None
    if not detector.generates_images:
        raise InputError(f"--quality-backbone: {detector.name} generates no images to judge; leave it out")
    from algan_ad.features.quality import Quality as Judge

    try:
        return Judge(backbone, weights, prepared.data.train[np.arange(min(512, len(prepared.data.train)))])
    except InputError as error:  # which speaks of a detector's own backbone
        told = str(error).replace("--backbone-weights", "--quality-weights").replace("--backbone", "--quality-backbone")
        raise InputError(told) from error


def versions() -> dict[str, str]:
    """Of Python and of the packages that figures depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # an optional one
            continue
    return found
