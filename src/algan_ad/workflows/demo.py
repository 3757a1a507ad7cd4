"""The main job on data made from a seed: train, calibrate, evaluate, report."""

from dataclasses import dataclass
from pathlib import Path

from algan_ad.data.demo import make_demo
from algan_ad.detectors.algan_image import AlganImageConfig
from algan_ad.evaluation.results import Evaluation
from algan_ad.training.device import DeviceName
from algan_ad.workflows.evaluate import evaluate, report
from algan_ad.workflows.train import train

#: Sized for minutes on two cores; the thesis's own settings need a GPU.
CONFIG = AlganImageConfig(image_size=32, width=32, epochs=160)
N_TRAIN, N_GOOD, N_PER_DEFECT, SIZE = 500, 200, 20, 64


@dataclass(frozen=True)
class Demo:
    evaluation: Evaluation
    data: Path
    model: Path
    report: Path


def demo(
    folder: Path,
    seed: int = 0,
    device: DeviceName = "auto",
    threads: int | None = None,
    epochs: int = CONFIG.epochs,
) -> Demo:
    """Make the demo parts in `folder`/data, train `folder`/model on them and write `folder`/report.html."""
    data = make_demo(folder / "data", seed, size=SIZE, n_train=N_TRAIN, n_good=N_GOOD, n_per_defect=N_PER_DEFECT)
    config = CONFIG.model_copy(update={"epochs": epochs})
    model = train(
        data,
        "algan-image",
        folder / "model",
        config=config,
        seed=seed,
        device=device,
        threads=threads,
        overwrite=True,
    )
    evaluation = evaluate(model, data)
    page = report(model, evaluation, folder, folder / "model")
    return Demo(evaluation, data, folder / "model", page)
