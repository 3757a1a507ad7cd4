"""Anomalib's side of `speed_anomalib.py`, run by the Python of an environment of its own (`side.py`).

    python -I benchmarks/speed_anomalib_side.py FOLDER WEIGHTS.safetensors

The folder holds the images, and the banks and features that our side drew; Anomalib's exports go there.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
from anomalib.deploy import OpenVINOInferencer
from anomalib.models import EfficientAd, Ganomaly, Padim, Patchcore
from safetensors.torch import load_file
from torch.utils.flop_counter import FlopCounterMode

import anomalib

BATCH = 16  # of the training images
ONE_THREAD = {"INFERENCE_NUM_THREADS": "1"}
FLOAT32 = {"INFERENCE_PRECISION_HINT": "f32"}


class AnomalibSide:
    def __init__(self, folder: str, weights: str) -> None:
        self.weights = load_file(weights)
        self.folder = Path(folder)
        held = np.load(self.folder / "images.npz")
        self.train, self.images = held["train"], held["images"]
        self.ways: dict[tuple[str, str], Callable[[np.ndarray], Any]] = {}
        os.chdir(folder)  # OpenVINO's cache goes there, too

    def versions(self) -> dict[str, str]:
        return {"anomalib": anomalib.__version__, "torch": torch.__version__, "openvino": openvino.__version__,
                "python": sys.version.split()[0]}  # fmt: skip

    def make(self, name: str, method: str, batch: int) -> dict[str, Any]:
        torch.manual_seed(0)
        model: Any = getattr(self, method)(self.folder / f"{name}.npy").eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(prepared(self.images[:1]))
        fixed = {"dynamic_shapes": ({0: batch},)}  # left to itself, the exporter makes PatchCore take batches of 2 only
        exported = model.to_openvino(
            self.folder / f"{name}-export", input_size=self.images.shape[1:3], onnx_kwargs=fixed
        )
        ways = {"torch": lambda images: model(prepared(images))}
        for way, settings in {"openvino": ONE_THREAD | FLOAT32, "openvino-bf16": ONE_THREAD}.items():
            ways[way] = partial(infer, OpenVINOInferencer(exported, device="CPU", config=settings))
        self.ways |= {(name, way): score for way, score in ways.items()}
        return {"gflop": counter.get_total_flops() / 1e9, "ways": list(ways)}

    def patchcore(self, bank: Path) -> Any:
        model = Patchcore("resnet18", ["layer2", "layer3"], pre_trained=False)
        self._load(model)
        model.model.memory_bank = torch.from_numpy(np.load(bank))
        return model

    def padim(self, kept: Path) -> Any:
        model = Padim("resnet18", ["layer1", "layer2", "layer3"], pre_trained=False)
        self._load(model)
        model.model.idx = torch.from_numpy(np.load(kept))
        model.model.train()
        with torch.no_grad():
            for start in range(0, len(self.train), BATCH):
                model.model(model.pre_processor(prepared(self.train[start : start + BATCH])))
        model.model.fit()
        return model

    def ganomaly(self, _: Path) -> Any:
        """Untrained, except that its batch norms know the images."""
        model = Ganomaly()
        model.model.train()
        for layer in model.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum = None  # the mean of all batches
        with torch.no_grad():
            for start in range(0, len(self.train), BATCH):
                model.model(model.pre_processor(prepared(self.train[start : start + BATCH])))
        return model

    def efficientad(self, _: Path) -> Any:
        return EfficientAd()

    def _load(self, model: Any) -> None:
        needed = model.model.feature_extractor.feature_extractor.load_state_dict(self.weights, strict=False)
        assert all(key.endswith("num_batches_tracked") for key in needed.missing_keys), needed

    def score(self, name: str, way: str, chosen: list[int]) -> dict[str, Any]:
        images = self.images[chosen]
        start = time.process_time()
        with torch.no_grad():
            self.ways[name, way](images)
        return {"seconds": time.process_time() - start}


def infer(inferencer: OpenVINOInferencer, images: np.ndarray) -> Any:
    """`predict` without the record at its end, which does not know all names of the outputs of GANomaly."""
    return inferencer.model({inferencer.input_blob.any_name: inferencer.pre_process(images)})


def prepared(images: np.ndarray) -> torch.Tensor:
    """uint8 (N, S, S, 3) -> float (N, 3, S, S) in [0, 1]; Anomalib's models normalise by themselves."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def main() -> None:
    torch.set_num_threads(1)
    answers = sys.stdout
    with redirect_stdout(sys.stderr):  # the exporter reports its progress there
        side = AnomalibSide(*sys.argv[1:])
        for line in sys.stdin:
            command = json.loads(line)
            print(json.dumps(getattr(side, command.pop("do"))(**command)), file=answers, flush=True)


if __name__ == "__main__":
    main()
