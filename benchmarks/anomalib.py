"""PatchCore and PaDiM beside Anomalib's: AUROC and times of both on the same images.

    OMP_NUM_THREADS=1 python benchmarks/anomalib.py --data ../shared/data/mtd \
        --weights ../shared/weights/resnet18.layers1-3.imagenet1k.safetensors \
        --python ENVIRONMENT/bin/python --out results/anomalib.jsonl

Anomalib lives in an environment of its own and runs `anomalib_side.py`; --python names its Python. Images are decoded
once, here. Both sides read the same uint8 arrays and weights, take the same seeds and compute with one thread. They
take turns: a fit each, a batch each. Seconds are those of the processor, which other programs do not lengthen. AUROC is
scikit-learn's, of raw scores. Each comparison writes one line of JSON:

    own      each side chooses its own coreset or features by the same seed
    shared   Anomalib gets our coreset or features, so that this choice makes no difference
"""

import argparse
import json
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from torch.nn.functional import avg_pool2d

from algan_ad.data.layouts import open_dataset
from algan_ad.data.splits import split
from algan_ad.detectors.padim import Padim
from algan_ad.detectors.patchcore import PatchCore
from algan_ad.detectors.shared.contract import Detector, RunOptions, TrainingData
from algan_ad.features import patches
from algan_ad.runtime.images import Preprocessing, load_many
from side import Side

NEIGHBOURS = 9  # Anomalib's default re-weighting
TIMED = 32  # test images that are timed one by one, and with maps
Scores = NDArray[np.float64]


class Comparison:
    def __init__(self, options: argparse.Namespace, seed: int, folder: Path) -> None:
        parts = split(open_dataset(options.data), "normal-only", seed)
        size = Preprocessing(size=options.image_size)
        self.train, self.test = (
            load_many([item.path for item in items[:: options.every]], size, strict=True).images
            for items in (parts.train, parts.test)
        )
        self.labels = np.array([item.label for item in parts.test])[:: options.every]
        self.options, self.seed, self.folder = options, seed, folder
        images = folder / f"{seed}.npz"
        np.savez(images, train=self.train, test=self.test)
        self.theirs = Side(options.python, "anomalib_side.py", images, options.weights)
        self.versions = self.theirs.ask("versions")
        self.fit(Padim, ("layer1", "layer2", "layer3"), 8)  # warm-up
        self.theirs.ask("fit_padim", seed=seed, kept=None, n=8)

    def patchcore(self, coreset: float, own: bool) -> None:
        n = len(self.train)
        ours, seconds = self.fit(PatchCore, ("layer2", "layer3"), n, coreset=coreset)
        bank, times = self.folder / "bank.npy", {"fit_seconds": [seconds, None]}
        np.save(bank, ours.tensors()["bank"])
        name = f"patchcore-{100 * coreset:g}"
        if own:
            fitted = self.theirs.ask("fit_patchcore", seed=self.seed, coreset=coreset, n=n)
            times = {"fit_seconds": [seconds, fitted["seconds"]], "embedding_seconds": [None, fitted["embedding"]]}
            self.scores(name, "own", ours, times | {"image_auroc_without_zeros": self.without_zeros(coreset)})
        else:  # a coreset that takes no time, of any size
            self.theirs.ask("fit_patchcore", seed=self.seed, coreset=0.01, n=8)
        self.theirs.ask("take_bank", path=str(bank))
        self.scores(name, "shared", ours, {} if own else times)

    def without_zeros(self, coreset: float) -> float:
        """Our AUROC if the mean at the border of a map took only the positions inside."""
        with patch.object(patches, "avg_pool2d", partial(avg_pool2d, count_include_pad=False)):
            ours, _ = self.fit(PatchCore, ("layer2", "layer3"), len(self.train), coreset=coreset)
            return float(roc_auc_score(self.labels, ours.score(self.test, 16)))

    def padim(self) -> None:
        ours, seconds = self.fit(Padim, ("layer1", "layer2", "layer3"), len(self.train))
        for kind, kept in (("own", None), ("shared", ours.tensors()["kept"].tolist())):
            fitted = self.theirs.ask("fit_padim", seed=self.seed, kept=kept, n=len(self.train))
            self.scores("padim", kind, ours, {"fit_seconds": [seconds, fitted["seconds"]]})

    def fit(self, method: type[Detector], layers: tuple[str, ...], n: int, **settings: Any) -> tuple[Detector, float]:
        start = time.process_time()
        o = self.options
        config = method.Config(
            backbone="resnet18", backbone_weights=o.weights, layers=layers, image_size=o.image_size, **settings
        )
        detector = method(config, "cpu")
        detector.fit(TrainingData(self.train[:n]), RunOptions(self.seed, "cpu"))
        return detector, time.process_time() - start

    def scores(self, name: str, kind: str, ours: Detector, extra: dict[str, Any]) -> None:
        """Score the test set batch by batch, in turns; then some images one by one, and with maps."""
        row: dict[str, Any] = {"method": name, "kind": kind, "seed": self.seed, "n_train": len(self.train)}
        row |= {"n_test": len(self.test), "n_anomalous": int(self.labels.sum()), **extra}
        found = self.turns(ours, np.arange(len(self.test)), 16)
        row["image_auroc"] = [float(roc_auc_score(self.labels, each)) for each in found["scores"]]
        row["rank_correlation"] = float(spearmanr(*found["scores"]).statistic)
        row["score_difference"] = float(np.abs(found["scores"][0] / found["scores"][1] - 1).max())
        row["ms_per_image_16"] = found["ms"]
        if isinstance(ours, PatchCore):
            row["image_auroc_reweighted"] = self.reweighted(ours, found["reweighted"])
        some = np.linspace(0, len(self.test) - 1, TIMED).round().astype(int)
        row["ms_per_image_1"] = self.turns(ours, some, 1)["ms"]
        row["ms_per_map_16"] = self.turns(ours, some, 16, maps=True)["ms"]
        row |= {"image_size": self.options.image_size, "ours": torch.__version__, "theirs": self.versions}
        with self.options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)

    def turns(self, ours: Detector, indices: NDArray[np.int64], batch: int, maps: bool = False) -> dict[str, Any]:
        """Scores of both, [ours, theirs], and the median milliseconds an image; theirs always with maps."""
        scores: list[list[float]] = [[], []]
        seconds: list[list[float]] = [[], []]
        reweighted: list[float] = []
        for chunk in np.split(indices, range(batch, len(indices), batch)):
            answer = self.theirs.ask("score", indices=chunk.tolist())
            start = time.process_time()
            some = self.test[chunk]
            scores[0] += (ours.score_and_maps(some, batch)[0] if maps else ours.score(some, batch)).tolist()
            seconds[0].append((time.process_time() - start) / len(chunk))
            scores[1] += answer["unweighted"]
            seconds[1].append(answer["seconds"] / len(chunk))
            reweighted += answer["scores"]
        ms = [1000 * statistics.median(each) for each in seconds]
        return {"scores": [np.array(each) for each in scores], "ms": ms, "reweighted": reweighted}

    def reweighted(self, ours: PatchCore, theirs: list[float]) -> list[float]:
        assert ours.module
        ours.module.reweight = NEIGHBOURS
        scores = ours.score(self.test, 16)
        ours.module.reweight = 0
        return [float(roc_auc_score(self.labels, each)) for each in (scores, theirs)]


def table(rows: list[dict[str, Any]]) -> str:
    """A table of the AUROC of both sides, and of the ratio of Anomalib's times to ours."""
    lines = [
        "| method, choice, seed | AUROC, ours | Anomalib | difference | re-weighted, ours | Anomalib "
        "| rank correlation | fit | score, batch 1 | score, batch 16 | score + map, batch 16 |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ours, theirs = row["image_auroc"]
        again = row.get("image_auroc_reweighted", [None, None])
        one, many, fit = row["ms_per_image_1"], row["ms_per_image_16"], row.get("fit_seconds", [1, None])
        maps = row["ms_per_map_16"]
        cells = [
            f"{row['method']}, {row['kind']}, {row['seed']}", f"{ours:.4f}", f"{theirs:.4f}", f"{ours - theirs:+.4f}",
            *("" if each is None else f"{each:.4f}" for each in again), f"{row['rank_correlation']:.4f}",
            f"{fit[1] / fit[0]:.2f}" if fit[1] else "", f"{one[1] / one[0]:.2f}", f"{many[1] / many[0]:.2f}",
            f"{maps[1] / maps[0]:.2f}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--python", type=Path, required=True, help="Python of an environment with Anomalib")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0], help="none: only print the table")
    parser.add_argument("--coresets", type=float, nargs="*", default=[0.01], help="shares that each side chooses")
    parser.add_argument(
        "--shared-coresets", type=float, nargs="*", default=[0.1], help="shares that we choose for both"
    )
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--every", type=int, default=1, help="take every n-th image only, for a trial")
    parser.add_argument("--out", type=Path, default=Path("results/anomalib.jsonl"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for seed in options.seeds:
            comparison = Comparison(options, seed, Path(folder))
            comparison.padim()
            for coreset in options.coresets:
                comparison.patchcore(coreset, own=True)
            for coreset in options.shared_coresets:
                comparison.patchcore(coreset, own=False)
            comparison.theirs.leave()
    print(table([json.loads(line) for line in options.out.read_text(encoding="utf-8").splitlines()]))


if __name__ == "__main__":
    main()
