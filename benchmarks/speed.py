"""The time that ALGAN and its rivals take to score an image, in turns in one process, in torch and in ONNX Runtime.

    OMP_NUM_THREADS=1 python benchmarks/speed.py --data ../shared/data/mtd --out results/speed.jsonl
    OMP_NUM_THREADS=1 python benchmarks/speed.py --data ../shared/data/mtd --out results/speed.jsonl --batch 16 \
        --rounds 7 --without anogan differnet

Images are magnetic tiles at 256 x 256. The GANs have the width of the thesis, 64, and untrained weights, because the
time does not depend on them. The methods on features take EfficientNet-Lite0 with the weights that ALGAN-patch has, and
are fitted on --fit good tiles: PatchCore keeps 1 % and 10 % of their patches. DifferNet has its own network, scales and
64 rotations. AnoGAN searches for SEARCHED steps only, and its time is that of the whole search in proportion.

In every round each method scores the same batch once in each runtime, in random order, on one thread; seconds are those
of the processor. A ratio compares a method with ALGAN-image, then with ALGAN-patch, within one round:

    torch     both in torch
    onnx      both in ONNX Runtime
    as given  ALGAN in ONNX Runtime, as `algan train` leaves it; the rival in torch, as its authors publish it
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from algan_ad.data.layouts import open_dataset
from algan_ad.data.recipe import Recipe
from algan_ad.data.splits import split
from algan_ad.detectors import METHODS
from algan_ad.detectors.anogan import LatentSearch
from algan_ad.detectors.shared.contract import Detector, RunOptions, TrainingData
from algan_ad.export.graph import make_network
from algan_ad.runtime.images import Preprocessing, load_many
from algan_ad.runtime.model_folder import ModelConfig
from algan_ad.runtime.running import Running
from algan_ad.runtime.sessions import NetworkScorer
from algan_ad.workflows.plan import entries

Images = NDArray[np.uint8]
SIZE = 256
SEARCHED = 4  # of AnoGAN's steps of search
LITE0 = {"backbone": "tf_efficientnet_lite0", "layers": ("blocks.2", "blocks.4"), "image_size": SIZE}
CONTENDERS: dict[str, tuple[str, dict[str, Any]]] = {  # name here -> method, settings
    "algan-image": ("algan-image", {}),
    "algan-image, width 16": ("algan-image", {"width": 16}),
    "algan-patch": ("algan-patch", LITE0),
    "ganomaly": ("ganomaly", {}),
    "skip-ganomaly": ("skip-ganomaly", {}),
    "alocc": ("alocc", {}),
    "egbad": ("egbad", {}),
    "anogan": ("anogan", {"iterations": SEARCHED}),
    "padim": ("padim", {**LITE0, "dims": 100}),
    "spade": ("spade", LITE0),
    "patchcore-1": ("patchcore", {**LITE0, "coreset": 0.01}),
    "patchcore-10": ("patchcore", {**LITE0, "coreset": 0.1}),
    "differnet": ("differnet", {"image_size": SIZE, "backbone": "alexnet", "backbone_weights": "random"}),
}
REFERENCES = ("algan-image", "algan-patch")
FITTED = ("algan-patch", "padim", "spade", "patchcore")


@dataclass
class Contender:
    """A method and its times. `whole`: seconds of a whole score for one that is measured, more than 1 for AnoGAN."""

    name: str
    detector: Detector
    network: NetworkScorer | None
    gflop: float
    whole: float
    seconds: dict[str, list[float]] = field(default_factory=lambda: {"torch": [], "onnx": []})

    def ways(self) -> dict[str, Callable[[Images], NDArray[np.float64]]]:
        found: dict[str, Callable[[Images], NDArray[np.float64]]] = {"torch": self.detector.score}
        return found if self.network is None else found | {"onnx": self.network.score}


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    parts = split(open_dataset(options.data), "normal-only", 0)
    test = [parts.test[i].path for i in np.linspace(0, len(parts.test) - 1, 2 * options.batch + 14).astype(int)]
    train, images = (
        load_many(paths, Preprocessing(size=SIZE), strict=True).images
        for paths in ([item.path for item in parts.train[: options.fit]], test)
    )
    with tempfile.TemporaryDirectory() as folder:
        chosen = [name for name in CONTENDERS if name not in options.without]
        contenders = [
            make(name, *CONTENDERS[name], train, options.batch, Path(folder) / f"{i}.onnx")
            for i, name in enumerate(chosen)
        ]
        differences = {each.name: agreement(each, images[:14]) for each in contenders}
        measure(contenders, images, options.batch, options.rounds)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = [summary(each, options) | {"difference": differences[each.name]} for each in contenders]
    with options.out.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    for name in REFERENCES:
        print(table(rows, next(row["seconds"] for row in rows if row["method"] == name)))


def make(name: str, method: str, settings: dict[str, Any], train: Images, batch: int, path: Path) -> Contender:
    detector = METHODS[method](METHODS[method].Config(**settings), "cpu")
    detector.threads = 1
    detector.score_batch = max(batch, detector.views)
    if method in FITTED:
        detector.fit(TrainingData(train), RunOptions(0, "cpu"))
    else:
        torch.manual_seed(0)
        # DifferNet's flow takes 256 features of AlexNet at each of three scales; the others look at no tensor.
        detector.module = detector.build_module({"flow.module_list.0.perm": torch.empty(768)}).eval()
    network = None
    if not detector.not_exported:
        config = ModelConfig(
            method=method, plan=entries(detector.config, {}), input="image",
            preprocessing=detector.preprocessing(Recipe()), protocol="normal-only", selection="none", maps=None,
            calibration=None, fingerprint={}, seed=0, versions={}, training={},
        )  # fmt: skip
        path.write_bytes(make_network(detector, torch.from_numpy(train[:1]), config, ""))
        network = NetworkScorer(path, Running(threads=1, batch_size=batch))
    print(f"{name} is ready", flush=True)
    whole = METHODS["anogan"].Config().iterations / SEARCHED if method == "anogan" else 1.0
    return Contender(name, detector, network, whole * count_flops(detector, train[:1]) / 1e9, whole)


@torch.no_grad()
def count_flops(detector: Detector, image: Images) -> int:
    """Floating point operations of convolutions and matrix products; those of faiss are not seen."""
    module: Any = detector.module
    with FlopCounterMode(display=False) as counter:
        if not isinstance(module, LatentSearch):
            module(torch.from_numpy(image))
            return counter.get_total_flops()
        module.discriminator.features(module.generator(module.start[None]))
    return 2 * SEARCHED * counter.get_total_flops()  # forward, and back to the latent only


def agreement(contender: Contender, images: Images) -> float | None:
    """The largest difference of the scores of both runtimes, in standard deviations of the scores."""
    if contender.network is None:
        return None
    expected = contender.detector.score(images)
    return float(np.abs(contender.network.score(images) - expected).max() / expected.std())


def measure(contenders: list[Contender], images: Images, batch: int, rounds: int) -> None:
    """Seconds an image, of every method and runtime, round by round after one of warm-up."""
    order, rng = [(each, runtime) for each in contenders for runtime in each.ways()], random.Random(0)
    for i in range(rounds + 1):
        some = images[np.arange(i * batch, (i + 1) * batch) % len(images)]
        rng.shuffle(order)
        for contender, runtime in order:
            start = time.process_time()
            contender.ways()[runtime](some)
            seconds = contender.whole * (time.process_time() - start) / batch
            if i:
                contender.seconds[runtime].append(seconds)
        print(f"round {i} of {rounds}", flush=True)


def summary(each: Contender, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "method": each.name, "batch": options.batch, "fit": options.fit, "gflop": round(each.gflop, 2),
        "seconds": {runtime: [round(s, 6) for s in seconds] for runtime, seconds in each.seconds.items()},
        "versions": {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__},
    }  # fmt: skip


def table(rows: list[dict[str, Any]], reference: dict[str, list[float]]) -> str:
    """Times, and the ratios to a reference: medians over the rounds, with the smallest and the largest."""
    lines = [
        "| method | GFLOP | torch, ms | ONNX Runtime, ms | both in torch | both in ONNX Runtime | as given |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        found = row["seconds"]
        times = [f"{1e3 * statistics.median(found[way]):.1f}" if found[way] else "" for way in ("torch", "onnx")]
        given = found["onnx" if row["method"].startswith("algan") else "torch"]
        pairs = [(found["torch"], "torch"), (found["onnx"], "onnx"), (given, "onnx")]
        ratios = [ratio(theirs, reference[way]) for theirs, way in pairs]
        lines.append("| " + " | ".join([row["method"], f"{row['gflop']:.2f}", *times, *ratios]) + " |")
    return "\n".join(lines)


def ratio(theirs: list[float], ours: list[float]) -> str:
    found = [a / b for a, b in zip(theirs, ours, strict=bool(theirs))]
    return f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})" if found else ""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="magnetic tiles (MTD)")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--fit", type=int, default=48, help="good tiles that the methods on features are fitted on")
    parser.add_argument("--without", nargs="*", choices=[n for n in CONTENDERS if n not in REFERENCES], default=[])
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
