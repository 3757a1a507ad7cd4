"""The contract of every method: fit on normal examples, score a batch, hand over the module that scores."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from algan_ad.data.recipe import Recipe
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.progress import track
from algan_ad.runtime.schema import Schema
from algan_ad.training.device import DeviceName, pick_device
from algan_ad.training.loop import RunFolder, Trained, Weights

Family = Literal["ALGAN", "GAN on images", "pseudo-anomalies", "pre-trained features", "traditional"]
Samples = NDArray[np.uint8] | NDArray[np.float32]
Scores = NDArray[np.float64]


NO_AUGMENTATION = Recipe()


class Rows(Protocol):
    """Anything that holds samples and gives a batch of them: an array, or decoded images in RAM or on disk."""

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Any) -> Any: ...


@dataclass(frozen=True)
class TrainingData:
    """Normal examples to fit on, and what a run may look at beside them.

    train: uint8 images (N, S, S, 3), or float vectors (N, d). held_out: normals kept out of training, watched
    while training and never learned from. validation: samples and labels (1 = anomalous), protocol thesis only.
    """

    train: Rows
    recipe: Recipe = NO_AUGMENTATION
    held_out: Rows | None = None
    validation: tuple[Rows, NDArray[np.int64]] | None = None


@dataclass(frozen=True)
class RunOptions:
    """Where and how a run takes place; nothing here is part of the method."""

    seed: int = 0
    device: DeviceName = "auto"
    folder: RunFolder | None = None
    quality: Callable[[Tensor], dict[str, float]] | None = None  # generated images (N, 3, S, S) -> monitors
    watch: Callable[[int, Weights], None] | None = None


class Detector(ABC):
    """A method with its configuration; after `fit` (or `restore`), `module` scores.

    `module` maps a tensor, uint8 (N, S, S, 3) or float32 (N, d), to anomaly scores (N,), higher = more
    anomalous. It holds all that prediction needs, and its state dictionary is what a model folder stores.
    """

    name: ClassVar[str]
    family: ClassVar[Family]
    Config: ClassVar[type[Schema]]
    input: Literal["image", "vector"]  # of a class, or of one detector where its settings decide
    augments: ClassVar[bool] = False  # trains on images as the recipe varies them
    generates_images: ClassVar[bool] = False  # so that their quality can be monitored
    # Its module says where, too: `score_and_maps`, uint8 (N, S, S, 3) -> scores (N,) and maps, float (N, S, S).
    draws_maps: ClassVar[bool] = False

    def __init__(self, config: Schema, device: DeviceName = "auto") -> None:
        self.config = config
        self.device = pick_device(device)
        self.module: nn.Module | None = None
        self.examples: dict[str, NDArray[np.uint8]] = {}  # generated images (n, S, S, 3) by kind, for people

    @abstractmethod
    def preprocessing(self, recipe: Recipe) -> Preprocessing | None:
        """How files become this method's input; None for vectors."""

    @abstractmethod
    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        """Train on normal examples. Raises InputError for unusable data, TrainingDiverged when it fails."""

    @abstractmethod
    def build_module(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        """An untrained scoring module of the shape that these tensors fit into."""

    def restore(self, tensors: Mapping[str, NDArray[Any]]) -> "Detector":
        """Load what a model folder stores. Raises InputError when the tensors do not fit the configuration."""
        weights = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
        try:
            self.load(weights)
        except (RuntimeError, KeyError, ValueError) as error:
            raise InputError(
                f"weights.safetensors does not fit config.json ({error}); fetch the model again"
            ) from error
        return self

    def tensors(self) -> dict[str, NDArray[Any]]:
        """What `restore` takes."""
        return {name: tensor.detach().cpu().numpy() for name, tensor in self._fitted().state_dict().items()}

    @torch.no_grad()
    def score(self, samples: Rows, batch_size: int = 32) -> Scores:
        """Raw anomaly scores, float64 (N,) of float32 precision; always in eval mode."""
        module, device = self.scoring_module()
        return _as_scores([module(batch) for batch in _batches(samples, batch_size, device, "scores")])

    @torch.no_grad()
    def score_and_maps(self, images: Rows, batch_size: int = 8) -> tuple[Scores, list[NDArray[np.float32]]]:
        """From one pass of a method that draws maps: `score`, and anomaly maps, float32 (S, S) an image.

        Higher = more anomalous, in both.
        """
        module: Any = self._fitted().eval()
        scores: list[Tensor] = []
        maps: list[NDArray[np.float32]] = []
        for batch in _batches(images, batch_size, self.device, "scores and maps"):
            some, heats = module.score_and_maps(batch)
            scores.append(some)
            maps.extend(heats.float().cpu().numpy())
        return _as_scores(scores), maps

    def scoring_module(self) -> tuple[nn.Module, torch.device]:
        """The module that scores, in eval mode, and where it does."""
        return self._fitted().eval(), self.device

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Make `module` from scoring weights."""
        module = self.build_module(weights)
        module.load_state_dict(dict(weights))
        self.module = module.to(self.device).eval()

    def choices(self, protocol: str) -> dict[str, Any]:
        """What `auto` and None among the settings became, for the plan of a run."""
        return {}

    def attributed_module(self) -> nn.Module:
        """What attribution maps explain: `module`, or a cheaper stand-in for one that scores many views."""
        return self._fitted().eval()

    def _fitted(self) -> nn.Module:
        if self.module is None:
            raise InputError(f"this {self.name} detector is not fitted yet: call fit() or load a model first")
        return self.module


def _batches(samples: Rows, size: int, device: torch.device, label: str) -> Iterator[Tensor]:
    for start in track(range(0, len(samples), size), label):
        yield torch.from_numpy(np.array(samples[start : start + size], order="C")).to(device)


def _as_scores(chunks: Sequence[Tensor]) -> Scores:
    return torch.cat(list(chunks)).cpu().float().double().numpy() if chunks else np.empty(0)


def fitted_once(start: float) -> Trained:
    """What `fit` returns where there are no epochs to choose among; `start` from time.monotonic()."""
    return Trained({}, "nothing to select: fitted once", 0, time.monotonic() - start)
