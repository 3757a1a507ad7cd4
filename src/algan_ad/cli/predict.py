"""`algan predict`."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from algan_ad.cli.parsing import Json, ModelFolder, Scoring, Strict, emit, parse
from algan_ad.runtime.errors import InputError, Option

if TYPE_CHECKING:
    from algan_ad.runtime.bulk import Overlays
    from algan_ad.runtime.model_folder import ModelConfig
    from algan_ad.workflows.cluster import RayCluster

MapsAs = Literal["overlay", "tiff", "coco"]


@dataclass
class Predict:
    """Score and decide images: files, folders with all that is below, globs, lists (.txt, one a line), zip and tar
    archives, videos. The most anomalous come first on screen.

    The table (--out) is written as the images are scored, in constant memory.
    """

    model: ModelFolder
    paths: Annotated[
        Positional[tuple[Path, ...]],
        arg(
            metavar="PATH...", help="images, or folders, globs, lists, archives or videos of them; or tables of vectors"
        ),
    ]
    out: Annotated[
        Path | None, arg(help="write all predictions to this file as they come: .csv, .jsonl or .parquet")
    ] = None
    resume: Annotated[
        bool, arg(help="go on with the --out of a call that was killed, from the same model and paths")
    ] = False
    maps: Annotated[
        Path | None,
        arg(help="folder for the anomaly map of each image (or an attribution of its score), as --maps-as says"),
    ] = None
    maps_as: Annotated[
        MapsAs,
        arg(
            help="files in that folder. overlay: a PNG of each map over its image; tiff: each map as float32; coco: "
            "regions.json, the regions above the calibrated level, with scores and verdicts"
        ),
    ] = "overlay"
    false_alarm_rate: Annotated[
        float | None, arg(help="wanted share of good parts flagged (default: the model's own)")
    ] = None
    ray: Annotated[
        str | None, arg(metavar="ADDRESS", help="score on a Ray cluster; local: by processes that Ray starts here")
    ] = None
    overwrite: Annotated[bool, arg(help="replace files that --out and --maps name; an input is never replaced")] = False
    scoring: Scoring = field(default_factory=Scoring)
    strict: Strict = False
    json: Json = False


def verb(argv: list[str]) -> int:
    o = parse(Predict, "predict", argv)
    from algan_ad.cli.show import Predictions
    from algan_ad.runtime.bulk import list_skipped, predict_files
    from algan_ad.runtime.progress import log
    from algan_ad.workflows.load import load_model

    if not o.paths:
        raise InputError("predict: expected at least one image or folder after the model")
    if o.resume and o.out is None:
        raise InputError(Option("resume", True), ": expected the table to go on with, as ", Option("out"))
    model = load_model(o.model, **vars(o.scoring))
    if o.false_alarm_rate is not None:
        model = model.with_false_alarm_rate(o.false_alarm_rate)
    calibration = model.config.calibration
    if o.false_alarm_rate is not None and calibration is not None and not calibration.sufficient:
        log(f"warning: {calibration.explain()}")
    found = Predictions(keep=o.json)
    with _cluster(o) as cluster, _maps(o, model.config) as maps:
        for each in predict_files(
            model, o.paths, strict=o.strict, out=o.out, overlays=maps, overwrite=o.overwrite,
            resume=o.resume, cluster=cluster,
        ):  # fmt: skip
            found.add(each)
    list_skipped(found.skipped, found.n_skipped)
    if found.skipped and not found.n:
        raise InputError(f"none of {found.n_skipped} images can be read; the first: {found.skipped[0].reason}")
    result = {
        "model": str(o.model),
        "n": found.n,
        "n_anomalous": found.n_anomalous,
        "guaranteed_rate": calibration.guaranteed_rate if calibration else None,
        "predictions": [each.to_dict() for each in found.predictions],
        "skipped": [{"path": str(each.path), "reason": each.reason} for each in found.skipped],
    }
    return emit(result, o.json, lambda console: found.show(console, o.out))


def _cluster(o: Predict) -> "AbstractContextManager[RayCluster | None]":
    if o.ray is None:
        return nullcontext()
    from algan_ad.workflows.cluster import open_cluster

    return open_cluster(o.ray, o.model, vars(o.scoring), o.false_alarm_rate)


def _maps(o: Predict, config: "ModelConfig") -> "AbstractContextManager[Overlays | None]":
    if o.maps is None:
        if o.maps_as != "overlay":
            raise InputError(Option("maps_as", o.maps_as), ": needs a folder for them, as ", Option("maps"))
        return nullcontext()
    from algan_ad.workflows.coco import CocoFile
    from algan_ad.workflows.overlays import OverlayFolder, TiffFolder

    if o.maps_as == "coco":
        if o.resume:
            raise InputError(
                Option("resume", True),
                ": the regions of earlier images are lost; start anew, or leave out ",
                Option("maps_as", "coco"),
            )
        return CocoFile(o.maps, config)
    return nullcontext(TiffFolder(o.maps) if o.maps_as == "tiff" else OverlayFolder(o.maps, config.map_level))
