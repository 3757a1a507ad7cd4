"""AUROC of classifiers of pseudo-anomalies on pseudo-anomalies and on real ones, to explain missed real ones.

    OMP_NUM_THREADS=1 python benchmarks/pseudo_anomalies.py --data ../shared/data --out results/pseudo_anomalies.jsonl

G2D and the history-based detector are trained as in plan `coil-100`. Good test images, which neither has seen, stand
against new images by the generator's past, and against real anomalies. Each method and seed writes one line of JSON
with the AUROC of both.
"""

import argparse
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from algan_ad.benchmark.division import load_samples
from algan_ad.benchmark.plan import RunSpec
from algan_ad.benchmark.plan_check import runs
from algan_ad.benchmark.plan_files import read_plan
from algan_ad.benchmark.sources import Sources
from algan_ad.detectors import METHODS
from algan_ad.detectors.shared.contract import RunOptions
from algan_ad.detectors.shared.pixels import to_pixels
from algan_ad.detectors.shared.two_phase_gan import TwoPhaseGan, TwoPhases
from algan_ad.evaluation.metrics import image_auroc


def measure(spec: RunSpec, sources: Sources) -> dict[str, Any]:
    detector = METHODS[spec.method](METHODS[spec.method].Config(**spec.settings), "cpu")
    samples = load_samples(spec, sources.find(spec.dataset, spec.category), detector)
    with patch.object(TwoPhaseGan, "run_loop", autospec=True, side_effect=TwoPhaseGan.run_loop) as run_loop:
        detector.fit(samples.data, RunOptions(spec.seed, "cpu"))
    adversary: Any = run_loop.call_args.args[1]
    assert isinstance(adversary, TwoPhases)
    scores = detector.score(samples.test)
    good = scores[samples.labels == 0]
    torch.manual_seed(spec.seed)
    latents = torch.randn(len(good), spec.settings.get("z_dim", 100))
    made = detector.score(to_pixels(adversary.past.draw(latents, adversary.weights)))  # type: ignore[arg-type]
    labels = np.repeat([0, 1], [len(good), len(made)])
    return {
        "method": spec.label, "seed": spec.seed, "pseudo": image_auroc(labels, np.concatenate([good, made])),
        "real": image_auroc(samples.labels, scores),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("results/pseudo_anomalies.jsonl"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    sources = Sources(options.data)
    plan = read_plan("coil-100").model_copy(update={"seeds": tuple(options.seeds), "protocols": ("normal-only",)})
    for spec in runs(plan, sources):
        if spec.method in ("g2d", "history"):
            row = measure(spec, sources)
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(f"| {row['method']}, {row['seed']} | {row['pseudo']:.3f} | {row['real']:.3f} |", flush=True)


if __name__ == "__main__":
    main()
