"""Fig. 5.6: the validation AUROC over the epochs of a training (plans that keep `metrics`)."""

from pathlib import Path

import numpy as np

from algan_ad.benchmark.outcomes import Outcomes
from algan_ad.evaluation.metrics import Floats
from algan_ad.report.benchmark import Section
from algan_ad.report.contest import curves
from algan_ad.report.tables import Cell, Table
from algan_ad.runtime.protocols import named
from algan_ad.training.trackers import read_rows

#: Monitored under each protocol: labelled images of the validation half, or good images and altered copies of them.
MONITORED = {"thesis": ("validation_auroc",), "normal-only": ("made-up_auroc", "cut-paste_auroc")}
WHAT = {
    "thesis": "AUROC on the labelled validation half",
    "normal-only": "AUROC on good training images against altered copies of them: no labels",
}


def draw(outcomes: Outcomes, files: Path) -> list[Section]:
    """Sections with the curves of the first seed, and the movement of all seeds in the second half of the training."""
    sections = []
    for protocol in outcomes.plan.protocols:
        shown: dict[str, tuple[Floats, Floats]] = {}
        movement: dict[str, list[float]] = {}
        seeds: set[int] = set()
        for result in outcomes.done():
            path = files / result.key / "metrics.jsonl"
            if result.spec.protocol != protocol or not path.exists():
                continue
            every = read_rows(path)
            found = [key for key in MONITORED.get(protocol, ()) if any(key in row for row in every)]
            if not found:
                continue
            rows = [row for row in every if found[0] in row]
            epochs, aurocs = (np.array([row[key] for row in rows]) for key in ("epoch", found[0]))
            name = result.spec.label
            if len(outcomes.rows) > 1:
                name += f", {result.spec.category or result.spec.dataset}"
            if name not in shown:
                shown[name] = epochs, aurocs
                seeds.add(result.spec.seed)
            movement.setdefault(name, []).append(float(aurocs[len(aurocs) // 2 :].std()))
        if not shown:
            continue
        which = ", ".join(map(str, sorted(seeds)))
        caption = f"{WHAT[protocol]}, seed {which}: the first that was done. {named(protocol)}."
        plot = curves("Validation results during training", shown, "epoch", "AUROC", caption)
        means = {name: float(np.mean(values)) for name, values in movement.items()}
        n_seeds = {name: len(values) for name, values in movement.items()}
        body = tuple(
            (name, (Cell(f"{mean:.3f}", numbers={"mean": mean}), Cell(str(n_seeds[name]))))
            for name, mean in means.items()
        )
        stability = Table(
            "Stability", "Standard deviation of the curve over the second half of the training, mean over seeds; "
            f"lower = steadier. {named(protocol)}.", "method", ("movement", "seeds"), body, protocol,
        )  # fmt: skip
        sections.append(Section("Training stability (5.4.4)", protocol, plots=(plot,), tables=(stability,)))
    return sections
