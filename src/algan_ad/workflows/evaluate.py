"""Evaluation of a model on labelled samples that it has not seen, and the page that shows the result."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algan_ad.data.cache import DecodedImages
from algan_ad.data.fingerprint import hash_files, hash_rows
from algan_ad.data.layouts import Dataset, Item, open_dataset
from algan_ad.data.splits import SAME_TRAINING, split
from algan_ad.evaluation.commissioning import Commissioning
from algan_ad.evaluation.results import Evaluation, JudgedMaps, evaluate_scores, read_evaluation, write_evaluation
from algan_ad.report.gallery import Gallery, pictured
from algan_ad.report.page import write_report
from algan_ad.runtime.bulk import report_skipped
from algan_ad.runtime.clock import now
from algan_ad.runtime.drawings import overlay, thumbnail
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import explaining_write_errors, refuse_to_replace
from algan_ad.runtime.images import Skipped
from algan_ad.runtime.predictor import Predictor, Scores
from algan_ad.runtime.progress import log
from algan_ad.runtime.vectors import read_labels
from algan_ad.training.trackers import read_rows
from algan_ad.workflows.commissioning import held_out_hashes
from algan_ad.workflows.commissioning_pictures import picture_defects, picture_nearest
from algan_ad.workflows.maps import judged_masks, score_and_judge, score_with_maps_if_any

RESULTS, PAGE, EXPECTED = "evaluation.json", "report.html", "commissioning.json"


def evaluate(model: Predictor, source: str | Path, strict: bool = False, may_be_empty: bool = False) -> Evaluation:
    """Score the labelled samples of `source` that had no part in training, and measure.

    These are the images of a test folder, or all labelled ones if there is none; for a data set that the thesis
    divides, they are the test part of the model's own split. Samples whose content the model was made with are left
    out and counted, whatever their names, together with the images of the same groups.

    may_be_empty: where the model was made with all of them, and some set the threshold, the evaluation has no image
    instead of raising an error, because a commissioning needs no more.

    Raises:
        InputError: nothing labelled and unseen is left, or with `strict` a file cannot be read.
    """
    if model.config.input == "vector":
        return _evaluate_vectors(model, Path(source))
    dataset = open_dataset(source)
    candidates = _candidates(model, dataset)
    items = _unseen(model, candidates, dataset.root, may_be_empty)
    assert model.config.preprocessing is not None  # an image model's
    if not items:  # `_unseen` lets that pass for the sake of a commissioning
        return _measure(model, dataset.name, np.empty(0), [], [], [], len(candidates))
    loaded = DecodedImages([item.path for item in items], model.config.preprocessing, label="reading test images")
    report_skipped(loaded.skipped, strict)
    kept = [items[i] for i in loaded.kept]
    masks = judged_masks(model.config.maps == "own", kept, model.config.preprocessing)
    scores, pixels = score_and_judge(model.whole, loaded, masks)
    return _measure(
        model,
        dataset.name,
        scores,
        [item.label for item in kept],
        [item.defect for item in kept],
        [str(item.path) for item in kept],
        len(candidates) - len(items),
        loaded.skipped,
        pixels,
    )


def _measure(
    model: Predictor, dataset: str, scores: Scores, labels: Sequence[int], defects: Sequence[str], paths: Sequence[str],
    n_left_out: int, skipped: Sequence[Skipped] = (), pixels: JudgedMaps | None = None,
) -> Evaluation:  # fmt: skip
    config = model.config
    return evaluate_scores(
        labels, scores, defects, paths, calibration=config.calibration, method=config.method,
        dataset=dataset, protocol=config.protocol, seed=config.seed, skipped=skipped, n_left_out=n_left_out,
        evaluated=now(), pixels=pixels,
    )  # fmt: skip


def _candidates(model: Predictor, dataset: Dataset) -> tuple[Item, ...]:
    """Images of a data set that a model may be tested on, if it has not seen them.

    A user's own images under normal-only are all candidates, because the images that the model was made with are known
    by content, however the folder has grown since. Elsewhere the thesis fixes the test images one by one.
    """
    protocol = model.config.protocol
    everything = dataset.test if dataset.test_apart else dataset.items
    if protocol == "normal-only" and dataset.layout not in SAME_TRAINING:
        return everything
    own = dataset.layout == "coil-100" or _seen_before(model, dataset.train)
    return split(dataset, protocol, model.config.seed).test if own else everything


def _seen_before(model: Predictor, items: Sequence[Item]) -> bool:
    seen = _seen(model)
    return any(digest in seen for digest in hash_files([item.path for item in items]))


def _unseen(model: Predictor, items: Sequence[Item], root: Path, may_be_empty: bool) -> list[Item]:
    seen = _seen(model)
    digests = hash_files([item.path for item in items])
    groups = {item.group for item, digest in zip(items, digests, strict=True) if digest in seen} - {None}
    kept = [
        item for item, digest in zip(items, digests, strict=True) if digest not in seen and item.group not in groups
    ]
    _count_left_out(len(items) - len(kept), len(items), "test images", ", or with images of their group" * bool(groups))
    if not kept and not (may_be_empty and held_out_hashes(model) & set(digests)):
        raise InputError(
            f"{root}: no labelled image is left to test on; expected test/<defect> folders, or bad images beside 'good'"
        )
    return kept


def _count_left_out(n: int, n_all: int, what: str, or_with: str = "") -> None:
    if n:
        log(f"{n} of {n_all} {what} were left out: the model was made with them{or_with}")


def _seen(model: Predictor) -> set[str]:
    files = model.config.fingerprint["files"]
    assert isinstance(files, dict)
    return {str(digest) for digest in files.values()}


def _evaluate_vectors(model: Predictor, source: Path) -> Evaluation:
    labels = read_labels(source)
    if labels is None:
        raise InputError(f"{source}: no labels; expected an .npz file with X (n, d) and y (n,), 1 = anomalous")
    vectors = np.asarray(model.samples(source))
    seen = _seen(model)
    rows = [i for i, digest in enumerate(hash_rows(vectors).values()) if digest not in seen]
    _count_left_out(len(vectors) - len(rows), len(vectors), "rows")
    if not rows:
        raise InputError(f"{source}: the model was made with every row; nothing is left to test on")
    names = ["good" if labels[i] == 0 else "anomalous" for i in rows]
    places = [f"row {i + 1}" for i in rows]
    scores = model.scorer.score(vectors[rows])
    return _measure(model, source.stem, scores, labels[rows].tolist(), names, places, len(vectors) - len(rows))


def report_folder(model_folder: Path, dataset: str) -> Path:
    """MODEL/evaluation, or MODEL/evaluation/DATASET if the results of another data set lie there already."""
    folder = model_folder / "evaluation"
    try:
        before = read_evaluation(folder / RESULTS).dataset if (folder / RESULTS).exists() else dataset
    except InputError:  # damaged, or of a newer version
        before = None
    return folder if before == dataset else folder / dataset


def remove_reports(model_folder: Path) -> None:
    """Remove the files that `report` wrote into the folders that `report_folder` names."""
    folder = model_folder / "evaluation"
    for each in (folder, *(inner for inner in folder.glob("*") if inner.is_dir())):
        for name in (RESULTS, PAGE, EXPECTED) if _made_here(each) else ():
            (each / name).unlink(missing_ok=True)


def _made_here(folder: Path) -> bool:
    """True when the results in a folder are those of an evaluation."""
    try:
        read_evaluation(folder / RESULTS)
    except InputError:
        return False
    return True


def report(
    model: Predictor, evaluation: Evaluation, folder: Path, model_folder: Path | None = None, maps: bool = True,
    overwrite: bool = False, commissioning: Commissioning | None = None,
) -> Path:  # fmt: skip
    """Write `evaluation.json` and `report.html` into `folder`, with maps beside the images or without.

    With a commissioning also `commissioning.json`, and its part of the page.

    Returns the page. Results of an earlier evaluation there are replaced, and a line reports it. Raises InputError for
    files of these names that no evaluation made, unless `overwrite`.
    """
    if not _made_here(folder):
        refuse_to_replace([folder / name for name in (RESULTS, PAGE, EXPECTED)], [], overwrite)
    with explaining_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if (folder / RESULTS).exists():
        log(f"{folder}: the results there are replaced")
    write_evaluation(folder / RESULTS, evaluation)
    if commissioning is None:
        (folder / EXPECTED).unlink(missing_ok=True)  # of the evaluation before
    else:
        commissioning.write(folder / EXPECTED)
    rows = read_rows(model_folder / "metrics.jsonl") if model_folder else []
    gallery = _gallery(model, evaluation, commissioning, model_folder, maps)
    return write_report(folder / PAGE, evaluation, model.config, rows, gallery, commissioning)


def _gallery(
    model: Predictor, evaluation: Evaluation, commissioning: Commissioning | None, model_folder: Path | None, maps: bool
) -> Gallery:
    """Pictures of the images as the detector sees them, because the maps belong to those."""
    if model.config.preprocessing is None:
        return Gallery()
    levels = model.config.preprocessing.levels
    shown = pictured(evaluation)
    loaded = model.read([Path(path) for path in shown], strict=True)

    def of_pictures(canvases: Iterable[NDArray[Any]]) -> list[NDArray[Any]]:
        return [model.of_picture(each, size) for each, size in zip(canvases, loaded.sizes, strict=True)]

    images = of_pictures(loaded.images[..., :3])
    found = score_with_maps_if_any(model.whole, loaded.images, "shown")[1] if maps else []
    heats = of_pictures(found) if found else []
    level = model.config.map_level
    highest = max((float(heat.max()) for heat in heats), default=0.0)

    def picture(kind: str) -> bytes | None:
        path = model_folder / f"{kind}.png" if model_folder else None
        return path.read_bytes() if path and path.is_file() else None

    return Gallery(
        {path: thumbnail(image) for path, image in zip(shown, images, strict=True)},
        {path: overlay(image, heat, highest, level) for path, image, heat in zip(shown, images, heats, strict=False)},
        picture("fake-normal"),
        picture("fake-anomalous"),
        own_maps=model.config.maps == "own",
        outlined=level is not None,
        made_up=picture_defects(commissioning, levels) if commissioning else {},
        nearest=picture_nearest(commissioning, levels) if commissioning else {},
    )
