"""Table 5.13: ALGAN-image against anomalies that are not in the test data, generated or pasted."""

from pathlib import Path
from typing import Any

import numpy as np

from algan_ad.benchmark.outcomes import Outcome, Outcomes
from algan_ad.benchmark.pages.cut_paste import AREA
from algan_ad.benchmark.plan import RunSpec
from algan_ad.evaluation.comparison import spread
from algan_ad.evaluation.figures import AUROC
from algan_ad.report.benchmark import Picture, Section
from algan_ad.report.tables import Cell, Table
from algan_ad.runtime.protocols import named
from algan_ad.training.device import DeviceName

SIGMAS = (5, 6, 7, 8)
PASTED = "CutPaste-style"


def run(spec: RunSpec, data: Path | None, folder: Path, device: DeviceName, threads: int) -> dict[str, Any]:
    """Train, then score the normal test images and as many made-up ones as there are anomalous test images.

    The generator is that of the last epoch, in eval mode, where sigma has its full effect.
    """
    import torch

    from algan_ad.algan.latents import Latents
    from algan_ad.algan.networks import ImageGenerator
    from algan_ad.benchmark.division import load_samples
    from algan_ad.benchmark.run_folder import training_folder
    from algan_ad.data.cutpaste import cut_paste
    from algan_ad.detectors.algan_image import AlganImage, AlganImageConfig
    from algan_ad.detectors.shared.contract import RunOptions
    from algan_ad.detectors.shared.pixels import to_pixels
    from algan_ad.evaluation.metrics import image_auroc
    from algan_ad.runtime.drawings import sheet
    from algan_ad.training.checkpoint import load_checkpoint
    from algan_ad.training.seeding import seed_torch

    assert data is not None
    c = AlganImageConfig(**spec.settings)
    detector = AlganImage(c, device)
    found = load_samples(spec, data, detector)
    run_folder = training_folder(folder)
    trained = detector.fit(found.data, RunOptions(spec.seed, device, run_folder))
    G = ImageGenerator(c.image_size, c.z_dim, c.width, c.max_width)
    G.load_state_dict(load_checkpoint(run_folder.checkpoint)["adversary"]["G"])
    G.eval()

    normal = np.asarray(found.test[np.flatnonzero(found.labels == 0)])
    n = int(found.labels.sum())
    made_up = {}
    for sigma in SIGMAS:
        seed_torch(spec.seed, "robustness", sigma)
        with torch.no_grad():
            made_up[f"σ = {sigma}"] = to_pixels(G(Latents(c.z_dim, float(sigma)).anomalous(n)))
    chosen = np.random.default_rng(spec.seed).integers(len(normal), size=n)
    made_up[PASTED] = cut_paste(normal[chosen], spec.seed, AREA)

    scores = detector.score(normal)
    figures = {AUROC.key: image_auroc(found.labels, detector.score(found.test))}
    for kind, images in made_up.items():
        labels = np.repeat([0, 1], [len(normal), n])
        figures[kind] = image_auroc(labels, np.concatenate([scores, detector.score(images)]))
        (folder / f"{kind}.png").write_bytes(sheet(images[:8]))
    return {
        "figures": figures, "n_train": len(found.data.train), "n_normal": len(normal), "n_anomalous": n,
        "notes": found.notes, "train_seconds": trained.loop_seconds, "selection": trained.selection,
    }  # fmt: skip


def draw(outcomes: Outcomes, files: Path) -> list[Section]:
    kinds = [*(f"σ = {sigma}" for sigma in SIGMAS), PASTED]
    sections = []
    for protocol in outcomes.plan.protocols:
        for row in outcomes.rows:
            outcome = outcomes.of(outcomes.labels[0], row, protocol)
            if not outcome.done:
                continue
            first = next(iter(outcome.done.values()))
            body = [
                ("normal test images", tuple(Cell(str(first.n_normal)) for _ in kinds)),
                ("anomalous, made up", tuple(Cell(str(first.n_anomalous)) for _ in kinds)),
                ("AUROC", tuple(_cell(outcome, kind, outcomes.plan.thesis.get(f"{kind}|AUROC", "")) for kind in kinds)),
            ]  # fmt: skip
            real = spread(list(outcome.values(AUROC.key).values())).mean
            caption = (
                f"Against the normal test images of {row.name}. † fewer seeds than planned. On the real anomalies "
                f"of the same test set the AUROC is {real:.3f}. {named(protocol)}; scale {outcomes.plan.scale}."
            )
            table = Table(f"Other anomalies, {row.name}", caption, "", tuple(kinds), tuple(body), protocol)
            pictures = tuple(
                Picture(kind, path.read_bytes())
                for kind in kinds
                if (path := files / first.key / f"{kind}.png").exists()
            )
            sections.append(
                Section("Robustness to other anomalous data (5.7)", protocol, tables=(table,), pictures=pictures)
            )
    return sections


def _cell(outcome: Outcome, kind: str, beside: str) -> Cell:
    found, planned = spread(list(outcome.values(kind).values())), len(outcome.planned)
    text = f"{found.mean:.3f}" + (f" ± {found.sd:.3f}" if found.n > 1 else "")
    numbers: dict[str, float | int | str] = {
        "mean": found.mean,
        "sd": found.sd,
        "seeds": found.n,
        "planned": planned,
        "thesis": beside,
    }
    return Cell(text, beside, mark="†" if found.n < planned else "", numbers=numbers)
