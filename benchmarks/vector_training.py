"""ALGAN on vectors during training: AUROC and mean logits by updates, and the gain from each kind of pseudo-anomaly.

    python benchmarks/vector_training.py curves --data ../shared/data --out results/vector-curves.jsonl
    python benchmarks/vector_training.py ablation --data ../shared/data --out results/vector-ablation.jsonl

The splits are those of benchmarks/vectors.py. `curves` shows the layers of the thesis and the mixture: AUROC on the
test, and the mean logits of normal test rows, of fake-normal and of fake-anomalous data. `ablation` shows the mixture
trained with ten times the default learning rate, with one kind of pseudo-anomaly left out at a time: AUROC minus that
of the untrained mixture.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from algan_ad.detectors.algan_vector import AlganVector, AlganVectorConfig
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.training.loop import RunFolder
from vectors import CATEGORIES, TABLES, split

LAYERS = {"discriminator": "layers", "batch_size": 64, "epochs": 64, "observe_every": 2, "selection": "last"}
MIXTURE = {"epochs": 128, "observe_every": 4, "selection": "last"}
CURVES = {
    "layers, eq. 4.3": LAYERS,
    "mixture": MIXTURE,
    "mixture, lr_d 1e-3": MIXTURE | {"lr_d": 1e-3},
    "mixture, lr_d 1e-3, without noise": MIXTURE | {"lr_d": 1e-3, "noise": 0.0},
}
FASTER = {"lr_d": 1e-3, "selection": "last"}
ABLATION = {
    "ten times the steps": {"epochs": 40},
    "all kinds": FASTER,
    "without noise": FASTER | {"noise": 0.0},
    "without buffered": FASTER | {"buffered": False},
    "without fake-anomalous": FASTER | {"anomalous_latents": False},
    "noise and fake-normal alone": FASTER | {"buffered": False, "anomalous_latents": False},
    "lr_d 1e-2, all kinds": {"lr_d": 1e-2, "selection": "last"},
}
KINDS = ("fake-normal", "fake-anomalous")
SHOWN = ("28_pendigits", "30_satellite", "38_thyroid", "grid")


def rows_of(data: Path, name: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if name in CATEGORIES:
        return split("mvtec", data / "mvtec_features_resnet18", name, seed)
    return split("tabular", data / "tabular", name, seed)


def curve(data: Path, name: str, seed: int, settings: dict[str, Any]) -> list[dict[str, float]]:
    """Points of the curve: updates of D, AUROC, and mean logits."""
    train, test, labels = rows_of(data, name, seed)
    detector = AlganVector(AlganVectorConfig(**settings), "cpu")
    batches = 8 if detector.config.discriminator == "mixture" else -(-len(train) // detector.config.batch_size)
    found: list[dict[str, float]] = []

    def watch(epoch: int, weights: dict[str, torch.Tensor]) -> None:
        detector.use_weights(weights)
        scores = detector.score(test, batch_size=4096)
        found.append(
            {"steps": epoch * batches, "auroc": image_auroc(labels, scores), "normal": -scores[labels == 0].mean()}
        )

    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder))
        detector.fit(TrainingData(train), RunOptions(seed, "cpu", run, watch=watch))
        monitors = [json.loads(line) for line in run.metrics.read_text().splitlines()]
    looks = [row for row in monitors if "logit/fake-normal" in row]
    return [point | {k: row[f"logit/{k}"] for k in KINDS} for point, row in zip(found, looks, strict=True)]


def gains(data: Path, name: str, seed: int) -> dict[str, float]:
    """AUROC of the untrained mixture, and the differences that training makes."""
    train, test, labels = rows_of(data, name, seed)

    def auroc(settings: dict[str, Any]) -> float:
        detector = AlganVector(AlganVectorConfig(**settings), "cpu")
        detector.fit(TrainingData(train), RunOptions(seed, "cpu"))
        return image_auroc(labels, detector.score(test, batch_size=4096))

    start = auroc({"epochs": 1, "lr_d": 1e-9})
    return {"untrained": start, "defaults": auroc({}) - start} | {k: auroc(s) - start for k, s in ABLATION.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["curves", "ablation"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    o = parser.parse_args()
    torch.set_num_threads(1)
    o.out.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    with o.out.open("w", encoding="utf-8") as file:
        for seed in o.seeds[:1] if o.what == "curves" else o.seeds:
            for name in SHOWN if o.what == "curves" else (*CATEGORIES, *TABLES):
                if o.what == "curves":
                    found = [{"variant": v, "points": curve(o.data, name, seed, s)} for v, s in CURVES.items()]
                else:
                    found = [gains(o.data, name, seed)]
                lines += [{"set": name, "seed": seed} | each for each in found]
                file.writelines(json.dumps(line) + "\n" for line in lines[-len(found) :])
                file.flush()
    print(_curves(lines) if o.what == "curves" else _gains(lines))


def _curves(lines: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"{line['set']:14} {line['variant']:34} "
        + " ".join(
            f"{p['steps']}:{p['auroc']:.3f}({p['normal']:.2f} {p['fake-normal']:.2f} {p['fake-anomalous']:.2f})"
            for p in line["points"]
        )
        for line in lines
    )


def _gains(lines: list[dict[str, Any]]) -> str:
    """Means over sets, with the standard error of the mean over the seeds."""
    seeds = sorted({line["seed"] for line in lines})
    text = []
    for kind, sets in (("mvtec", set(CATEGORIES)), ("tabular", set(TABLES))):
        for key in [k for k in lines[0] if k not in ("set", "seed")]:
            means = [np.mean([x[key] for x in lines if x["seed"] == s and x["set"] in sets]) for s in seeds]
            text.append(f"{kind} {key}: {np.mean(means):+.4f} ± {np.std(means, ddof=1):.4f}")
    return "\n".join(text)


if __name__ == "__main__":
    main()
