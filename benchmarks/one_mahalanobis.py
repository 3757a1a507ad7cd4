"""One Mahalanobis distance for all patches of plan mtd's PatchCore-10, to measure the gain from its memory bank.

    OMP_NUM_THREADS=1 python benchmarks/one_mahalanobis.py --data ../shared/data --out results/one_mahalanobis.jsonl

The splits, the network and the patches are the plan's. Ledoit and Wolf's covariance is taken over the patches of all
positions, and the score of an image is that of its worst patch, as in PatchCore. This is not a plan, because no method
of the package does it. Each seed writes one line of JSON, with seconds of the processor, which other programs do not
lengthen.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from algan_ad.benchmark.division import load_samples
from algan_ad.benchmark.plan import RunSpec
from algan_ad.benchmark.plan_check import runs
from algan_ad.benchmark.plan_files import read_plan
from algan_ad.benchmark.sources import Sources
from algan_ad.detectors.patchcore import PatchCore, PatchCoreConfig
from algan_ad.detectors.shared.feature_pass import collect
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.features.backbones import PyramidBackbone
from algan_ad.features.conditioning import fit_whitening
from algan_ad.features.patches import patches

CPU = torch.device("cpu")


def measure(spec: RunSpec, sources: Sources) -> dict[str, Any]:
    weights = sources.find_file(Path(spec.settings["backbone_weights"]))
    config = PatchCoreConfig(**spec.settings | {"backbone_weights": weights})
    samples = load_samples(spec, sources.find(spec.dataset, spec.category), PatchCore(config, "cpu"))
    backbone = PyramidBackbone(config.backbone, config.taken, config.backbone_weights)

    def features(batch: torch.Tensor) -> torch.Tensor:
        return patches(backbone, batch, config.dim).flatten(1, 2)

    start = time.process_time()
    rows = collect(features, samples.data.train, CPU, "features").flatten(0, 1)
    whitening = fit_whitening(rows.numpy(), scale=1.0)
    fitted = time.process_time()
    scores = collect(lambda batch: whitening(features(batch)).norm(dim=2).amax(1), samples.test, CPU, "scores")
    return {
        "method": "one Mahalanobis for all patches", "seed": spec.seed, "n_train": len(samples.data.train),
        "n_test": len(samples.test), "image_auroc": image_auroc(samples.labels, scores.double().numpy()),
        "fit_seconds": round(fitted - start, 1),
        "score_ms": round(1000 * (time.process_time() - fitted) / len(samples.test), 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds mtd, as of algan benchmark run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("results/one_mahalanobis.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    sources = Sources(options.data)
    plan = read_plan("mtd").at("full").model_copy(update={"seeds": tuple(options.seeds)})
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for spec in runs(plan, sources):
        if spec.label == "PatchCore-10":
            row = json.dumps(measure(spec, sources))
            with options.out.open("a", encoding="utf-8") as file:
                file.write(row + "\n")
            print(row, flush=True)


if __name__ == "__main__":
    main()
