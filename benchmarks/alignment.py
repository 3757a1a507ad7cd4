"""ALGAN-patch with and without alignment, on parts that lie a little apart and on a texture; the measure that decides.

    python benchmarks/alignment.py --mtd ../shared/data/mtd --seeds 0 1 2 --out results/alignment.jsonl

Good images only: 200 train, and 60 others are judged beside copies of them with each kind of made-up defect
(`data/made_up.py`). `plates` are those of the demo, which lie apart by standard deviations of 1 % of the side and 1.2
degrees; `moved plates` are turned and shifted further, by 2 % and 3 degrees; `tiles` are those of MTD. Each set,
seed and setting is a line of JSON.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from algan_ad.data.demo_part import make_part
from algan_ad.data.layouts import open_dataset
from algan_ad.data.made_up import KINDS, make_up
from algan_ad.data.recipe import Recipe
from algan_ad.data.splits import split
from algan_ad.detectors.algan_patch import AlganPatch
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.features.likeness import positions
from algan_ad.runtime.images import Pixels, load_many
from algan_ad.workflows.facts import COMPARED, unlikeness_aligned

N_TRAIN, N_JUDGED, SIDE = 200, 60, 128


def plates(seed: int, further: float) -> Pixels:
    rng = np.random.default_rng(seed)
    found = []
    for i in range(N_TRAIN + N_JUDGED):
        turn, down, right = further * rng.normal(size=3) * (3, 0.02 * SIDE, 0.02 * SIDE)
        picture = Image.fromarray(make_part((seed, 0, i), SIDE)[0])
        corner = picture.getpixel((1, 1))
        found.append(
            np.asarray(
                picture.rotate(turn, Image.Resampling.BICUBIC, translate=(right, down), fillcolor=corner)
                if further
                else picture
            )
        )
    return np.stack(found)


def tiles(root: Path, seed: int) -> Pixels:
    dataset = open_dataset(root)
    items = split(dataset, "normal-only", seed).train
    chosen = np.random.default_rng(seed).permutation(len(items))[: N_TRAIN + N_JUDGED]
    preprocessing = AlganPatch(AlganPatch.Config(image_size=SIDE), "cpu").preprocessing(Recipe())
    return np.asarray(load_many([items[i].path for i in chosen], preprocessing).images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mtd", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for seed in options.seeds:
        sets = {"plates": plates(seed, 0), "moved plates": plates(seed, 1), "tiles": tiles(options.mtd, seed)}
        for name, images in sets.items():
            for align in (False, True):
                row = {"set": name, "seed": seed, "align": align} | judged(images, seed, align)
                with options.out.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print(row, flush=True)


def judged(images: Pixels, seed: int, align: bool) -> dict[str, Any]:
    train, good = images[:N_TRAIN], images[N_TRAIN:]
    some = torch.from_numpy(train[np.linspace(0, N_TRAIN - 1, COMPARED, dtype=np.int64)])
    detector = AlganPatch(AlganPatch.Config(image_size=SIDE, align=align), "cpu")
    detector.fit(TrainingData(train), RunOptions(seed, "cpu"))
    ours, labels = detector.score(good), np.repeat([0, 1], len(good))
    start = time.process_time()
    altered = [detector.score(make_up(good, kind, seed)[0]) for kind in KINDS]
    seconds = time.process_time() - start
    aurocs = [float(image_auroc(labels, np.concatenate([ours, each]))) for each in altered]
    return {
        "unlikeness_aligned": unlikeness_aligned(some, positions(some)), "image_auroc": float(np.mean(aurocs)),
        "score_ms": 1e3 * seconds / (len(KINDS) * len(good)), "kinds": dict(zip(KINDS, aurocs, strict=True)),
    }  # fmt: skip


if __name__ == "__main__":
    main()
