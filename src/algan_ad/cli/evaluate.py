"""`algan evaluate`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from algan_ad.cli.parsing import Json, ModelFolder, Scoring, Strict, emit, parse


@dataclass
class Evaluate:
    """Measure a model on labelled images it has not seen; write evaluation.json and report.html.

    Good images alone suffice for the smallest defect to expect, which is measured with made-up defects on images that
    were not trained on (commissioning.json).

    Images whose content the model was made with are left out and counted, so that the folder it was trained on
    can be given as it is.
    """

    model: ModelFolder
    path: Annotated[Positional[Path], arg(help="a folder of labelled images, or an .npz table with X and y")]
    report: Annotated[
        Path | None,
        arg(help="folder for the report (default: MODEL/evaluation; its folder DATASET for a further data set)"),
    ] = None
    no_maps: Annotated[bool, arg(help="leave out the maps, which are slow with a large backbone")] = False
    no_commissioning: Annotated[
        bool, arg(help="leave out the made-up defects, which take some 650 scorings; of vectors there are none")
    ] = False
    mm_per_pixel: Annotated[float | None, arg(help="of the original images; sizes are then given in mm, too")] = None
    parts_per_shift: Annotated[int | None, arg(help="good parts of a shift, to count its false alarms")] = None
    overwrite: Annotated[bool, arg(help="replace a report.html or evaluation.json that no evaluation made")] = False
    scoring: Scoring = field(default_factory=Scoring)
    strict: Strict = False
    json: Json = False


def verb(argv: list[str]) -> int:
    o = parse(Evaluate, "evaluate", argv)
    from algan_ad.cli.show import show_evaluation
    from algan_ad.workflows.commissioning import Line, commission
    from algan_ad.workflows.evaluate import evaluate, report, report_folder
    from algan_ad.workflows.load import load_model

    line = Line(mm_per_pixel=o.mm_per_pixel, parts_per_shift=o.parts_per_shift)
    model = load_model(o.model, **vars(o.scoring))
    evaluation = evaluate(model, o.path, o.strict, may_be_empty=not o.no_commissioning)
    expected = None if o.no_commissioning else commission(model, o.path, evaluation, line)
    folder = o.report or report_folder(o.model, evaluation.dataset)
    page = report(model, evaluation, folder, o.model, not o.no_maps, o.overwrite, expected)
    result = {**evaluation.summary(), "model": str(o.model), "report": str(page)}
    result["commissioning"] = expected and expected.summary()
    return emit(result, o.json, lambda console: show_evaluation(console, evaluation, page, expected))
