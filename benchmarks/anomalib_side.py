"""Anomalib's side of `anomalib.py`, run by the Python of an environment of its own.

    python -I benchmarks/anomalib_side.py IMAGES.npz WEIGHTS.safetensors

It reads a command from each line and writes an answer to each line, both JSON. Seconds are those of the processor, with
one thread. The torch models are called directly: their scores are raw, neither normalised nor clamped.
"""

import json
import sys
import time
from typing import Any

import numpy as np
import timm
import torch
from anomalib.models.image.padim.torch_model import PadimModel
from anomalib.models.image.patchcore.torch_model import PatchcoreModel
from safetensors.torch import load_file

import anomalib

BATCH = 32  # of the training images
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


class PatchCore(PatchcoreModel):
    """A PatchCore that also keeps the score without re-weighting, which `num_neighbors=1` would give."""

    unweighted: torch.Tensor

    def compute_anomaly_score(self, patch_scores: Any, locations: Any, embedding: Any) -> torch.Tensor:
        self.unweighted = patch_scores.amax(1)
        return super().compute_anomaly_score(patch_scores, locations, embedding)


class Side:
    def __init__(self, images: str, weights: str) -> None:
        held = np.load(images)
        self.train, self.test = held["train"], held["test"]
        self.weights = load_file(weights)
        self.model: Any = None

    def versions(self) -> dict[str, str]:
        return {"anomalib": anomalib.__version__, "torch": torch.__version__, "timm": timm.__version__,
                "python": sys.version.split()[0]}  # fmt: skip

    def fit_patchcore(self, seed: int, coreset: float, n: int) -> dict[str, Any]:
        start = self._begin(seed)
        self.model = self._loaded(PatchCore(["layer2", "layer3"], "resnet18", pre_trained=False))
        self._embed(n)
        embedded = time.process_time() - start
        self.model.subsample_embedding(coreset)
        return {"seconds": time.process_time() - start, "embedding": embedded, "bank": len(self.model.memory_bank)}

    def fit_padim(self, seed: int, kept: list[int] | None, n: int) -> dict[str, Any]:
        start = self._begin(seed)
        self.model = self._loaded(PadimModel("resnet18", ["layer1", "layer2", "layer3"], pre_trained=False))
        if kept:
            self.model.idx = torch.tensor(kept)
        self._embed(n)
        self.model.fit()
        return {"seconds": time.process_time() - start}

    def take_bank(self, path: str) -> dict[str, Any]:
        self.model.memory_bank = torch.from_numpy(np.load(path))
        return {"bank": len(self.model.memory_bank)}

    def score(self, indices: list[int]) -> dict[str, Any]:
        start = time.process_time()
        self.model.eval()
        with torch.no_grad():
            scores = self.model(prepared(self.test[indices])).pred_score.flatten()  # PaDiM's: (N, 1)
        seconds = time.process_time() - start
        unweighted = getattr(self.model, "unweighted", scores)
        return {"seconds": seconds, "scores": scores.tolist(), "unweighted": unweighted.tolist()}

    def _begin(self, seed: int) -> float:
        self.model = None
        torch.manual_seed(seed)
        np.random.seed(seed)  # their sparse projection draws from numpy's global state
        return time.process_time()

    def _loaded(self, model: Any) -> Any:
        needed = model.feature_extractor.feature_extractor.load_state_dict(self.weights, strict=False).missing_keys
        assert all(key.endswith("num_batches_tracked") for key in needed), needed
        return model

    def _embed(self, n: int) -> None:
        self.model.train()
        with torch.no_grad():
            for start in range(0, n, BATCH):
                self.model(prepared(self.train[start : min(start + BATCH, n)]))


def prepared(images: np.ndarray) -> torch.Tensor:
    """uint8 (N, S, S, 3) -> float (N, 3, S, S), normalised as for ImageNet."""
    return ((torch.from_numpy(images).float() / 255 - MEAN) / STD).permute(0, 3, 1, 2)


def main() -> None:
    torch.set_num_threads(1)
    side = Side(*sys.argv[1:])
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(getattr(side, command.pop("do"))(**command)), flush=True)


if __name__ == "__main__":
    main()
