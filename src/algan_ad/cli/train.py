"""`algan train`."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from algan_ad.cli.parsing import Json, emit, fail
from algan_ad.cli.trainings import parse_training


@dataclass
class Train:
    """Learn what normal looks like, hold out some normals to set the threshold, write a model folder.

    PATH is a folder of images (good images alone, good/ beside folders of bad ones, or the layout of MVTec, VisA, COCO,
    YOLO and others), a list of images (.csv or .parquet with the columns path and label) or a table of vectors (.npy,
    .npz, .csv, .parquet). Nothing is ever trained on an anomaly.

    Without --method, images are trained on by algan-patch and tables by algan-vector. What follows from the data is
    shown, with its reason, before the training starts.

    Numbers in brackets are sections and equations of the thesis that ALGAN comes from (H. Murase, 2022), or of the
    paper that a method comes from.
    """

    path: Annotated[Positional[Path], arg(help="a folder or list of images, or a table of vectors")]
    out: Annotated[Path | None, arg(help="the model folder (default: models/NAME-METHOD)")] = None
    plan: Annotated[Path | None, arg(help="what `algan plan` wrote, edited or not; options of this command win")] = None
    json: Json = False


def verb(argv: list[str]) -> int:
    from algan_ad.detectors import find_method
    from algan_ad.detectors.shared.trained_by_epochs import TrainedDetector
    from algan_ad.workflows.train import train

    o = parse_training(Train, "train", argv)
    data = o.path.resolve()
    out = o.values.out or Path("models") / f"{data.name if data.is_dir() else data.stem}-{o.name}"
    try:
        model = train(o.path, o.method, out, config=o.config, plan=o.values.plan, **o.options)
    except KeyboardInterrupt:
        epochs = issubclass(find_method(o.name), TrainedDetector)
        return fail("stopped" + "; add --resume to continue from the last checkpoint" * epochs, 1)
    c = model.config
    result = {
        "model": str(out), "method": c.method, "protocol": c.protocol, "seed": c.seed, "selection": c.selection,
        "threshold": c.calibration.threshold if c.calibration else None, **c.training,
    }  # fmt: skip
    if c.training["n_test"]:
        following = shlex.join(["algan", "evaluate", str(out), str(o.path)])
    else:  # nothing labelled is left to measure with
        following = shlex.join(["algan", "predict", str(out)]) + (" IMAGE..." if c.input == "image" else " TABLE...")
    return emit(
        result, o.values.json, lambda console: console.print(f"model: {out}\nnext:  {following}", soft_wrap=True)
    )
