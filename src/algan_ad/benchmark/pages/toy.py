"""Fig. 4.5: ALGAN on a two-dimensional normal distribution, where everything can be drawn."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from algan_ad.benchmark.outcomes import Outcomes
from algan_ad.benchmark.plan import RunSpec
from algan_ad.report.benchmark import Section
from algan_ad.report.contest import Cloud, plane
from algan_ad.training.device import DeviceName

DRAWN: tuple[Literal["fake-anomalous", "fake-normal"], ...] = ("fake-anomalous", "fake-normal")
N_TRAIN, N_SHOWN, N_JUDGED = 1024, 400, 2000
HALF, RESOLUTION = 8.0, 81  # half the side, and points along a side, of the square that is drawn
FAR = 5.0  # radius of a circle that no real-normal sample comes near


def run(spec: RunSpec, data: Path | None, folder: Path, device: DeviceName, threads: int) -> dict[str, Any]:
    """Train the networks of ALGAN-vector by its objective and loop on N(0, I) in the plane, without conditioning."""
    import torch

    from algan_ad.algan.networks import VectorDiscriminator, VectorGenerator
    from algan_ad.detectors.algan_vector import AlganVectorConfig
    from algan_ad.detectors.shared.algan_adversary import AlganAdversary, make_algan
    from algan_ad.evaluation.metrics import image_auroc
    from algan_ad.training.device import pick_device
    from algan_ad.training.loop import Schedule, train
    from algan_ad.training.seeding import seed_torch

    c, place = AlganVectorConfig(**spec.settings), pick_device(device)
    seed_torch(spec.seed, "toy")
    x, unseen = torch.randn(N_TRAIN, 2).to(place), torch.randn(N_JUDGED, 2).to(place)
    algan = make_algan(c, VectorGenerator(2, c.z_dim, c.hidden), VectorDiscriminator(2, c.hidden), N_TRAIN, place)
    schedule = Schedule(
        c.epochs, c.batch_size, spec.seed, "average", c.observe_every, dtype=torch.float32, device=place
    )
    trained = train(AlganAdversary(algan, None, None), N_TRAIN, lambda i: x[i.to(place)], schedule)

    seed_torch(spec.seed, "toy samples")
    made, D = algan.pseudo_samples(N_JUDGED), VectorDiscriminator(2, c.hidden, normalised=False).to(place)
    D.load_state_dict({name.removeprefix("discriminator."): w for name, w in trained.weights.items()})
    axis = torch.linspace(-HALF, HALF, RESOLUTION)
    far = torch.nn.functional.normalize(torch.randn(N_JUDGED, 2)).to(place) * FAR
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2).to(place)
    with torch.no_grad():
        score = {"real": -D(unseen), "field": -D(grid), "circle": -D(far)} | {
            kind: -D(made[kind]) for kind in ("fake-normal", "fake-anomalous")
        }
    scores = {kind: values.cpu().numpy().astype(np.float64) for kind, values in score.items()}
    labels = np.repeat([0, 1], N_JUDGED)
    figures = {
        f"auroc/{kind}": image_auroc(labels, np.concatenate([scores["real"], scores[kind]]))
        for kind in ("fake-normal", "fake-anomalous", "circle")
    }
    figures |= {f"sd/{kind}": float(made[kind].std(0).mean()) for kind in ("fake-normal", "fake-anomalous")}
    kept: dict[str, Any] = {kind: made[kind][:N_SHOWN].cpu().numpy() for kind in ("fake-normal", "fake-anomalous")}
    kept |= {"real": x[:N_SHOWN].cpu().numpy(), "field": scores["field"].reshape(RESOLUTION, RESOLUTION)}
    kept["levels"] = np.quantile(scores["real"], [0.5, 0.75, 0.9, 0.95, 0.99])
    np.savez_compressed(folder / "toy.npz", **kept)
    return {
        "figures": figures,
        "n_train": N_TRAIN,
        "train_seconds": trained.loop_seconds,
        "selection": trained.selection,
    }


def draw(outcomes: Outcomes, files: Path) -> list[Section]:
    sections = []
    for result in outcomes.done():
        with np.load(files / result.key / "toy.npz") as kept:
            clouds = {name: kept[name] for name in ("real", "fake-normal", "fake-anomalous")}
            field, levels = kept["field"], kept["levels"].tolist()
        fakes: list[Cloud] = [(name, name, clouds[name]) for name in DRAWN]
        real: Cloud = ("real-normal", "real-normal", clouds["real"])
        f = {name: value or 0.0 for name, value in result.figures.items()}
        spreads = (
            f"Standard deviation of the fake-normal data {f['sd/fake-normal']:.2f} (the real data's is 1), of the "
            f"fake-anomalous {f['sd/fake-anomalous']:.2f}."
        )
        judged = (
            "The discriminator distinguishes unseen real-normal data from fake-normal with AUROC "
            f"{f['auroc/fake-normal']:.3f} (0.5: not at all), from fake-anomalous with "
            f"{f['auroc/fake-anomalous']:.3f}, and from points on a circle of radius {FAR:g} with "
            f"{f['auroc/circle']:.3f}. Shaded: the anomaly score, in steps that 50, 75, 90, 95 and 99 % of real-normal "
            "data stay below."
        )
        plots = (
            plane("(a) Fake data", fakes, HALF, None, (), spreads),
            plane("(b) Real-normal data on top, and the score", [*fakes, real], HALF, field, levels, judged),
        )  # fmt: skip
        text = "The generator in eval mode; its batch-norm statistics are those of its own updates, of normal latents."
        title = f"ALGAN on a normal distribution in the plane, seed {result.spec.seed}"
        sections.append(Section(title, text=text, plots=plots))
    return sections
