"""`algan demo`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from algan_ad.cli.parsing import Device, Json, Threads, emit, parse


@dataclass
class Demo:
    """Do the main job on parts made up from a seed: train, set the threshold, evaluate, write a report."""

    out: Annotated[Path, arg(help="folder for the data, the model and the report")] = Path("demo")
    seed: Annotated[int, arg(help="seed of the images and of the training")] = 0
    device: Device = "auto"
    threads: Threads = None
    json: Json = False


def verb(argv: list[str]) -> int:
    o = parse(Demo, "demo", argv)
    from algan_ad.cli.show import show_evaluation
    from algan_ad.workflows.demo import demo

    done = demo(o.out, o.seed, o.device, o.threads)
    result = {
        **done.evaluation.summary(),
        "model": str(done.model),
        "report": str(done.report),
        "data": str(done.data),
    }
    return emit(result, o.json, lambda console: show_evaluation(console, done.evaluation, done.report))
