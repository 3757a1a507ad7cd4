"""Training of a model on a folder of good images or a table of good vectors."""

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from algan_ad.detectors import find_method
from algan_ad.detectors.shared.contract import Detector, RunOptions
from algan_ad.detectors.shared.trained_by_epochs import TrainedDetector
from algan_ad.report.cards import model_card
from algan_ad.runtime.calibration import Calibration
from algan_ad.runtime.clock import now
from algan_ad.runtime.drawings import png, sheet
from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.files import refuse_to_replace
from algan_ad.runtime.model_folder import CARD, CONFIG, METRICS, WEIGHTS, ModelConfig, PlanEntry
from algan_ad.runtime.progress import log
from algan_ad.runtime.running import NETWORK
from algan_ad.runtime.schema import Schema
from algan_ad.runtime.self_test import SELF_TEST
from algan_ad.runtime.tiles import whole
from algan_ad.training.budget import Budget, seconds_of
from algan_ad.training.device import using_threads
from algan_ad.training.lock import locked
from algan_ad.training.loop import RunFolder, Trained
from algan_ad.training.seeding import private_randomness
from algan_ad.workflows.evaluate import remove_reports
from algan_ad.workflows.export import add_network_if_any
from algan_ad.workflows.maps import highest_values
from algan_ad.workflows.model import Model
from algan_ad.workflows.options import CHECKPOINT_SECONDS, TrainOptions
from algan_ad.workflows.samples import Prepared
from algan_ad.workflows.self_configure import Configured, announce, configure
from algan_ad.workflows.wishes import Planned, wish

PACKAGES = ("algan-ad", "torch", "torchvision", "timm", "numpy", "scikit-learn", "pillow")
EPOCHWISE = (("resume", False), ("checkpoint_seconds", CHECKPOINT_SECONDS), ("track", ()), ("within", None))
Quality = Callable[[torch.Tensor], dict[str, float]]


def train(
    source: str | Path | NDArray[Any],
    method: str | None = None,
    out: str | Path | None = None,
    *,
    config: Schema | Mapping[str, Any] | None = None,
    plan: Planned | None = None,
    **options: Any,
) -> Model:
    """Train a detector and, when `out` is given, write its model folder.

    The caller's random states and number of threads are the same afterwards as before.

    Args:
        source: a folder of images in any known layout, a table of vectors (.npy, .npz, .csv, .parquet), or an
            array: uint8 images (N, H, W, 3), float vectors (N, d). Arrays hold good samples only.
        method: a name of `list_methods()`; None or "auto": by the data, `algan-patch` for images and `algan-vector`
            for vectors.
        out: the model folder.
        config: the method's settings, as its `Config` or as a mapping, `{"epochs": 64}`.
        plan: what `algan_ad.plan` returned, or the file that `algan plan` wrote. Changed values count as set by the
            user; the other arguments win over it.
        options: fields of `TrainOptions`: false_alarm_rate, seed, device, threads, protocol, calibration_fraction,
            resume, overwrite and others.

    Raises:
        InputError: unusable data, method, settings, options or plan; a model in `out` without `overwrite`; another
            process that trains into `out`; `within` that cannot be kept; `resume`, `track`, `within` or
            `checkpoint_seconds` for a method without epochs.
        TrainingDiverged: NaN or a collapsed discriminator.
    """
    start = time.monotonic()
    wanted = wish(source, method, config, options, plan)
    folder = None if out is None else Path(out)
    kind, chosen = find_method(str(wanted.method.value)), wanted.options
    if not issubclass(kind, TrainedDetector):
        _refuse_options_of_epochs(kind.name, chosen)
    with _alone_in(folder, chosen), private_randomness(), using_threads(chosen.threads):
        budget = chosen.within and Budget(chosen.within, start + seconds_of(chosen.within))
        return _train(configure(source, wanted), chosen, folder, budget or None)


def _train(configured: Configured, options: TrainOptions, folder: Path | None, budget: Budget | None) -> Model:
    detector, prepared = configured.detector, configured.prepared
    announce(configured)
    run_folder, quality = _run_folder(folder, configured, options), _quality(options, prepared, detector)
    run = RunOptions(options.seed, options.device, run_folder, quality, budget=budget)
    start = time.monotonic()
    trained = detector.fit(prepared.data, run)
    seconds = trained.earlier_seconds + time.monotonic() - start  # of a resumed run all sessions count
    model = _model(_as_carried_out(configured, trained, budget), options, trained, seconds)
    if folder is not None and run.folder is not None:
        model.save(folder, _extra_files(model, run.folder, detector), options.overwrite)
        remove_reports(folder)  # of the model that was there before
        run.folder.remove()
        if options.export:
            assert prepared.data.held_out is not None
            add_network_if_any(folder, model, prepared.data.held_out)
    return model


@contextmanager
def _alone_in(folder: Path | None, options: TrainOptions) -> Iterator[None]:
    """Keep other processes out of the place of the model, and refuse a loss that the user did not ask for."""
    if folder is None:
        yield
        return
    _check_place(folder)
    with locked(_run_path(folder)):
        _check_out(folder, options)
        yield


def _check_place(folder: Path) -> None:
    """Refuse a place that cannot be written to, before training."""
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise InputError(
            Option("out", str(folder)), f": {nearest} is not a folder that can be written to; choose another place"
        )


def _check_out(folder: Path, options: TrainOptions) -> None:
    """Refuse to replace a model, other files or an unfinished run unless the user allowed it."""
    out = Option("out", str(folder))
    if (folder / CONFIG).exists() and not options.overwrite:
        raise InputError(out, ": holds a model already; choose another folder or set ", Option("overwrite", True))
    refuse_to_replace([folder / name for name in (CARD, METRICS, WEIGHTS, NETWORK, SELF_TEST)], [], options.overwrite)
    run = _run_path(folder)
    if RunFolder(run).checkpoint.exists() and not options.resume and not options.overwrite:
        raise InputError(
            out, f": an unfinished run lies in {run}; ", Option("resume", True), " continues it, ",
            Option("overwrite", True), " starts anew",
        )  # fmt: skip


def _refuse_options_of_epochs(method: str, options: TrainOptions) -> None:
    for name, default in EPOCHWISE:
        if getattr(options, name) != default:
            raise InputError(Option(name), f": {method} is fitted once, not epoch by epoch; leave it out")


def _run_path(out: Path) -> Path:
    """The folder of an unfinished run, OUT.run, beside its model."""
    whole = out.resolve() if out.name in ("", "..") else out
    return whole.with_name(whole.name + ".run")


def _run_folder(out: Path | None, configured: Configured, options: TrainOptions) -> RunFolder | None:
    """The folder of the run until its model is there; what the run depends on must not change on resume."""
    if out is None:
        return None
    fixed = {name: entry.value for name, entry in configured.plan.items() if name != "device"}
    fixed["data"] = _hash_of(configured.prepared.fingerprint)
    if (framing := configured.prepared.preprocessing) is not None:
        fixed["preprocessing"] = _hash_of(framing.model_dump(mode="json"))
    return RunFolder(_run_path(out), fixed, options.resume, options.checkpoint_seconds, options.track)


def _as_carried_out(configured: Configured, trained: Trained, budget: Budget | None) -> Configured:
    """The plan with the number of epochs after which nothing moved, or that the budget left time for."""
    planned = configured.plan.get("epochs")
    if planned is None or planned.value == trained.epochs:
        return configured
    if trained.settled:
        why = f"of {planned.value}: {configured.plan['patience'].value} looks in a row found no better weights"
    elif budget is not None:
        why = f"of {planned.value}, as many as {budget.text} left time for"
    else:
        return configured
    log(f"{trained.epochs} epochs, {why}")
    entry = PlanEntry(value=trained.epochs, origin="derived", reason=why)
    return replace(configured, plan={**configured.plan, "epochs": entry})


def _hash_of(fingerprint: dict[str, Any]) -> str:
    """One short name for a fingerprint."""
    return hashlib.sha256(json.dumps(fingerprint, sort_keys=True).encode()).hexdigest()[:16]


def _model(configured: Configured, options: TrainOptions, trained: Trained, seconds: float) -> Model:
    detector, prepared, rate = configured.detector, configured.prepared, configured.false_alarm_rate
    # Under protocol thesis the normals that calibrate are those of the validation half.
    scorer = whole(detector, prepared.preprocessing)
    calibration = Calibration(
        scores=scorer.score(prepared.calibration), false_alarm_rate=rate, also_selected=trained.by_labels
    )
    log(calibration.explain())
    return Model(
        detector,
        ModelConfig(
            method=detector.name,
            plan=configured.plan,
            input=detector.input,
            preprocessing=prepared.preprocessing,
            columns=prepared.columns,
            maps=None if detector.input == "vector" else "own" if detector.draws_maps else "attribution",
            map_peaks=highest_values(scorer, prepared.calibration) if detector.draws_maps else None,
            calibration=calibration,
            protocol=options.protocol,
            selection=trained.selection,
            fingerprint=prepared.fingerprint | {"facts": configured.facts.model_dump(mode="json")},
            seed=options.seed,
            versions=versions(),
            training={
                "dataset": prepared.name,
                "n_train": prepared.n_train,
                "n_calibration": len(prepared.calibration),
                "n_test": prepared.n_test,
                "skipped": [str(each.path) for each in prepared.skipped],
                "seconds": round(seconds, 1),
                "finished": now(),
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
        files[METRICS] = run.metrics.read_bytes()
    if (framing := model.config.preprocessing) is not None and (region := framing.region) is not None:
        files["region.png"] = png(np.where(region.at(region.width, region.height), np.uint8(255), np.uint8(0)))
    return files | {CARD: card.encode()}


def _quality(options: TrainOptions, prepared: Prepared, detector: Detector) -> Quality | None:
    if options.quality_backbone is None:
        return None
    if not detector.generates_images:
        raise InputError(Option("quality_backbone"), f": {detector.name} generates no images to judge; leave it out")
    from algan_ad.features.quality import Quality as Judge

    reference = prepared.data.train[np.arange(min(512, len(prepared.data.train)))]
    try:
        return Judge(options.quality_backbone, options.quality_weights, reference)
    except InputError as error:  # it names a detector's own backbone
        raise InputError(Option("quality_backbone", options.quality_backbone), ": ", *error.args) from error


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that figures depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # an optional one
            continue
    return found
