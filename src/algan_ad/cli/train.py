"""`algan train`."""

import dataclasses
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from algan_ad.cli.help import options_of
from algan_ad.cli.parsing import Json, emit, fail, given, parse


@dataclass
class Train:
    """Learn what normal looks like, hold out some normals to set the threshold, write a model folder.

    PATH is a folder of images (good images alone, good/ beside folders of bad ones, or the layout of MVTec, VisA, COCO,
    YOLO and others), a list of images (.csv or .parquet with the columns path and label) or a table of vectors (.npy,
    .npz, .csv, .parquet). Nothing is ever trained on an anomaly.

    Without --method, images are trained on by algan-patch and tables by algan-vector; what follows from the data is
    shown, with its reason, before the training starts.

    Numbers in brackets are sections and equations of the thesis that ALGAN comes from (H. Murase, 2022), or of the
    paper that a method comes from.
    """

    path: Annotated[Positional[Path], arg(help="a folder or list of images, or a table of vectors")]
    out: Annotated[Path | None, arg(help="the model folder (default: models/NAME-METHOD)")] = None
    json: Json = False


def verb(argv: list[str]) -> int:
    from algan_ad.detectors import METHODS, find_method
    from algan_ad.detectors.shared.trained_by_epochs import TrainedDetector
    from algan_ad.workflows.options import TrainOptions
    from algan_ad.workflows.train import train

    asked = _peek(argv, "--method") or "auto"
    name = _derived_method(argv) if asked == "auto" else asked
    method = find_method(name)
    explanation = arg(
        help=f"one of {', '.join(METHODS)}; its own options are listed below",
        help_behavior_hint="(default: by the data)",  # also where one is chosen
    )
    general, own = options_of(TrainOptions), options_of(method.Config)
    group = name.replace("-", "_")  # heads the method's own options in the help
    options: list[Any] = [
        ("method", Annotated[str, explanation], name),
        ("training", general, field(default_factory=general)),
        (group, own, field(default_factory=own)),
    ]
    o = parse(dataclasses.make_dataclass("Train", options, bases=(Train,)), "train", argv, Train.__doc__)
    data = o.path.resolve()
    out = o.out or Path("models") / f"{data.name if data.is_dir() else data.stem}-{name}"
    try:
        model = train(o.path, asked, out, config=given(getattr(o, group), argv), **given(o.training, argv))
    except KeyboardInterrupt:
        epochs = issubclass(method, TrainedDetector)
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
    return emit(result, o.json, lambda console: console.print(f"model: {out}\nnext:  {following}", soft_wrap=True))


def _peek(argv: Sequence[str], option: str) -> str | None:
    """The value of an option that decides which further options there are; given twice, the last counts."""
    found = None
    for i, word in enumerate(argv):
        if word == option and i + 1 < len(argv):
            found = argv[i + 1]
        elif word.startswith(option + "="):
            found = word.split("=", 1)[1]
    return found


def _derived_method(argv: Sequence[str]) -> str:
    """The method for the data among the words of the command; the first table there is it."""
    from algan_ad.runtime.vectors import SUFFIXES
    from algan_ad.workflows.self_configure import derive_method

    tables = [word for word in argv if word.lower().endswith(SUFFIXES) and not word.startswith("-")]
    return str(derive_method(tables[0] if tables else ".").value)
