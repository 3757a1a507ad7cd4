"""`algan predict`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from algan_ad.cli.parsing import Json, ModelFolder, Scoring, Strict, emit, parse
from algan_ad.runtime.errors import InputError

if TYPE_CHECKING:
    from algan_ad.workflows.overlays import OverlayFolder


@dataclass
class Predict:
    """Score and decide images: files, or folders with all that is below. The most anomalous come first on screen."""

    model: ModelFolder
    paths: Annotated[
        Positional[tuple[Path, ...]], arg(metavar="PATH...", help="images, folders of them, or tables of vectors")
    ]
    out: Annotated[Path | None, arg(help="write all predictions to this file, as CSV")] = None
    maps: Annotated[
        Path | None,
        arg(help="folder for one picture per image: its anomaly map (or an attribution of its score), laid over it"),
    ] = None
    false_alarm_rate: Annotated[
        float | None, arg(help="wanted share of good parts flagged (default: the model's own)")
    ] = None
    overwrite: Annotated[bool, arg(help="replace files that --out and --maps name; an input is never replaced")] = False
    scoring: Scoring = field(default_factory=Scoring)
    strict: Strict = False
    json: Json = False


def verb(argv: list[str]) -> int:
    o = parse(Predict, "predict", argv)
    from algan_ad.cli.show import show_predictions
    from algan_ad.runtime.bulk import list_skipped, predict_files
    from algan_ad.runtime.images import Skipped
    from algan_ad.runtime.prediction import Prediction, write_csv
    from algan_ad.runtime.progress import log
    from algan_ad.workflows.load import load_model

    if not o.paths:
        raise InputError("predict: expected at least one image or folder after the model")
    model = load_model(o.model, **vars(o.scoring))
    if o.false_alarm_rate is not None:
        model = model.with_false_alarm_rate(o.false_alarm_rate)
    calibration = model.config.calibration
    if o.false_alarm_rate is not None and calibration is not None and not calibration.sufficient:
        log(f"warning: {calibration.explain()}")
    found = list(
        predict_files(model, o.paths, strict=o.strict, out=o.out, overlays=_overlays(o.maps), overwrite=o.overwrite)
    )
    predictions = [each for each in found if isinstance(each, Prediction)]
    skipped = [each for each in found if isinstance(each, Skipped)]
    list_skipped(skipped)
    if skipped and not predictions:
        raise InputError(f"none of {len(found)} images can be read; the first: {skipped[0].reason}")
    if o.out is not None:
        write_csv(predictions, o.out)
    result = {
        "model": str(o.model),
        "n": len(predictions),
        "n_anomalous": sum(bool(each.anomalous) for each in predictions),
        "guaranteed_rate": calibration.guaranteed_rate if calibration else None,
        "predictions": [each.to_dict() for each in predictions],
        "skipped": [{"path": str(each.path), "reason": each.reason} for each in skipped],
    }
    return emit(result, o.json, lambda console: show_predictions(console, predictions, skipped, o.out))


def _overlays(folder: Path | None) -> "OverlayFolder | None":
    if folder is None:
        return None
    from algan_ad.workflows.overlays import OverlayFolder  # matplotlib, which scoring does without

    return OverlayFolder(folder)
