"""ALGAN-image on COIL-100 or MTD: both protocols from one training run, and the AUROC of each rule of selection.

    python benchmarks/image_sets.py coil100 DATA --image-size 64 --width 32 --epochs 96 --seeds 0 1 2 --out coil.jsonl

Each seed and row of the ablation (5.5) writes one line of JSON; a run that is already in the file is not run again.
The split of protocol `thesis` is used: its training and test images are those of `normal-only` for the same seed,
so that one run stands for both. Labels of the validation half serve protocol `thesis` alone, which looks at every 8th
epoch (5.3). Test images are scored once, with the weights that each rule has kept.
"""

import argparse
import json
import platform
import resource
import time
from pathlib import Path

import numpy as np
import torch

from algan_ad.data.layouts import Item, open_dataset
from algan_ad.data.splits import split
from algan_ad.detectors.algan_image import AlganImage, AlganImageConfig
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.runtime.images import load_many
from algan_ad.training.loop import RunFolder
from algan_ad.training.selection import Selector

LOOK_EVERY = 8  # protocol thesis chooses among these epochs (5.3)
ABLATION = {
    "full": {},
    "buffer only": {"anomalous_latents": False},
    "latents only": {"buffered": False},
    "neither": {"anomalous_latents": False, "buffered": False},
}


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    done = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    for seed in options.seeds:
        for row in options.rows:
            key = {"set": options.set, "row": row, "seed": seed, "image_size": options.image_size,
                   "width": options.width, "epochs": options.epochs, "speed": options.speed,
                   "observe_every": options.observe_every, "buffer_scope": options.buffer_scope}  # fmt: skip
            if not any(key.items() <= line.items() for line in done):
                result = key | run_one(options, row, seed)
                with options.out.open("a") as file:
                    file.write(json.dumps(result) + "\n")


def run_one(options: argparse.Namespace, row: str, seed: int) -> dict[str, object]:
    parts = split(open_dataset(options.data), "thesis", seed)
    config = AlganImageConfig(
        image_size=options.image_size, width=options.width, epochs=options.epochs,
        lr_g=2e-4 * options.speed, lr_d=1e-4 * options.speed,
        selection="cut-paste", observe_every=options.observe_every, buffer_scope=options.buffer_scope, **ABLATION[row],
    )  # fmt: skip
    detector = AlganImage(config, options.device)
    recipe = open_dataset(options.data).recipe
    pixels = {name: read(items, detector, recipe) for name, items in
              (("train", parts.train), ("validation", parts.validation), ("test", parts.test))}  # fmt: skip
    labels = {name: np.array([item.label for item in getattr(parts, name)]) for name in ("validation", "test")}
    curve: list[dict[str, float]] = []
    kept: dict[str, dict[str, torch.Tensor]] = {}
    twin, mean = AlganImage(config, options.device), Selector("average", options.epochs)

    def watch(epoch: int, weights: dict[str, torch.Tensor]) -> None:
        mean.offer(epoch, weights, None)
        kept["last"] = weights
        if epoch % LOOK_EVERY:
            return
        twin.use_weights(weights)
        auroc = image_auroc(labels["validation"], twin.score(pixels["validation"], 128))
        if not curve or auroc > max(point["validation"] for point in curve):
            kept["thesis"] = weights
        curve.append({"epoch": epoch, "validation": auroc})
        print(row, seed, curve[-1], f"{time.monotonic() - start:.0f} s", flush=True)

    start = time.monotonic()
    folder = options.out.parent / f"{options.out.stem}-{row.replace(' ', '-')}-{seed}"
    run = RunFolder(folder, {"row": row, "seed": seed})
    normals = pixels["validation"][labels["validation"] == 0]
    data = TrainingData(pixels["train"], recipe, held_out=normals)
    trained = detector.fit(data, RunOptions(seed, options.device, run, watch=watch))
    kept |= {"normal-only": trained.weights, "mean_of_late_weights": mean.weights}
    return {
        **{rule: test_auroc(twin, weights, pixels["test"], labels["test"]) for rule, weights in kept.items()},
        "selection": trained.selection,
        "thesis_epoch": max(curve, key=lambda point: point["validation"])["epoch"],
        "validation_curve": curve,
        "n_train": len(parts.train), "n_normal": int((labels["test"] == 0).sum()),
        "n_anomalous": int(labels["test"].sum()), "notes": parts.notes,
        "seconds": round(trained.loop_seconds), "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "machine": f"{platform.processor() or platform.machine()}, {options.threads} thread, torch {torch.__version__}",
    }  # fmt: skip


def test_auroc(twin: AlganImage, weights: dict[str, torch.Tensor], images: np.ndarray, labels: np.ndarray) -> float:
    twin.use_weights(weights)
    return image_auroc(labels, twin.score(images, 128))


def read(items: tuple[Item, ...], detector: AlganImage, recipe: object) -> np.ndarray:
    return load_many([item.path for item in items], detector.preprocessing(recipe), strict=True).images


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=["coil100", "mtd"])
    parser.add_argument("data", type=Path, help="the data set's folder")
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=96)
    parser.add_argument("--speed", type=float, default=4, help="times the thesis's learning rates (its 512 epochs: 1)")
    parser.add_argument("--observe-every", type=int, default=8, help="epochs between two looks of the cut-paste rule")
    parser.add_argument("--buffer-scope", choices=["batch", "dataset"], default="batch")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", nargs="+", choices=list(ABLATION), default=["full"])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
