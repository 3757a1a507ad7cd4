"""The SHA-256 of every method's scores and maps, to show the bits that a change of the code moved.

    python benchmarks/score_bits.py > before.json        # then change the code, and run it again
    python benchmarks/score_bits.py --against before.json

Every method is fitted with the settings of the contract suite on samples made from a seed, on one thread. The hashes
hold for one machine.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from algan_ad.detectors import METHODS
from algan_ad.detectors.shared.contract import RunOptions, TrainingData

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "detectors"))
from tiny import DIM, SIDE, TINY


def samples(kind: str, n: int, seed: int) -> NDArray[Any]:
    """Images uint8 (n, SIDE, SIDE, 3), or vectors float32 (n, DIM)."""
    rng = np.random.default_rng(seed)
    if kind == "image":
        return rng.integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)
    return rng.normal(size=(n, DIM)).astype(np.float32)


def bits(name: str) -> dict[str, str]:
    detector = METHODS[name](METHODS[name].Config(**TINY[name]), "cpu")
    kind = detector.input
    detector.fit(TrainingData(samples(kind, 20, 0), held_out=samples(kind, 5, 1)), RunOptions(0, "cpu"))
    x = samples(kind, 13, 2)
    found = {"scores": hashed(detector.score(x))}
    if detector.draws_maps:
        found["maps"] = hashed(np.stack(detector.score_and_maps(x)[1]))
    return found | {f"examples/{kind}": hashed(images) for kind, images in detector.examples.items()}


def hashed(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="hashes from before: only what differs is shown")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {name: bits(name) for name in METHODS}
    if options.against is not None:
        before = json.loads(options.against.read_text())
        found = {
            name: {"before": before.get(name), "now": now} for name, now in found.items() if before.get(name) != now
        }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
