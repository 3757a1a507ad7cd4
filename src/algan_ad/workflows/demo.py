"""The main job on data made from a seed, as `algan train` does it without any option: train, evaluate, report."""

from dataclasses import dataclass
from pathlib import Path

from algan_ad.data.demo import PLAN, make_demo
from algan_ad.evaluation.results import Evaluation
from algan_ad.training.device import DeviceName
from algan_ad.workflows.commissioning import Line, commission
from algan_ad.workflows.evaluate import evaluate, report
from algan_ad.workflows.train import train

#: 320 plates to train on and 80 that set the threshold, which support a rate of 6 % (docs/experiments/demo.md).
SIZE, N_TRAIN, N_GOOD, N_PER_DEFECT = 64, 400, 100, 20


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
    model = train(data, out=folder / "model", seed=seed, device=device, threads=threads, overwrite=made_before)
    evaluation = evaluate(model, data)
    expected = commission(model, data, evaluation, Line())
    page = report(model, evaluation, folder, folder / "model", commissioning=expected)
    return Demo(evaluation, data, folder / "model", page)
