"""Tables 5.6 and 5.7: prediction and training time of all methods, measured in one run.

The methods take turns, so that a load on the machine slows all of them. Settings of the run:

    contestants = [{ name, label, settings }, ...]    the others are compared with the first
    settings                                          for every contestant that has a setting of this name
    epochs          epochs of a method's training here, from which the time of all its epochs is computed
    train_rounds    trainings of each method;  rounds: predictions of each, after `warm_up` that do not count
"""

import random
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from algan_ad.benchmark.outcomes import Outcomes
from algan_ad.benchmark.plan import RunSpec
from algan_ad.benchmark.result_tables import brief
from algan_ad.report.benchmark import Section
from algan_ad.report.tables import EMPTY, Cell, Table
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.files import read_json, write_json
from algan_ad.runtime.protocols import named
from algan_ad.training.device import DeviceName

BATCHES = (1, 16)
Times = dict[str, dict[str, Any]]


def run(spec: RunSpec, data: Path | None, folder: Path, device: DeviceName, threads: int) -> dict[str, Any]:
    assert data is not None
    contests = _contestants(spec, data, device)
    times: Times = {each.label: {"method": each.name, "full_epochs": each.full_epochs, "epochs": each.epochs,
                                 "fit": [], "loop": [], "error": None} | {f"ms/{n}": [] for n in BATCHES}
                    for each in contests}  # fmt: skip
    for _ in range(int(spec.settings.get("train_rounds", 1))):
        for each in contests:
            each.attempt(each.fit, times)
    turns, rng = list(contests), random.Random(spec.seed)  # noqa: S311
    for round_ in range(-int(spec.settings.get("warm_up", 2)), int(spec.settings.get("rounds", 30))):
        rng.shuffle(turns)
        for n in BATCHES:
            for each in turns:
                each.attempt(lambda t, each=each, n=n, counts=round_ >= 0: each.predict(t, n, counts), times)
    write_json(folder / "times.json", times)
    figures = {f"{label}/{key}": value for label, of in times.items() for key, value in summary(of).items()}
    if all(of["error"] for of in times.values()):
        raise InputError("no method could be timed: " + "; ".join(f"{k}: {v['error']}" for k, v in times.items()))
    return {"figures": figures, "notes": {label: of["error"] for label, of in times.items() if of["error"]}}


class Contestant:
    """A method with its data, ready to be trained and timed many times."""

    def __init__(self, spec: RunSpec, entry: dict[str, Any], data: Path, device: DeviceName) -> None:
        from algan_ad.benchmark.division import load_samples
        from algan_ad.detectors import METHODS

        kind = METHODS[entry["name"]]
        fields = kind.Config.model_fields
        shared = {k: v for k, v in spec.settings.get("settings", {}).items() if k in fields}
        settings = shared | entry.get("settings", {})
        self.name, self.label = entry["name"], entry.get("label", entry["name"])
        self.epochs = int(spec.settings.get("epochs", 1)) if "epochs" in fields else None
        config = kind.Config(**settings)
        self.full_epochs = getattr(config, "epochs", None)
        self.config = config if self.epochs is None else kind.Config(**settings | {"epochs": self.epochs})
        self.kind, self.seed, self.device = kind, spec.seed, device
        self.detector = kind(self.config, device)
        self.samples = load_samples(spec, data, self.detector)

    def attempt(self, work: Any, times: Times) -> None:
        """Do some work with the method. A failure is recorded, and the method is left out from then on."""
        mine = times[self.label]
        if mine["error"] is None:
            try:
                work(mine)
            except Exception as error:  # one method must not take the others with it
                mine["error"] = f"{type(error).__name__}: {error}"

    def fit(self, mine: dict[str, Any]) -> None:
        from algan_ad.detectors.shared.contract import RunOptions

        self.detector = self.kind(self.config, self.device)
        start = time.perf_counter()
        trained = self.detector.fit(self.samples.data, RunOptions(self.seed, self.device))
        mine["fit"].append(time.perf_counter() - start)
        mine["loop"].append(trained.loop_seconds)

    def predict(self, mine: dict[str, Any], n: int, counts: bool) -> None:
        """Time a prediction. Scores reach the CPU before the clock stops; decoding is not part of it."""
        images: NDArray[Any] = np.resize(np.asarray(self.samples.test[:n]), (n, *np.shape(self.samples.test[:1])[1:]))
        start = time.perf_counter()
        self.detector.score(images, n)
        if counts:
            mine[f"ms/{n}"].append(1000 * (time.perf_counter() - start) / n)


def _contestants(spec: RunSpec, data: Path, device: DeviceName) -> list[Contestant]:
    """Make all contestants. Raises InputError, which lists those that cannot be made, before anything is timed."""
    found, wrong = [], []
    for entry in spec.settings.get("contestants", []):
        try:
            found.append(Contestant(spec, entry, data, device))
        except (InputError, KeyError, ValueError) as error:
            wrong.append(f"{entry}: {error}")
    if wrong or not found:
        raise InputError("timing: " + ("; ".join(wrong) or "no contestants; list them in the settings"))
    return found


def summary(of: dict[str, Any]) -> dict[str, float]:
    """Median and 95th percentile of the predictions in ms an image, and seconds of the training here and in full."""
    found: dict[str, float] = {}
    for n in BATCHES:
        if of[f"ms/{n}"]:
            found[f"ms_{n}"], found[f"p95_{n}"] = (float(np.quantile(of[f"ms/{n}"], q)) for q in (0.5, 0.95))
    if of["fit"]:
        fit, loop = float(np.median(of["fit"])), float(np.median(of["loop"]))
        found["fit_s"] = fit
        # the time of the work done once stays, that of the epochs grows with their number
        found["full_s"] = fit if of["epochs"] is None else max(fit - loop, 0) + loop * of["full_epochs"] / of["epochs"]
    return found


def draw(outcomes: Outcomes, files: Path) -> list[Section]:
    sections = []
    for result in outcomes.done():
        times: Times = read_json(files / result.key / "times.json")
        facts = ", ".join(f"{k} {v}" for k, v in result.machine.items() if v)
        text = (
            f"All methods took turns in one run on one machine ({facts}), in random order; the images were decoded "
            f"before. {named(result.spec.protocol)}; scale {result.spec.scale}."
        )
        tables = (_prediction(outcomes, times), _training(outcomes, times))
        order = tables if outcomes.plan.options.get("first") != "training" else tables[::-1]
        sections.append(Section("Prediction and training time (5.4.3)", result.spec.protocol, text, tables=order))
    return sections


def _prediction(outcomes: Outcomes, times: Times) -> Table:
    found = {label: summary(of) for label, of in times.items()}
    base = next(iter(found.values()))
    body = []
    for label, mine in found.items():
        cells: list[Cell] = []
        for n in BATCHES:
            if f"ms_{n}" not in mine:
                cells += [Cell("failed", mark="†"), EMPTY, EMPTY]
                continue
            cells += [_number(mine[f"ms_{n}"]), _number(mine[f"p95_{n}"]), _ratio(mine[f"ms_{n}"], base.get(f"ms_{n}"))]
        cells.append(_published(outcomes, label, "ms"))
        body.append((label, tuple(cells)))
    rounds = max(len(of["ms/1"]) for of in times.values())
    first = next(iter(times))
    caption = (
        f"Milliseconds an image, over {rounds} rounds after warming up; × is the ratio of medians to {first}. The "
        "thesis measured on an A100, with the ratio to its own ALGAN-image in brackets. † failed: "
        + ("; ".join(f"{label}: {of['error']}" for label, of in times.items() if of["error"]) or "none") + "."
    )  # fmt: skip
    columns = [f"{what}, batch {n}" for n in BATCHES for what in ("median", "p95", "×")]
    return Table("Prediction", caption, "method", (*columns, "thesis"), tuple(body))


def _training(outcomes: Outcomes, times: Times) -> Table:
    found = {label: summary(of) for label, of in times.items()}
    base = next(iter(found.values()))
    body = []
    for label, mine in found.items():
        epochs, full = times[label]["epochs"], times[label]["full_epochs"]
        if "fit_s" not in mine:
            cells = [Cell("failed", mark="†"), EMPTY, EMPTY, EMPTY, EMPTY]
        else:
            cells = [
                _number(mine["fit_s"]), Cell("once" if epochs is None else str(epochs)),
                Cell("once" if full is None else str(full)), _number(mine["full_s"]),
                _ratio(mine["full_s"], base.get("full_s")),
            ]  # fmt: skip
        body.append((label, (*cells, _published(outcomes, label, "minutes"))))
    caption = (
        f"Seconds, median of {max(len(of['fit']) for of in times.values())} trainings. Measured for the epochs of the "
        "second column; the time in full is computed for the plan, not measured. × is the ratio of that to "
        f"{next(iter(times))}. The thesis gives minutes on an A100, mean over MVTec-AD."
    )
    return Table(
        "Training",
        caption,
        "method",
        ("measured, s", "epochs here", "epochs in full", "in full, s", "×", "thesis, min"),
        tuple(body),
    )


def _published(outcomes: Outcomes, label: str, unit: str) -> Cell:
    thesis = outcomes.plan.thesis
    text, base = thesis.get(f"{label}|{unit}"), thesis.get(f"ALGAN-image|{unit}")
    if text is None or base is None:
        return EMPTY
    return Cell(f"{text} (× {brief(float(text) / float(base))})")


def _number(value: float) -> Cell:
    return Cell(f"{value:#.3g}".rstrip("."), numbers={"mean": value})


def _ratio(value: float, base: float | None) -> Cell:
    return EMPTY if not base else Cell(brief(value / base), numbers={"mean": value / base})
