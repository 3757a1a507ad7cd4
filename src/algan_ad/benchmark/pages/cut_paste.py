"""Fig. 5.7: CutPaste-style images (5.7), with a patch of 20 to 30 % of the image jittered and pasted elsewhere."""

from pathlib import Path
from typing import Any

import numpy as np

from algan_ad.benchmark.outcomes import Outcomes
from algan_ad.benchmark.plan import RunSpec
from algan_ad.report.benchmark import Picture, Section
from algan_ad.training.device import DeviceName

AREA = (0.2, 0.3)  # of the image; the aspect ratio, 3:1 to 1:3, is that of data/cutpaste.py
N_SHOWN = 8


def run(spec: RunSpec, data: Path | None, folder: Path, device: DeviceName, threads: int) -> dict[str, Any]:
    """Keep normal test images as the method sees them, and an altered copy of each."""
    from algan_ad.benchmark.division import load_samples
    from algan_ad.data.cutpaste import cut_paste
    from algan_ad.detectors import METHODS
    from algan_ad.runtime.drawings import sheet

    assert data is not None
    detector = METHODS[spec.method](METHODS[spec.method].Config(**spec.settings), device)
    found = load_samples(spec, data, detector)
    images = np.asarray(found.test[np.flatnonzero(found.labels == 0)[:N_SHOWN]])
    (folder / "normal.png").write_bytes(sheet(images))
    (folder / "cut-paste.png").write_bytes(sheet(cut_paste(images, spec.seed, AREA)))
    return {"n_normal": len(images)}


def draw(outcomes: Outcomes, files: Path) -> list[Section]:
    sections = []
    for result in outcomes.done():
        folder = files / result.key
        pictures = (
            Picture("Normal test images", (folder / "normal.png").read_bytes()),
            Picture("The same, CutPaste-style", (folder / "cut-paste.png").read_bytes(),
                    "A patch of 20 to 30 % of the image, between 3:1 and 1:3, colour-jittered, pasted at random."),
        )  # fmt: skip
        sections.append(Section(result.spec.category or result.spec.dataset, pictures=pictures))
    return sections
