"""The weights that are kept without labels, beside the best ones in hindsight along the same training.

    python benchmarks/hindsight.py mvtec --data ../shared/data/mvtec_features_resnet18 --out results/hindsight.jsonl
    python benchmarks/hindsight.py tabular --data ../shared/data/tabular --out results/hindsight.jsonl
    python benchmarks/hindsight.py algan-patch --data ../shared/data/mtd --out results/hindsight.jsonl
    python benchmarks/hindsight.py algan-image --data demo/parts --set '{"image_size": 32, ...}' --out ...
    python benchmarks/hindsight.py --out results/hindsight.jsonl --summary

Protocol normal-only; `mvtec` and `tabular` are `algan-vector` on the splits of `vectors.py`. The test labels look at
the weights of every `--observe-every`th epoch and at the kept ones, and the best of all of them is the hindsight. Each
set and seed is a line of JSON.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import vectors
from algan_ad.data.layouts import open_dataset
from algan_ad.data.splits import split
from algan_ad.detectors import METHODS
from algan_ad.detectors.shared.contract import Detector, RunOptions, TrainingData
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.runtime.images import load_many
from algan_ad.training.loop import Weights

Data = tuple[TrainingData, Any, Any]  # to train on, to test on, labels of the test


def read(kind: str, data: Path, seed: int, detector: Detector) -> Iterator[tuple[str, Data]]:
    if kind in ("mvtec", "tabular"):
        for name in vectors.names_of(kind):
            train, test, labels = vectors.split(kind, data, name, seed)
            yield name, (TrainingData(train.astype(np.float32)), test.astype(np.float32), labels)
        return
    dataset = open_dataset(data)
    parts, preprocessing = split(dataset, "normal-only", seed), detector.preprocessing(dataset.recipe)
    assert preprocessing is not None
    train, test = (load_many([item.path for item in part], preprocessing) for part in (parts.train, parts.test))
    labels = np.array([parts.test[i].label for i in test.kept])
    yield data.name, (TrainingData(train.images, dataset.recipe), test.images, labels)


def compare(detector: Detector, data: Data, seed: int) -> dict[str, Any]:
    train, test, labels = data
    along: dict[int, float] = {}

    def look(epoch: int, weights: Weights) -> None:
        detector.use_weights(weights)
        along[epoch] = image_auroc(labels, detector.score(test))

    trained = detector.fit(train, RunOptions(seed, "cpu", watch=look))
    kept = image_auroc(labels, detector.score(test))
    best = max(kept, *along.values())
    return {"kept": kept, "best": best, "loss": best - kept, "rule": trained.selection, "along": along}


def summary(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| sets | runs | kept, mean | best in hindsight, mean | loss, mean | loss, worst |",
        "|---|---|---|---|---|---|",
    ]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        some = [row for row in rows if row["kind"] == kind]
        kept, best, loss = (np.array([row[name] for row in some]) for name in ("kept", "best", "loss"))
        worst = some[int(loss.argmax())]
        lines.append(
            f"| {kind} | {len(some)} | {kept.mean():.4f} | {best.mean():.4f} | {loss.mean():.4f} | {loss.max():.4f} "
            f"({worst['set']}, seed {worst['seed']}) |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="?", help="mvtec, tabular, or a method for images")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", type=json.loads, default={}, help="settings of the method, as JSON")
    parser.add_argument("--observe-every", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--summary", action="store_true", help="only summarise what is there")
    options = parser.parse_args()
    if options.summary:
        print(summary([json.loads(line) for line in options.out.read_text().splitlines()]))
        return
    options.out.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    method = METHODS["algan-vector" if options.kind in ("mvtec", "tabular") else options.kind]
    config = method.Config(**{"observe_every": options.observe_every, **options.set})
    for seed in options.seeds:
        for name, data in read(options.kind, options.data, seed, method(config, "cpu")):
            start = time.process_time()
            row = {"kind": options.kind, "set": name, "seed": seed, "settings": options.set}
            row |= compare(method(config, "cpu"), data, seed) | {"cpu_s": time.process_time() - start}
            with options.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items() if k != "along"}, flush=True)


if __name__ == "__main__":
    main()
