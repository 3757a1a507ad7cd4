"""Our KNN, LOF and one-class SVM beside PyOD's published table, by its protocol.

    python benchmarks/pyod.py --data ../shared/data/pyod --out results/pyod.jsonl

Protocol pyod, as in PyOD's benchmark: 60 % of a set to train on, anomalies among them; 40 % to test on; split by
scikit-learn's `train_test_split` with RandomState(0) to RandomState(9); standardised by the training part; the mean
of ten AUROC. KNN takes the largest of 5 distances, LOF 20 neighbours, OCSVM nu 0.5 and gamma auto: our defaults, so
that no setting is named here. One line of JSON a set and split.
"""

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat
from sklearn.model_selection import train_test_split

from algan_ad.detectors import METHODS
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.evaluation.metrics import image_auroc

COLUMNS = {"knn": "KNN", "lof": "LOF", "ocsvm": "OCSVM"}  # names in PyOD's table
SPLITS = 10
BAR = 0.0002


def measure(folder: Path, name: str, split: int) -> dict[str, Any]:
    held = loadmat(folder / f"{name}.mat")
    X, y = held["X"].astype(np.float32), held["y"].ravel().astype(np.int64)
    train, test, _, labels = train_test_split(X, y, test_size=0.4, random_state=np.random.RandomState(split))
    found = {method: image_auroc(labels, scores(method, train, test)) for method in COLUMNS}
    return {"data": name, "split": split, "n_train": len(train), "n_test": len(test), **found}


def scores(method: str, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    detector = METHODS[method](METHODS[method].Config(), "cpu")
    detector.fit(TrainingData(train), RunOptions(0, "cpu"))
    return detector.score(test, batch_size=len(test))


def published(folder: Path) -> dict[str, dict[str, float]]:
    with (folder / "roc.csv").open(encoding="utf-8", newline="") as file:
        return {row["Data"]: {m: float(row[column]) for m, column in COLUMNS.items()} for row in csv.DictReader(file)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    table = published(options.data)
    rows = [measure(options.data, name, split) for name in table for split in range(SPLITS)]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    print("| data | method | ours, mean ± deviation of 10 splits | PyOD's table | difference |\n|---|---|---|---|---|")
    worst = 0.0
    for name, theirs in table.items():
        for method, wanted in theirs.items():
            values = np.array([row[method] for row in rows if row["data"] == name])
            gap = values.mean() - wanted
            worst = max(worst, abs(gap))
            spread = values.std(ddof=1)
            print(f"| {name} | `{method}` | {values.mean():.5f} ± {spread:.3f} | {wanted:.4f} | {gap:+.5f} |")
    print(f"\nlargest difference {worst:.5f}, allowed {BAR}")
    raise SystemExit(int(worst > BAR))


if __name__ == "__main__":
    main()
