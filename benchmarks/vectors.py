"""ALGAN on ResNet-18 vectors of MVTec-AD beside Mahalanobis and 1-NN, same splits, protocol normal-only.

    python benchmarks/vectors.py --data ../shared/data/mvtec_features_resnet18 --out results/vectors.jsonl
    python benchmarks/vectors.py ... --summary

The published vectors (ADBench) are shuffled, train and test merged. A split therefore draws as many normals to
train on as the official training set has (thesis, Table 5.1); the other normals and all anomalies are the test.
`ALGANDetector` is called as a user would, with its defaults: of its training normals it holds out a fifth to
calibrate. The other methods train on all of them; one column shows Mahalanobis on the same four fifths.
One line of JSON a category and seed; what is there is kept.
"""

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors

from algan_ad.data.catalog import MVTEC_CATEGORIES
from algan_ad.estimator import ALGANDetector

TUNED_ON = ("carpet", "tile", "cable", "metal_nut", "toothbrush")  # settings were chosen on these, seeds 100 and up
CATEGORIES = (*TUNED_ON, *(name for name in MVTEC_CATEGORIES if name not in TUNED_ON))
METHODS = ("algan", "mahalanobis", "mahalanobis, same 80 %", "1nn")


def split(folder: Path, category: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training normals (n, 512), test vectors (m, 512), test labels (m,), 1 = anomalous."""
    with np.load(folder / f"MVTec-AD_{category}.npz") as file:
        X, y = file["X"], file["y"].ravel()
    normals = np.random.default_rng(seed).permutation(np.flatnonzero(y == 0))
    n = MVTEC_CATEGORIES[category].counts.train
    test = np.concatenate([normals[n:], np.flatnonzero(y == 1)])
    return X[normals[:n]], X[test], y[test]


def compare(folder: Path, category: str, seed: int) -> dict[str, Any]:
    train, test, labels = split(folder, category, seed)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # too few normals for a false alarm rate of 1 %
        detector = ALGANDetector(random_state=seed).fit(train)
    seconds = time.perf_counter() - start
    decisions = detector.predict(test)
    scores = {
        "algan": -detector.score_samples(test),
        "mahalanobis": mahalanobis(train, test),
        "mahalanobis, same 80 %": mahalanobis(np.delete(train, detector.calibration_indices_, 0), test),
        "1nn": NearestNeighbors(n_neighbors=1).fit(train).kneighbors(test)[0][:, 0],
    }
    return {
        "category": category, "seed": seed, "n_train": len(train), "n_test": len(test),
        **{method: roc_auc_score(labels, scores[method]) for method in METHODS},
        "seconds": round(seconds, 1), "guaranteed_rate": detector.calibration_.guaranteed_rate,
        "false_alarms": float((decisions[labels == 0] == -1).mean()),
        "detections": float((decisions[labels == 1] == -1).mean()),
    }  # fmt: skip


def mahalanobis(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    return LedoitWolf().fit(train.astype(np.float64)).mahalanobis(test.astype(np.float64))


def summary(rows: list[dict[str, Any]]) -> str:
    """Markdown: the mean over seeds of each category; then means over categories with their spread over seeds."""
    lines = ["| category | seeds | " + " | ".join(METHODS) + " |", "|---|---|" + "---|" * len(METHODS)]
    for category in CATEGORIES:
        chosen = [row for row in rows if row["category"] == category]
        if chosen:
            means = " | ".join(f"{np.mean([row[m] for row in chosen]):.3f}" for m in METHODS)
            lines.append(f"| {category} | {len(chosen)} | {means} |")
    for name, categories in (("all", CATEGORIES), ("not tuned on", CATEGORIES[len(TUNED_ON) :])):
        table = _by_seed([row for row in rows if row["category"] in categories])
        if table:
            values = np.array([[np.mean([row[m] for row in chosen]) for m in METHODS] for chosen in table])
            means = " | ".join(f"{m:.4f} ± {s:.4f}" for m, s in zip(values.mean(0), _spread(values), strict=True))
            lines.append(f"| **{name}** | {len(table)} | {means} |")
            difference = values[:, 0] - values[:, 1]
            lines.append(
                f"| ALGAN minus Mahalanobis, {name} | | {difference.mean():+.4f} ± {_spread(difference):.4f} |"
            )
    wins = sum(row["algan"] > row["mahalanobis"] for row in rows)
    lines.append(f"\nALGAN ahead of Mahalanobis in {wins} of {len(rows)} runs; "
                 f"{np.mean([row['seconds'] for row in rows]):.0f} s a fit; false alarms "
                 f"{np.mean([row['false_alarms'] for row in rows]):.3f} (guaranteed "
                 f"{np.mean([row['guaranteed_rate'] for row in rows]):.3f}), detections "
                 f"{np.mean([row['detections'] for row in rows]):.3f}")  # fmt: skip
    return "\n".join(lines)


def _by_seed(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The seeds that are complete."""
    seeds = sorted({row["seed"] for row in rows})
    groups = [[row for row in rows if row["seed"] == seed] for seed in seeds]
    return [group for group in groups if len(group) == max(map(len, groups))]


def _spread(values: np.ndarray) -> Any:
    return values.std(0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/mvtec_features_resnet18"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--out", type=Path, default=Path("results/vectors.jsonl"))
    parser.add_argument("--summary", action="store_true", help="only summarise what is there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    done = {(row["category"], row["seed"]) for row in rows}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for seed in [] if options.summary else options.seeds:
        for category in CATEGORIES:
            if (category, seed) not in done:
                rows.append(compare(options.data, category, seed))
                with options.out.open("a") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
                print(json.dumps(rows[-1]), flush=True)
    print(summary(rows))


if __name__ == "__main__":
    main()
