"""Fig. 5.4: histograms of the raw scores, before any sigmoid (plans that keep `scores`)."""

from pathlib import Path

import numpy as np

from algan_ad.benchmark.outcomes import Outcomes
from algan_ad.evaluation.figures import AUROC
from algan_ad.report.benchmark import Section
from algan_ad.report.contest import histograms
from algan_ad.report.plots import Plot
from algan_ad.runtime.protocols import named

CAPTION = "Minus the discriminator's output before the sigmoid, so that anomalous is high."


def draw(outcomes: Outcomes, files: Path) -> list[Section]:
    """Sections with a plot for each data set, method and protocol, of the first seed; tables show the other seeds."""
    sections = []
    first = outcomes.plan.seeds[0]
    for protocol in outcomes.plan.protocols:
        plots: list[Plot] = []
        for result in outcomes.done():
            path = files / result.key / "scores.npz"
            if result.spec.seed != first or result.spec.protocol != protocol or not path.exists():
                continue
            with np.load(path) as kept:
                scores, labels = kept["scores"], kept["labels"]
            kinds = [("normal", "normal", scores[labels == 0]), ("anomalous", "anomalous", scores[labels == 1])]
            caption = f"{CAPTION} Test AUROC {result.figures[AUROC.key]:.3f}. {named(protocol)}."
            plots.append(histograms(str(result.spec), kinds, "anomaly score", caption))  # type: ignore[arg-type]
        if plots:
            sections.append(Section("Raw scores", protocol, plots=tuple(plots)))
    return sections
