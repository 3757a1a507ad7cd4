"""The traditional methods and ALGAN on ResNet-18 vectors of MVTec-AD, by splits that plan mvtec-features cannot draw.

    python benchmarks/classical.py --data ../shared/data/mvtec_features_resnet18 --out results/classical.jsonl
    python benchmarks/classical.py ... --out results/many.jsonl --only Mahalanobis 1-NN LOF OCSVM --seeds {0..39}
    python benchmarks/classical.py ... --summary

The published vectors (ADBench) are shuffled, with train and test merged. A split draws as many normals to train on as
the official training set has; the other normals and all anomalies are the test. Here the generator of a seed draws the
splits of all categories, one after the other by name; in the plan each category begins with a new generator of that
seed. Every method trains on all its normals and sets no threshold. Each category, seed and call adds one line of JSON,
and existing lines are kept.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from algan_ad.data.catalog import MVTEC_CATEGORIES
from algan_ad.detectors import METHODS
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.evaluation.metrics import image_auroc

#: Method and settings of each column. Features of one network share a unit, so only OCSVM standardises them.
RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "ALGAN": ("algan-vector", {"discriminator": "layers", "epochs": 48}),
    "Mahalanobis": ("mahalanobis", {"standardise": False}),
    "1-NN": ("knn", {"k": 1, "standardise": False}),
    "LOF": ("lof", {"standardise": False}),
    "OCSVM": ("ocsvm", {"gamma": "scale", "standardise": True}),
    "5-NN": ("knn", {"standardise": False}),
    "k-means": ("kmeans", {"standardise": False}),
    "KDE": ("kde", {"standardise": False}),
    "GMM": ("gmm", {"components": 1, "regularisation": 0.05, "standardise": False}),
    "isolation forest": ("isolation-forest", {"standardise": False}),
}
REFERENCE = {"Mahalanobis": 0.833, "1-NN": 0.817, "LOF": 0.769, "OCSVM": 0.768}  # of an earlier prototype, 5 seeds
BAR = 0.005


def splits(folder: Path, seed: int) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """The category, training normals (n, 512), test vectors (m, 512) and labels (m,), 1 = anomalous, of each split."""
    generator = np.random.default_rng(seed)
    for category in sorted(MVTEC_CATEGORIES):
        with np.load(folder / f"MVTec-AD_{category}.npz") as file:
            X, y = file["X"].astype(np.float32), file["y"].ravel().astype(np.int64)
        normals, n = generator.permutation(np.flatnonzero(y == 0)), MVTEC_CATEGORIES[category].counts.train
        test = np.concatenate([normals[n:], np.flatnonzero(y == 1)])
        yield category, X[normals[:n]], X[test], y[test]


def auroc(name: str, train: np.ndarray, test: np.ndarray, labels: np.ndarray, seed: int) -> float:
    method, settings = RUNS[name]
    detector = METHODS[method](METHODS[method].Config(**settings), "cpu")
    detector.fit(TrainingData(train), RunOptions(seed, "cpu"))
    return image_auroc(labels, detector.score(test, batch_size=len(test)))


def merged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each category and seed, from the lines of several calls."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        found.setdefault((row["category"], row["seed"]), {}).update(row)
    return list(found.values())


def summary(rows: list[dict[str, Any]]) -> str:
    """Markdown: for each method the mean over categories, its mean and deviation over seeds, seed by seed."""
    seeds = sorted({row["seed"] for row in rows})
    lines = [f"seeds {seeds[0]} to {seeds[-1]}\n"]
    lines += ["| method | mean ± deviation | seed by seed | reference | difference |", "|---|---|---|---|---|"]
    for name in (name for name in RUNS if name in rows[0]):
        values = np.array([[row[name] for row in rows if row["seed"] == s] for s in seeds]).mean(1)
        each = " ".join(f"{value:.3f}" for value in values[:5]) + (" ..." if len(values) > 5 else "")
        gap = f"{values.mean() - REFERENCE[name]:+.4f}" if name in REFERENCE else ""
        spread = values.std(ddof=1) if len(values) > 1 else float("nan")
        row = (name, f"{values.mean():.4f} ± {spread:.4f}", each, str(REFERENCE.get(name, "")), gap)
        lines.append(f"| {' | '.join(row)} |")
    known = {name: wanted for name, wanted in REFERENCE.items() if name in rows[0]}
    gaps = [abs(np.mean([row[name] for row in rows]) - wanted) for name, wanted in known.items()]
    lines += [f"\nlargest difference {max(gaps):.4f}, allowed {BAR}"] if gaps else []
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--only", choices=list(RUNS), nargs="+", default=list(RUNS), metavar="METHOD")
    parser.add_argument("--summary", action="store_true", help="only print what is there")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    for seed in () if options.summary else options.seeds:
        for category, train, test, labels in splits(options.data, seed):
            key = {"category": category, "seed": seed, "n_train": len(train)}
            done = {name for row in rows if key.items() <= row.items() for name in row}
            found = {name: auroc(name, train, test, labels, seed) for name in options.only if name not in done}
            if found:
                rows.append(key | found)
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(key | found) + "\n")
    print(summary(merged(rows)))


if __name__ == "__main__":
    main()
