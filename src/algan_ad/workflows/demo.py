"""The main job on data made from a seed: train, calibrate, evaluate, report."""

from dataclasses import dataclass
from pathlib import Path

from algan_ad.data.demo import PLAN, make_demo
from algan_ad.detectors.algan_image import AlganImageConfig
from algan_ad.evaluation.results import Evaluation
from algan_ad.training.device import DeviceName
from algan_ad.workflows.evaluate import evaluate, report
from algan_ad.workflows.train import train

#: Sized for minutes on two cores: small images, and four times the thesis's learning rates for a fifth of its
#: epochs (docs/experiments/demo.md). The thesis's own settings want a GPU.
CONFIG = AlganImageConfig(
    image_size=32, width=32, epochs=96, lr_d=4e-4, lr_g=8e-4, buffer_scope="dataset", observe_every=2
)

SIZE, N_TRAIN, N_GOOD, N_PER_DEFECT = 64, 600, 200, 20
#: 400 to train on and 200 to set the threshold with: enough for a realised rate near the wanted one.
CALIBRATION_FRACTION = 1 / 3
FALSE_ALARM_RATE = 0.05


@dataclass(frozen=True)
class Demo:
    """The result of a demo, and the places of its parts."""

    evaluation: Evaluation
    data: Path
    model: Path
    report: Path


def demo(folder: Path, seed: int = 0, device: DeviceName = "auto", threads: int | None = None) -> Demo:
    """Make the demo parts in `folder`/plates, train `folder`/model on them and write `folder`/report.html.

    The model of an earlier demo is replaced. Raises InputError when `folder`/plates holds something else, or
    `folder`/model a model of another origin.
    """
    made_before = (folder / "plates" / PLAN).is_file()  # by an earlier demo, whose model is not worth keeping
    data = make_demo(folder / "plates", seed, size=SIZE, n_train=N_TRAIN, n_good=N_GOOD, n_per_defect=N_PER_DEFECT)
    model = train(
        data, "algan-image", folder / "model", config=CONFIG, calibration_fraction=CALIBRATION_FRACTION,
        false_alarm_rate=FALSE_ALARM_RATE, seed=seed, device=device, threads=threads, overwrite=made_before,
    )  # fmt: skip
    evaluation = evaluate(model, data)
    page = report(model, evaluation, folder, folder / "model")
    return Demo(evaluation, data, folder / "model", page)
