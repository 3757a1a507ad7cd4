"""Fig. 4.4: images that ALGAN-image generates from normal and anomalous latents (plans that keep `examples`)."""

from pathlib import Path

from algan_ad.benchmark.outcomes import Outcomes
from algan_ad.report.benchmark import Picture, Section

KINDS = {
    "fake-normal": "Fake-normal, from latents N(0, I)",
    "fake-anomalous": "Fake-anomalous, from latents N(0, σ² I)",
    "buffered": "Buffered, from earlier in the training",
}


def draw(outcomes: Outcomes, files: Path) -> list[Section]:
    sections = []
    for result in outcomes.done():
        found = [(title, files / result.key / f"{kind}.png") for kind, title in KINDS.items()]
        pictures = tuple(Picture(title, path.read_bytes()) for title, path in found if path.exists())
        if pictures:
            text = f"The generator in eval mode, after the last epoch. Selected for scoring: {result.selection}."
            sections.append(Section(str(result.spec), result.spec.protocol, text, pictures=pictures))
    return sections
