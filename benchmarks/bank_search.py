"""PatchCore's search for the farthest patch: by parts of the bank against the whole bank, for banks of several sizes.

    OMP_NUM_THREADS=1 python benchmarks/bank_search.py --data ../shared/data/mtd --out results/bank-search.jsonl
    OMP_NUM_THREADS=1 python benchmarks/bank_search.py --data ../shared/data/mtd --out results/bank-search.jsonl \
        --weights ../shared/weights/resnet18.layers1-3.imagenet1k.safetensors

Patches are those of real tiles at 224 pixels, 784 an image: 152 features of EfficientNet-Lite0, or with --weights 384
of ResNet-18. A bank is a greedy coreset of those of other tiles. Both searches, in torch and exported to ONNX Runtime,
take turns on the same batch, each on one thread; seconds are those of the processor. Each bank, runtime and size of the
batch writes one line of JSON. `chosen` is the search that the detector takes for a bank of that size.
"""

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from algan_ad.data.layouts import open_dataset
from algan_ad.data.splits import split
from algan_ad.detectors.patchcore import SMALL, PatchScorer
from algan_ad.features.backbones import PyramidBackbone
from algan_ad.features.coreset import greedy_coreset
from algan_ad.features.patches import patches
from algan_ad.runtime.images import Preprocessing, load_many

Search = Callable[[Tensor], Tensor]


class Parts(nn.Module):
    """Patches (N, P, d) -> the largest distance of each image (N,), as the detector finds it in a large bank."""

    def __init__(self, scorer: PatchScorer) -> None:
        super().__init__()
        self.scorer = scorer

    def forward(self, x: Tensor) -> Tensor:
        return self.scorer._bounds(x)[0].amax(1)


class Whole(Parts):
    """The same, as the detector finds it in a small bank."""

    def forward(self, x: Tensor) -> Tensor:
        return self.scorer._nearest(x, self.scorer.bank)[0].amax(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="magnetic tiles (MTD)")
    parser.add_argument("--weights", type=Path, help="of ResNet-18, instead of EfficientNet-Lite0")
    parser.add_argument("--banks", type=int, nargs="+", default=[250, 500, 1000, 2000, 5000, 15_700])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--train", type=int, default=100, help="good tiles that the banks are made of")
    parser.add_argument("--images", type=int, default=32, help="tiles that are timed, good ones and defects")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    parts = split(open_dataset(options.data), "normal-only", 0)
    name, layers = "tf_efficientnet_lite0", ("blocks.2", "blocks.4")
    if options.weights is not None:
        name, layers = ("resnet18", ("layer2", "layer3"))
    backbone = PyramidBackbone(name, layers, options.weights)

    def read(items: list[Path]) -> Tensor:
        images = load_many(items, Preprocessing(size=224), strict=True).images
        with torch.no_grad():
            return torch.cat(
                [patches(backbone, each, 1024).flatten(1, 2) for each in torch.from_numpy(images).split(8)]
            )

    test = np.linspace(0, len(parts.test) - 1, options.images).astype(int)
    queries = read([parts.test[i].path for i in test])
    rows = read([item.path for item in parts.train[: options.train]]).flatten(0, 1)
    order = greedy_coreset(rows, max(options.banks), torch.Generator().manual_seed(0), torch.device("cpu"))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    for size in options.banks:
        scorer = PatchScorer(backbone, rows[order[:size]], 1024, 0)
        searches: dict[str, nn.Module] = {"whole": Whole(scorer), "parts": Parts(scorer)}
        exported = {key: exported_search(module, queries[:2]) for key, module in searches.items()}
        for runtime, ways in {"torch": searches, "onnxruntime": exported}.items():
            for batch in options.batches:
                row = {"backbone": name, "bank": size, "runtime": runtime, "batch": batch}
                row |= turns(ways, queries, batch) | {"chosen": "parts" if size >= SMALL else "whole"}
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                print(json.dumps(row), flush=True)


def exported_search(module: nn.Module, x: Tensor) -> Search:
    """The search in ONNX Runtime, on one thread."""
    with torch.no_grad():
        program = torch.onnx.export(
            module.eval(), (x,), dynamo=True, verbose=False, opset_version=20, dynamic_shapes=({0: "n"},)
        )
    content = io.BytesIO()
    assert program is not None
    program.save(content)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content.getvalue(), settings, ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda batch: torch.from_numpy(session.run(None, {name: batch.numpy()})[0])


@torch.no_grad()
def turns(ways: dict[str, Search], queries: Tensor, batch: int) -> dict[str, object]:
    """Milliseconds an image of both searches, and their ratio in each turn."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    scores: dict[str, list[float]] = {name: [] for name in ways}
    for i, x in enumerate((queries[:batch], *queries.split(batch))):  # the first turn prepares much
        for name in sorted(ways, reverse=bool(i % 2)):
            start = time.process_time()
            found = ways[name](x)
            if i:
                seconds[name].append((time.process_time() - start) / len(x))
                scores[name] += found.tolist()
    ratios = [a / b for a, b in zip(seconds["parts"], seconds["whole"], strict=True)]
    return {
        "milliseconds": {name: round(1e3 * statistics.median(each), 2) for name, each in seconds.items()},
        "parts_over_whole": round(statistics.median(ratios), 3), "range": [round(f(ratios), 3) for f in (min, max)],
        "largest_difference": max(abs(a - b) for a, b in zip(scores["parts"], scores["whole"], strict=True)),
    }  # fmt: skip


if __name__ == "__main__":
    main()
