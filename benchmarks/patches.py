"""The methods on pre-trained features on one data set, and one Mahalanobis for all of PatchCore's patches.

    python benchmarks/patches.py --data ../shared/data/mtd --backbone resnet18 \
        --weights ../shared/weights/resnet18.layers1-3.imagenet1k.safetensors --out results/patches.jsonl

Protocol normal-only. The last baseline sees what PatchCore sees and takes the same maximum over the patches of an
image; PatchCore has to be better by more than chance, or its memory bank is not worth having. One line of JSON a
method, with seconds of the processor, which other programs do not lengthen.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from algan_ad.data.layouts import open_dataset
from algan_ad.data.splits import split
from algan_ad.detectors.mahalanobis_ad import MahalanobisAD
from algan_ad.detectors.padim import Padim
from algan_ad.detectors.patchcore import PatchCore
from algan_ad.detectors.shared.contract import Detector, RunOptions, TrainingData
from algan_ad.detectors.shared.feature_pass import collect
from algan_ad.detectors.spade import Spade
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.features.backbones import PyramidBackbone
from algan_ad.features.conditioning import fit_whitening
from algan_ad.features.patches import patches
from algan_ad.runtime.images import Preprocessing, load_many

Scores = NDArray[np.float64]
CPU = torch.device("cpu")


def detectors(options: argparse.Namespace) -> dict[str, Detector]:
    common = {"backbone": options.backbone, "backbone_weights": options.weights, "image_size": options.image_size}
    layers, middle = tuple(options.layers), tuple(options.layers[1:])

    def make(method: type[Detector], **settings: Any) -> Detector:
        return method(method.Config(**common, **settings), "cpu")

    return {
        "mahalanobis-ad": make(MahalanobisAD, layers=layers),
        "spade": make(Spade, layers=middle, layer=layers[-1]),
        "padim": make(Padim, layers=layers),
        "patchcore-1": make(PatchCore, layers=middle, coreset=0.01),
        "patchcore-10": make(PatchCore, layers=middle, coreset=0.1),
        "patchcore-10, re-weighted": make(PatchCore, layers=middle, coreset=0.1, reweight=9),
    }


def one_gaussian(options: argparse.Namespace, train: Any, test: Any) -> Callable[[], tuple[float, Scores]]:
    """Ledoit-Wolf Mahalanobis over all patches of all positions, scored by the worst patch of an image."""

    def run() -> tuple[float, Scores]:
        start = time.process_time()
        backbone = PyramidBackbone(options.backbone, options.layers[1:], options.weights)

        def features(batch: torch.Tensor) -> torch.Tensor:
            return patches(backbone, batch, 1024).flatten(1, 2)

        whitening = fit_whitening(collect(features, train, CPU, "features").flatten(0, 1).numpy(), scale=1.0)
        seconds = time.process_time() - start

        def worst(batch: torch.Tensor) -> torch.Tensor:
            distances: torch.Tensor = whitening(features(batch)).norm(dim=2)
            return distances.amax(1)

        return seconds, collect(worst, test, CPU, "scores").double().numpy()

    return run


def fitted(detector: Detector, train: Any, test: Any, seed: int) -> Callable[[], tuple[float, Scores]]:
    def run() -> tuple[float, Scores]:
        start = time.process_time()
        detector.fit(TrainingData(train), RunOptions(seed, "cpu"))
        return time.process_time() - start, detector.score(test)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--weights", required=True, help="a weights file, or 'random'")
    parser.add_argument("--layers", nargs="+", default=["layer1", "layer2", "layer3"], help="PatchCore: all but one")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", nargs="+", help="some of them only")
    parser.add_argument("--out", type=Path, default=Path("results/patches.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    parts = split(open_dataset(options.data), "normal-only", options.seed)
    size = Preprocessing(size=options.image_size)
    train = load_many([item.path for item in parts.train], size).images
    test = load_many([item.path for item in parts.test], size).images
    labels = np.array([item.label for item in parts.test])
    runs = {"one mahalanobis": one_gaussian(options, train, test)}
    runs |= {name: fitted(detector, train, test, options.seed) for name, detector in detectors(options).items()}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for name in options.methods or runs:
        start = time.process_time()
        fit_seconds, scores = runs[name]()
        row = {
            "method": name, "seed": options.seed, "backbone": options.backbone, "image_size": options.image_size,
            "n_train": len(train), "n_test": len(test), "image_auroc": image_auroc(labels, scores),
            "fit_seconds": round(fit_seconds, 1),
            "score_ms": round(1000 * (time.process_time() - start - fit_seconds) / len(test), 1),
        }  # fmt: skip
        with options.out.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
