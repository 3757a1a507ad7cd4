"""Fig. 5.8: the three combinations of normal and anomalous latents of section 5.9."""

from pathlib import Path
from typing import Any, get_args

import numpy as np

from algan_ad.benchmark.outcomes import Outcomes
from algan_ad.benchmark.plan import RunSpec
from algan_ad.report.benchmark import Section
from algan_ad.report.contest import histograms
from algan_ad.training.device import DeviceName

TITLES = {
    "normal": "(a) N(0, 1) and N(0, σ²), σ = 4",
    "truncated-normal": "(b) N(0, 1) and N(0, σ²) without [−2, 2]",
    "uniform": "(c) U(−1, 1) and U(−2, 2) without [−1, 1]",
}


def run(spec: RunSpec, data: Path | None, folder: Path, device: DeviceName, threads: int) -> dict[str, Any]:
    """Draw `n` numbers (a setting, 20,000 by default) from each of the six distributions, as training does."""
    from algan_ad.algan.latents import LatentFamily, Latents
    from algan_ad.training.seeding import seed_torch

    n = int(spec.settings.get("n", 20000))
    seed_torch(spec.seed, "latents")
    drawn: dict[str, Any] = {}
    figures: dict[str, float] = {}
    for family in get_args(LatentFamily):
        source = Latents(dim=1, sigma=4.0, family=family)
        z_n, z_a = source.normal(n).numpy().ravel(), source.anomalous(n).numpy().ravel()
        drawn |= {f"{family}/normal": z_n, f"{family}/anomalous": z_a}
        edges = np.linspace(-20, 20, 401)
        shares = [np.histogram(z, edges)[0] / n for z in (z_n, z_a)]
        figures[f"overlap/{family}"] = float(np.minimum(*shares).sum())
    np.savez_compressed(folder / "latents.npz", **drawn)
    return {"figures": figures}


def draw(outcomes: Outcomes, files: Path) -> list[Section]:
    plots = []
    for result in outcomes.done()[:1]:
        with np.load(files / result.key / "latents.npz") as kept:
            for family, title in TITLES.items():
                share = result.figures[f"overlap/{family}"] or 0.0
                kinds = [(f"{kind} latents", role, kept[f"{family}/{kind}"])
                         for kind, role in (("normal", "fake-normal"), ("anomalous", "fake-anomalous"))]  # fmt: skip
                caption = f"The two distributions have {share:.0%} of their mass in common."
                plots.append(histograms(title, kinds, "latent variable", caption))  # type: ignore[arg-type]
    return [Section("The latents of the three experiments", plots=tuple(plots))] if plots else []
