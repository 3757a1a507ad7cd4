"""Drawings that methods score an image by, compared with that image and with another: a reason for poor scores.

    OMP_NUM_THREADS=1 python benchmarks/inversion.py --data ../shared/data --out results/inversion.jsonl

The methods are those of plan `coil-100` that draw, trained as in that plan. The script takes the mean |x - drawing of
x| over good test images, and the same for the drawing of another good image, the neighbour in a shuffled order. If
their ratio is near 1, a drawing does not depend on its image, and the error only measures brightness and detail of the
image. Each method, seed and number of epochs writes one line of JSON.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from algan_ad.benchmark.division import load_samples
from algan_ad.benchmark.plan import RunSpec
from algan_ad.benchmark.plan_check import runs
from algan_ad.benchmark.plan_files import read_plan
from algan_ad.benchmark.sources import Sources
from algan_ad.detectors import METHODS
from algan_ad.detectors.shared.contract import RunOptions
from algan_ad.detectors.shared.pixels import to_range
from algan_ad.evaluation.metrics import image_auroc

DRAW: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "ganomaly": lambda module, x: module.decoder(module.encoder(x)),
    "skip-ganomaly": lambda module, x: module.generator(x),
    "alocc": lambda module, x: module.refiner(x),
    "ognet": lambda module, x: module.generator(x),
    "egbad": lambda module, x: module.generator(module.encoder(x)),
    "anogan": lambda module, x: module.search(x),
}


def measure(spec: RunSpec, sources: Sources) -> dict[str, Any]:
    detector = METHODS[spec.method](METHODS[spec.method].Config(**spec.settings), "cpu")
    samples = load_samples(spec, sources.find(spec.dataset, spec.category), detector)
    trained = detector.fit(samples.data, RunOptions(spec.seed, "cpu"))
    order = np.random.default_rng(spec.seed).permutation(np.flatnonzero(samples.labels == 0))
    x = to_range(torch.from_numpy(np.array(samples.test[order])))
    assert detector.module
    with torch.no_grad():
        drawn = torch.cat([DRAW[spec.method](detector.module.eval(), some) for some in x.split(32)])
    own = (x - drawn).abs().mean().item()
    other = (x - drawn.roll(1, 0)).abs().mean().item()
    return {
        "method": spec.label, "seed": spec.seed, "epochs": spec.settings["epochs"], "selection": trained.selection,
        "own": own, "other": other, "ratio": own / other,
        "image_auroc": image_auroc(samples.labels, detector.score(samples.test)),
    }  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| method | epochs | seed | own | of another | ratio | AUROC |", "|---|---|---|---|---|---|---|"]
    for row in sorted(rows, key=lambda row: (row["method"], row["epochs"], row["seed"])):
        cells = [row["method"], row["epochs"], row["seed"]]
        cells += [f"{row[name]:.3f}" for name in ("own", "other", "ratio", "image_auroc")]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("results/inversion.jsonl"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2], help="none: only print the table")
    parser.add_argument("--methods", choices=list(DRAW), nargs="+", default=list(DRAW))
    parser.add_argument("--epochs", type=int, help="instead of the plan's")
    parser.add_argument("--last", action="store_true", help="the last epoch's weights, instead of selected ones")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in options.out.read_text().splitlines()] if options.out.exists() else []
    sources = Sources(options.data)
    changes = ({"epochs": options.epochs} if options.epochs else {}) | ({"selection": "last"} if options.last else {})
    plan = read_plan("coil-100").model_copy(update={"seeds": tuple(options.seeds), "protocols": ("normal-only",)})
    for spec in runs(plan, sources) if options.seeds else []:
        if spec.method not in options.methods:
            continue
        rows.append(measure(spec.model_copy(update={"settings": spec.settings | changes}), sources))
        with options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(rows[-1]) + "\n")
        print(json.dumps(rows[-1]), flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
