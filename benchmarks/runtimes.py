"""Time of one network in every runtime, and its share of the machine's own matrix product, all in one run.

    OMP_NUM_THREADS=1 python benchmarks/runtimes.py [--image-size 256] [--width 64] [--rounds 30]

The network is ALGAN-image's discriminator with the weights that it starts with, which take as long as trained ones. One
thread, processor time, every way in turn in each round: median and quartiles. A share is the rate of floating point
operations, as torch counts them, divided by that of a product of numpy matrices, 2048 x 2048, float32, in the same
round.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from algan_ad.data.recipe import Recipe
from algan_ad.detectors.algan_image import AlganImage, AlganImageConfig
from algan_ad.export.graph import make_network
from algan_ad.export.quantise import quantise
from algan_ad.runtime.model_folder import ModelConfig
from algan_ad.runtime.openvino_session import to_ir
from algan_ad.runtime.progress import set_quiet
from algan_ad.runtime.running import IR, Running
from algan_ad.runtime.sessions import NetworkScorer

SIDE = 2048  # of the matrices
BATCHES = (1, 16)
WARM = 2  # rounds that are not counted

Call = Callable[[Any], object]


def detector(size: int, width: int) -> AlganImage:
    """ALGAN-image with weights of its start."""
    torch.manual_seed(0)
    made = AlganImage(AlganImageConfig(image_size=size, width=width), "cpu")
    made.module = made.build_module({})
    return made


def ways(made: AlganImage, place: Path, images: Any) -> Iterator[tuple[str, Call]]:
    """The ways to score a batch, by name."""
    config = ModelConfig(
        method=made.name, plan={}, input="image", preprocessing=made.preprocessing(Recipe()), protocol="normal-only",
        selection="none", fingerprint={}, seed=0, versions={}, training={},
    )  # fmt: skip
    network = make_network(made, torch.from_numpy(images[:1]), config, "")
    files = {"float32": place / "network.onnx", "int8": place / "int8.onnx"}
    files["float32"].write_bytes(network)
    files["int8"].write_bytes(quantise(network, images))
    for name, content in to_ir(files["float32"]).items():
        (place / name).write_bytes(content)
    files["float32, IR"] = place / IR[0]
    yield "torch, float32", made.score
    for kind, file in files.items():
        for runtime in ("onnx", "openvino"):
            if file.suffix == ".onnx" or runtime == "openvino":
                scorer = NetworkScorer(file, Running(runtime=runtime, threads=1))
                yield f"{scorer.runtime}, {kind}", scorer.score


def seconds(call: Callable[[], object]) -> float:
    """Processor time of a call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=30)
    o = parser.parse_args()
    set_quiet(True)
    torch.set_num_threads(1)
    images = np.random.default_rng(0).integers(0, 256, (16, o.image_size, o.image_size, 3), dtype=np.uint8)
    made = detector(o.image_size, o.width)
    with FlopCounterMode(display=False) as counter:
        made.score(images[:1])
    flops = counter.get_total_flops()
    a, b = np.random.default_rng(0).random((2, SIDE, SIDE), dtype=np.float32)
    out = np.empty_like(a)
    with TemporaryDirectory() as place:
        calls = dict(ways(made, Path(place), images))
        for n in BATCHES:
            times: dict[str, list[float]] = {name: [] for name in ("limit", *calls)}
            for _ in range(WARM + max(4, o.rounds // n)):
                times["limit"].append(seconds(lambda: np.matmul(a, b, out=out)))
                for name, call in calls.items():
                    times[name].append(seconds(lambda call=call, n=n: call(images[:n])))
            limit = 2 * SIDE**3 / np.array(times.pop("limit")[WARM:])
            print(f"batch {n}: numpy {np.median(limit) / 1e9:.0f} GFLOP/s; {flops / 1e9:.2f} GFLOP an image")
            for name, each in times.items():
                taken = np.array(each[WARM:]) / n
                low, middle, high = np.quantile(1000 * taken, (0.25, 0.5, 0.75))
                share = np.median(flops / taken / limit)
                print(f"  {name:22} {middle:6.2f} ms an image ({low:.2f} to {high:.2f}), share {share:.0%}")


if __name__ == "__main__":
    main()
