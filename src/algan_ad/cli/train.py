"""`algan train`."""

import dataclasses
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from algan_ad.cli.parsing import Device, Json, Strict, Threads, emit, fail, parse
from algan_ad.runtime.errors import InputError


@dataclass
class Train:
    """Learn what normal looks like, hold out some normals to set the threshold, write a model folder.

    PATH is a folder of images (MVTec layout, good images alone, good/ beside folders of bad ones, MTD,
    COIL-100) or a table of vectors (.npy, .npz, .csv, .parquet). Nothing is ever trained on an anomaly.
    """

    path: Annotated[Positional[Path], arg(help="a folder of images, or a table of vectors")]
    out: Annotated[Path | None, arg(help="the model folder (default: models/NAME-METHOD)")] = None
    false_alarm_rate: Annotated[float, arg(help="wanted share of good parts flagged")] = 0.01
    seed: Annotated[int, arg(help="the same seed gives the same model, bit for bit on one machine")] = 0
    device: Device = "auto"
    threads: Threads = None
    resume: Annotated[bool, arg(help="continue the unfinished run of --out")] = False
    overwrite: Annotated[
        bool, arg(help="replace the model in --out once the new one is whole; forget an unfinished run")
    ] = False
    strict: Strict = False
    checkpoint_seconds: Annotated[float, arg(help="checkpoints are at least this far apart")] = 60.0
    track: Annotated[tuple[Literal["tensorboard", "mlflow"], ...], arg(help="also log there")] = ()
    quality_backbone: Annotated[str | None, arg(help="judges generated images: Fréchet distance, inception score")] = (
        None
    )
    quality_weights: Annotated[Path | None, arg(help="its weights file (default: from the hub)")] = None
    json: Json = False


def verb(argv: list[str]) -> int:
    from algan_ad.detectors import METHODS
    from algan_ad.detectors.shared.trained_by_epochs import TrainedDetector
    from algan_ad.workflows.samples import DataSettings
    from algan_ad.workflows.train import train

    name = _peek(argv, "--method", "algan-image")
    if name not in METHODS:
        raise InputError(f"--method {name}: not known; expected one of {', '.join(METHODS)}")

    methods = ", ".join(METHODS)
    options: list[Any] = [
        ("method", Annotated[str, arg(help=f"one of {methods}; its own options are listed below")], name),
        ("data", DataSettings, field(default_factory=DataSettings)),
        ("config", METHODS[name].Config, field(default_factory=METHODS[name].Config)),
    ]
    o = parse(dataclasses.make_dataclass("Train", options, bases=(Train,)), "train", argv, Train.__doc__)
    data = o.path.resolve()
    out = o.out or Path("models") / f"{data.name if data.is_dir() else data.stem}-{name}"
    passed = {
        f.name: getattr(o, f.name)
        for f in dataclasses.fields(o)
        if f.name not in ("path", "method", "out", "json", "data")
    }
    try:
        model = train(o.path, name, out, settings=o.data, **passed)
    except KeyboardInterrupt:
        epochs = issubclass(METHODS[name], TrainedDetector)
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


def _peek(argv: Sequence[str], option: str, default: str) -> str:
    """The value of an option that decides which further options there are; given twice, the last counts."""
    found = default
    for i, word in enumerate(argv):
        if word == option and i + 1 < len(argv):
            found = argv[i + 1]
        elif word.startswith(option + "="):
            found = word.split("=", 1)[1]
    return found
