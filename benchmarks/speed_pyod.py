"""The time that ALGAN, our traditional methods and PyOD's take to score vectors, in turns.

    OMP_NUM_THREADS=1 python benchmarks/speed_pyod.py mvtec hazelnut --data ../shared/data/mvtec_features_resnet18 \
        --python ENVIRONMENT/bin/python --out results/speed-pyod.jsonl
    OMP_NUM_THREADS=1 python benchmarks/speed_pyod.py tabular 30_satellite --data ../shared/data/tabular \
        --python ENVIRONMENT/bin/python --out results/speed-pyod.jsonl

PyOD lives in an environment of its own and runs `speed_pyod_side.py`; --python names its Python. Both sides are fitted
to the same normals (`vectors.split`, seed 0) with their defaults, once; ours of the traditional methods standardise as
`vectors.py` does. Seconds are those of the processor, inside of the process, on one thread. In every round each method
scores the same rows, ONE of them one by one and then BATCH together, all methods in random order. A ratio compares a
method with ALGANDetector within one round.

    ALGANDetector       as scikit-learn's users call it, in torch: `score_samples`, which checks its input
    ALGAN, exported     the same model in ONNX Runtime
    ours, NAME          our traditional methods, which are scikit-learn's behind our contract
    PyOD, NAME          `decision_function`
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
import onnxruntime
import sklearn
import torch
from numpy.typing import NDArray

from algan_ad.detectors import METHODS
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.estimator import ALGANDetector
from algan_ad.export.graph import make_network
from algan_ad.runtime.model_folder import ModelConfig
from algan_ad.runtime.running import Running
from algan_ad.runtime.sessions import NetworkScorer
from side import Side
from vectors import split

OURS = ("knn", "lof", "ocsvm", "isolation-forest")
THEIRS = ("KNN", "LOF", "OCSVM", "IForest", "ECOD", "HBOS")
ONE, BATCH = 16, 256  # rows that are scored one by one, and together
Rows = NDArray[np.float64]
Score = Callable[[Rows], object]
Measure = Callable[[list[int], bool], float]  # positions among the test rows, one by one or together -> seconds


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    train, test, _ = split(options.kind, options.data, options.name, 0)
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.npz"
        np.savez(rows, train=train, test=test)
        side = Side(options.python, "speed_pyod_side.py", rows)
        fitted, calls = ours(options.kind, train, Path(folder))
        measures: dict[str, Measure] = {name: partial(taken, call, test) for name, call in calls.items()}
        for name in THEIRS:
            fitted[f"PyOD, {name}"] = side.ask("fit", name=name)["seconds"]
            measures[f"PyOD, {name}"] = partial(asked, side, name)
        seconds = measure(measures, len(test), options.rounds)
        versions = side.ask("versions") | {
            "torch": torch.__version__, "onnxruntime": onnxruntime.__version__, "scikit-learn": sklearn.__version__,
        }  # fmt: skip
        side.leave()
    found = {"kind": options.kind, "set": options.name, "train": train.shape, "versions": versions,
             "fit": fitted, "seconds": seconds}  # fmt: skip
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(found) + "\n")
    print(table(found))


def ours(kind: str, train: Rows, folder: Path) -> tuple[dict[str, float], dict[str, Score]]:
    """Processor seconds of each fit, and the functions that score."""
    start = time.process_time()
    algan = ALGANDetector(random_state=0).fit(train)
    fitted = {"ALGANDetector": time.process_time() - start}
    network = exported(algan, train.astype(np.float32), folder / "network.onnx")
    calls: dict[str, Score] = {
        "ALGANDetector": algan.score_samples, "ALGAN, exported": lambda x: network.score(x.astype(np.float32)),
    }  # fmt: skip
    for name in OURS:
        start = time.process_time()
        settings = METHODS[name].Config(standardise=kind == "tabular" or name == "ocsvm")
        detector = METHODS[name](settings, "cpu")
        detector.threads = 1
        detector.fit(TrainingData(train), RunOptions(0, "cpu"))
        fitted[f"ours, {name}"] = time.process_time() - start
        calls[f"ours, {name}"] = partial(detector.score, batch_size=BATCH)
    return fitted, calls


def exported(algan: ALGANDetector, train: NDArray[np.float32], path: Path) -> NetworkScorer:
    detector = algan.detector_
    config = ModelConfig(
        method=detector.name, plan={}, input="vector", preprocessing=None, protocol="normal-only", selection="none",
        fingerprint={}, seed=0, versions={}, training={},
    )  # fmt: skip
    path.write_bytes(make_network(detector, torch.from_numpy(train[:1]), config, ""))
    return NetworkScorer(path, Running(threads=1, batch_size=BATCH))


def taken(score: Score, test: Rows, chosen: list[int], one_by_one: bool) -> float:
    rows = test[chosen]
    batches = np.split(rows, len(rows)) if one_by_one else [rows]
    start = time.process_time()
    for batch in batches:
        score(batch)
    return time.process_time() - start


def asked(side: Side, name: str, chosen: list[int], one_by_one: bool) -> float:
    return float(side.ask("score", name=name, chosen=chosen, one_by_one=one_by_one)["seconds"])


def measure(measures: dict[str, Measure], n: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds a row, round by round after one of warm-up: one by one, and together."""
    rng, found = random.Random(0), {name: {"one": [], "batch": []} for name in measures}  # type: ignore[var-annotated]
    order = list(measures)
    for i in range(rounds + 1):
        rng.shuffle(order)
        chosen = [rng.randrange(n) for _ in range(BATCH)]
        for name in order:
            one = measures[name](chosen[:ONE], True) / ONE
            batch = measures[name](chosen, False) / BATCH
            if i:
                found[name]["one"].append(one)
                found[name]["batch"].append(batch)
    return found


def table(found: dict[str, Any]) -> str:
    """Times in microseconds, and the ratios to ALGANDetector: medians, with the smallest and the largest."""
    lines = ["| method | fit, s | one row, us | to ALGANDetector | a row of 256, us | to ALGANDetector |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for name, times in found["seconds"].items():
        cells = [name, f"{found['fit'][name]:.2f}" if name in found["fit"] else ""]
        for way, each in times.items():
            ratios = sorted(a / b for a, b in zip(each, found["seconds"]["ALGANDetector"][way], strict=True))
            cells.append(f"{1e6 * statistics.median(each):.3g}")
            cells.append(f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["mvtec", "tabular"])
    parser.add_argument("name", help="a category of MVTec-AD, or a table")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--python", type=Path, required=True, help="Python of an environment with PyOD")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
