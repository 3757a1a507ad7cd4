"""Figures and tables of the thesis that are not tables of runs: one small module for each kind.

A module with `run(spec, data, folder, device, threads)` carries out the runs of plans that name it as their `page`: it
returns parts of a result and leaves files in `folder`. A module with `draw(outcomes, files)` makes the sections of the
report for plans of its `kind`, from the results and from `files / KEY` of each run.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from algan_ad.benchmark.outcomes import Outcomes
from algan_ad.benchmark.pages import (
    counts,
    cut_paste,
    generated_images,
    histograms,
    latents,
    robustness,
    timing,
    toy,
    validation_curves,
)
from algan_ad.benchmark.plan import RunSpec
from algan_ad.report.benchmark import Section
from algan_ad.training.device import DeviceName


class Page(Protocol):
    """A page. `data` is the folder or table of the run's data set, None for "none"."""

    def run(
        self, spec: RunSpec, data: Path | None, folder: Path, device: DeviceName, threads: int
    ) -> dict[str, Any]: ...


PAGES: dict[str, Page] = {
    "counts": counts,
    "cut-paste": cut_paste,
    "latents": latents,
    "robustness": robustness,
    "timing": timing,
    "toy": toy,
}

DRAWN: dict[str, Callable[[Outcomes, Path], list[Section]]] = {
    "counts": counts.draw,
    "curves": validation_curves.draw,
    "cut-paste": cut_paste.draw,
    "histograms": histograms.draw,
    "latents": latents.draw,
    "robustness": robustness.draw,
    "samples": generated_images.draw,
    "timing": timing.draw,
    "toy": toy.draw,
}
