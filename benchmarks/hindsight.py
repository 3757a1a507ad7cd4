"""The weights that are kept without labels, beside the best ones in hindsight along the same training.

    python benchmarks/hindsight.py mvtec --data ../shared/data/mvtec_features_resnet18 --out results/hindsight.jsonl
    python benchmarks/hindsight.py tabular --data ../shared/data/tabular --out results/hindsight.jsonl
    python benchmarks/hindsight.py algan-patch --data ../shared/data/mtd --out results/hindsight.jsonl
    python benchmarks/hindsight.py algan-image --data demo/parts --set '{"image_size": 32, "epochs": 96}' --out ...
    python benchmarks/hindsight.py --out results/hindsight.jsonl --summary

Protocol normal-only; `mvtec` and `tabular` are `algan-vector` on the splits of `vectors.py`. The test labels look at
the weights of every observed epoch, and the best of them is the hindsight. From pixels, rules without labels are
compared: those of the package, and the epoch that best distinguishes good training images from made-up defects of
several kinds, by the mean AUROC and by the mean rank, alone and as the mean of the weights of the best ones. Each set
and seed is a line of JSON.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata

import vectors
from algan_ad.data.layouts import open_dataset
from algan_ad.data.made_up import KINDS, make_up
from algan_ad.data.splits import split
from algan_ad.detectors import METHODS
from algan_ad.detectors.shared.contract import Detector, RunOptions, TrainingData
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.runtime.images import load_many
from algan_ad.training.selection import Selection, Weights

N_MADE_UP = 128  # good training images that are altered, for each kind
BEST = (1, 2, 4, 8, 12)  # epochs whose weights are averaged
PATIENCE = (4, 6, 8, 12, 16)  # looks without a new one among the best eight, after which a training could have ended
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


class Watch:
    """Looks along a training: the AUROC of each on the test, and on made-up defects of several kinds."""

    def __init__(self, detector: Detector, data: Data) -> None:
        self.detector = detector
        _, self.test, self.labels = data
        self.made_up = _made_up(data[0].train) if detector.generates_images else {}
        self.weights: list[Weights] = []
        self.along: list[float] = []
        self.kinds: list[list[float]] = []

    def __call__(self, _: int, weights: Weights) -> None:
        self.along.append(self.tested(weights))
        self.kinds.append([image_auroc(labels, self.detector.score(x)) for x, labels in self.made_up.values()])
        if self.made_up:
            self.weights.append(weights)

    def tested(self, weights: Weights) -> float:
        self.detector.use_weights(weights)
        return image_auroc(self.labels, self.detector.score(self.test))

    def by_kinds(self) -> dict[str, float]:
        """The test AUROC of what each rule by made-up defects would keep."""
        kinds = np.array(self.kinds)
        found = {}
        for name, merit in ("mean of kinds", kinds.mean(1)), ("ranks of kinds", rankdata(kinds, axis=0).mean(1)):
            order = merit.argsort(kind="stable")[::-1]
            for k in BEST:
                found[f"{name}, best {k}"] = self.tested(_mean([self.weights[i] for i in order[:k]]))
        return found

    def by_patience(self) -> dict[str, tuple[int, float]]:
        """The looks until each patience would have ended the training, and the test AUROC of what it had kept."""
        merit = np.mean(self.kinds, axis=1)
        found = {}
        for patience in PATIENCE:
            for looks in range(1, len(merit) + 1):
                best = merit[:looks].argsort(kind="stable")[::-1][:8]
                if looks - 1 - best.max() >= patience:
                    break
            found[str(patience)] = looks, self.tested(_mean([self.weights[i] for i in best]))
        return found


def _made_up(images: Any) -> dict[str, tuple[Any, Any]]:
    good = images[np.linspace(0, len(images) - 1, min(N_MADE_UP, len(images)), dtype=np.int64)]
    return {kind: (np.concatenate([good, make_up(good, kind)[0]]), np.repeat([0, 1], len(good))) for kind in KINDS}


def _mean(some: list[Weights]) -> Weights:
    return {name: torch.stack([each[name] for each in some]).mean(0) for name in some[0]}


def compare(detector: Detector, data: Data, seed: int) -> dict[str, Any]:
    watch = Watch(detector, data)
    rules: tuple[Selection, ...] = ("cut-paste", "average", "last") if watch.made_up else ()
    trained = detector.fit(data[0], RunOptions(seed, "cpu", watch=watch, selections=rules))
    kept = {"the default": image_auroc(data[2], detector.score(data[1]))}
    for rule, other in zip(rules[1:], trained.others, strict=True):
        detector.switch(other)
        kept[rule] = image_auroc(data[2], detector.score(data[1]))
    kept |= watch.by_kinds() if watch.made_up else {}
    stops = {"patience": watch.by_patience()} if watch.made_up else {}
    return {"kept": kept, **stops, "best": max(watch.along), "rule": trained.selection, "along": watch.along}


def summary(rows: list[dict[str, Any]]) -> str:
    lines = ["| sets | rule | runs | kept, mean | loss, mean | loss, worst |", "|---|---|---|---|---|---|"]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        some = [row for row in rows if row["kind"] == kind]
        for rule in some[0]["kept"]:
            kept = np.array([row["kept"][rule] for row in some])
            loss = np.array([row["best"] for row in some]) - kept
            worst = some[int(loss.argmax())]
            lines.append(
                f"| {kind} | {rule} | {len(some)} | {kept.mean():.4f} | {loss.mean():.4f} | {loss.max():.4f} "
                f"({worst['set']}, seed {worst['seed']}) |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", nargs="?", help="mvtec, tabular, or a method for images")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", type=json.loads, default={}, help="settings of the method, as JSON")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--summary", action="store_true", help="only summarise what is there")
    options = parser.parse_args()
    if options.summary:
        print(summary([json.loads(line) for line in options.out.read_text().splitlines()]))
        return
    options.out.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    method = METHODS["algan-vector" if options.kind in ("mvtec", "tabular") else options.kind]
    config = method.Config(**{"observe_every": 1, "patience": 0, **options.set})  # hindsight sees every epoch
    for seed in options.seeds:
        for name, data in read(options.kind, options.data, seed, method(config, "cpu")):
            start = time.process_time()
            row: dict[str, Any] = {"kind": options.kind, "set": name, "seed": seed, "settings": options.set}
            row |= compare(method(config, "cpu"), data, seed) | {"cpu_s": time.process_time() - start}
            with options.out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print({k: round(v, 4) if isinstance(v, float) else v for k, v in row.items() if k != "along"}, flush=True)


if __name__ == "__main__":
    main()
