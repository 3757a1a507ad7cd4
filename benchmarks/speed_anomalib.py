"""The time that ALGAN, our other methods and Anomalib's take to score an image, in turns, in three runtimes.

    OMP_NUM_THREADS=1 python benchmarks/speed_anomalib.py --data ../shared/data/mtd \
        --weights ../shared/weights/resnet18.layers1-3.imagenet1k.safetensors \
        --python ENVIRONMENT/bin/python --out results/speed-anomalib.jsonl

Anomalib lives in an environment of its own, with OpenVINO, and runs `speed_anomalib_side.py`; --python names its
Python. Images are magnetic tiles at 256 x 256, decoded before. Both sides have PatchCore with one bank and PaDiM with
one choice of features, on ResNet-18 with the same weights, fitted on --fit good tiles; both GANomalys are untrained and
of width 64. Anomalib's EfficientAD, small and untrained, has no counterpart. Ours start from uint8 and end with the raw
score; Anomalib's models start from uint8, too, and end as its users get them, with maps, masks and decisions.

In every round each method scores the same batch once in each runtime, in random order, on one thread; seconds are those
of the processor, inside of the process. A ratio compares two times of one round.

    torch            both in torch
    onnx             ours exported, in ONNX Runtime, as `algan train` leaves them
    openvino         exported, in float32
    openvino-bf16    Anomalib's export as OpenVINO runs it by itself: in bfloat16 where the processor has it
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch

from algan_ad.data.layouts import open_dataset
from algan_ad.data.splits import split
from algan_ad.runtime.images import Preprocessing, load_many
from algan_ad.runtime.running import Running
from algan_ad.runtime.sessions import NetworkScorer
from side import Side
from speed import CONTENDERS, SIZE, Contender, Images, make

PAIRS = {"padim": "padim", "patchcore-1": "patchcore", "patchcore-10": "patchcore", "ganomaly": "ganomaly"}
ALONE = ("efficientad",)
WAYS = ("torch", "onnx", "openvino", "openvino-bf16")
RATIOS = (("torch", "torch"), ("openvino", "openvino"), ("openvino-bf16", "onnx"))  # theirs, ours
Measure = Callable[[list[int]], float]  # positions among the images -> seconds
Times = dict[str, dict[str, list[float]]]  # method -> way -> seconds an image


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    parts = split(open_dataset(options.data), "normal-only", 0)
    train, images = (
        load_many([item.path for item in items], Preprocessing(size=SIZE), strict=True).images
        for items in (parts.train[: options.fit], parts.test[:64])
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        np.savez(place / "images.npz", train=train, images=images)
        side = Side(options.python, "speed_anomalib_side.py", place, options.weights)
        measures: dict[tuple[str, str], Measure] = {}
        gflop = {}
        for name, each in ours(options, train, place).items():
            gflop[name] = each.gflop
            for way, score in ways(each, place / f"{name}.onnx", options.batch).items():
                measures[name, way] = partial(taken, score, images)
        for name in (*PAIRS, *ALONE):
            made = side.ask("make", name=name, method=PAIRS.get(name, name), batch=options.batch)
            gflop[f"Anomalib's {name}"] = made["gflop"]
            print(f"Anomalib's {name} is ready", flush=True)
            for way in made["ways"]:
                measures[f"Anomalib's {name}", way] = partial(asked, side, name, way)
        seconds = measure(measures, len(images), options.batch, options.rounds)
        versions = side.ask("versions") | {"ours": torch.__version__, "our openvino": openvino.__version__}
        side.leave()
    found = {"batch": options.batch, "fit": options.fit, "gflop": gflop, "seconds": seconds, "versions": versions}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(found) + "\n")
    print(table(gflop, seconds))


def ours(options: argparse.Namespace, train: Images, place: Path) -> dict[str, Contender]:
    """Our methods; what they drew at random is left in files, for Anomalib's to use it, too."""
    backbone = {"backbone": "resnet18", "backbone_weights": options.weights, "image_size": SIZE}
    settings = {
        "algan-image": CONTENDERS["algan-image"],
        "algan-patch": CONTENDERS["algan-patch"],
        "padim": ("padim", backbone | {"layers": ("layer1", "layer2", "layer3"), "dims": 100}),
        "patchcore-1": ("patchcore", backbone | {"layers": ("layer2", "layer3"), "coreset": 0.01}),
        "patchcore-10": ("patchcore", backbone | {"layers": ("layer2", "layer3"), "coreset": 0.1}),
        "ganomaly": CONTENDERS["ganomaly"],
    }
    made = {name: make(name, *each, train, options.batch, place / f"{name}.onnx") for name, each in settings.items()}
    np.save(place / "padim.npy", made["padim"].detector.tensors()["kept"])
    for name in ("patchcore-1", "patchcore-10"):
        np.save(place / f"{name}.npy", made[name].detector.tensors()["bank"])
    return made


def ways(each: Contender, network: Path, batch: int) -> dict[str, Callable[[Images], Any]]:
    running = Running(runtime="openvino", threads=1, batch_size=batch)
    return each.ways() | {"openvino": NetworkScorer(network, running).score}


def taken(score: Callable[[Images], Any], images: Images, chosen: list[int]) -> float:
    some = images[chosen]
    start = time.process_time()
    score(some)
    return time.process_time() - start


def asked(side: Side, name: str, way: str, chosen: list[int]) -> float:
    return float(side.ask("score", name=name, way=way, chosen=chosen)["seconds"])


def measure(measures: dict[tuple[str, str], Measure], n: int, batch: int, rounds: int) -> Times:
    """Seconds an image, round by round after one of warm-up."""
    rng, order = random.Random(0), list(measures)
    found: Times = {name: {} for name, _ in measures}
    for i in range(rounds + 1):
        rng.shuffle(order)
        chosen = [(i * batch + j) % n for j in range(batch)]
        for name, way in order:
            seconds = measures[name, way](chosen) / batch
            if i:
                found[name].setdefault(way, []).append(seconds)
        print(f"round {i} of {rounds}", flush=True)
    return found


def table(gflop: dict[str, float], seconds: Times) -> str:
    """Times, and the ratios to ALGAN-image and to our method of that name: medians, the smallest and the largest."""
    lines = ["| method | GFLOP | " + " | ".join(f"{way}, ms" for way in WAYS) + " | "
             + " | ".join(f"{name}: {theirs} / {mine}" for name in ("algan-image", "ours") for theirs, mine in RATIOS)
             + " |", "|---" * (2 + len(WAYS) + 2 * len(RATIOS)) + "|"]  # fmt: skip
    for name, found in seconds.items():
        cells = [name, f"{gflop[name]:.2f}"]
        cells += [f"{1e3 * statistics.median(found[way]):.1f}" if way in found else "" for way in WAYS]
        for reference in ("algan-image", name.removeprefix("Anomalib's ")):
            known = seconds.get(reference, {})
            cells += [ratio(found.get(theirs, []), known.get(mine, [])) for theirs, mine in RATIOS]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ratio(theirs: list[float], ours: list[float]) -> str:
    found = [a / b for a, b in zip(theirs, ours, strict=False)]  # empty where either has no such way
    return f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})" if found else ""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="magnetic tiles (MTD)")
    parser.add_argument("--weights", type=Path, required=True, help="of ResNet-18")
    parser.add_argument("--python", type=Path, required=True, help="Python of an environment with Anomalib")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--fit", type=int, default=48, help="good tiles that the methods on features are fitted on")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
