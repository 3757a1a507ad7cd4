"""The contract of every method: fit on normal examples, score a batch, hand over the module that scores."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from algan_ad.data.cutpaste import cut_paste
from algan_ad.data.recipe import Recipe
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.schema import Schema
from algan_ad.training.adversary import Adversary
from algan_ad.training.device import DeviceName, Precision, pick_device, pick_precision
from algan_ad.training.loop import Fetch, RunFolder, Schedule, Trained, Weights, train
from algan_ad.training.selection import Selection

Samples = NDArray[np.uint8] | NDArray[np.float32]
Scores = NDArray[np.float64]


NO_AUGMENTATION = Recipe()
N_MADE_UP = 256  # good images that selection `cut-paste` looks at, and as many altered ones


class Rows(Protocol):
    """Anything that holds samples and gives a batch of them: an array, or decoded images in RAM or on disk."""

    def __len__(self) -> int: ...

    def __getitem__(self, indices: Any) -> Any: ...


class TrainingConfig(Schema):
    """What every trained method shares. Fields that are None are derived from the protocol or the data."""

    epochs: int = Field(512, ge=1, description="passes over the training data")
    batch_size: int = Field(16, ge=2, description="samples a batch (5.1.1)")
    selection: Selection | None = Field(
        None,
        description="which weights are kept: cut-paste, average or last, all without labels; validation (thesis)",
    )
    observe_every: int = Field(8, ge=1, description="epochs between two looks at the monitors (5.3)")
    precision: Precision = Field("auto", description="auto: bfloat16 where the processor has it, else float32")


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


def made_up_validation(images: Rows) -> tuple[Rows, NDArray[np.int64]]:
    """Good training images and cut-and-pasted copies of them, labelled 0 and 1: no held-out image, no anomaly."""
    if not len(images) or np.ndim(images[[0]]) != 4:
        raise InputError("--selection cut-paste is for images; vectors take average or last")
    good = images[np.linspace(0, len(images) - 1, min(N_MADE_UP, len(images)), dtype=np.int64)]
    return np.concatenate([good, cut_paste(good)]), np.repeat([0, 1], len(good))


class Detector(ABC):
    """A method with its configuration; after `fit` (or `restore`), `module` scores.

    `module` maps a tensor, uint8 (N, S, S, 3) or float32 (N, d), to anomaly scores (N,), higher = more
    anomalous. It holds all that prediction needs, and its state dictionary is what a model folder stores.
    """

    name: ClassVar[str]
    Config: ClassVar[type[TrainingConfig]]
    input: ClassVar[Literal["image", "vector"]]
    default_selection: ClassVar[Selection] = "average"  # without labels
    augments: ClassVar[bool] = True  # trains on images as the recipe varies them
    generates_images: ClassVar[bool] = False  # so that their quality can be monitored

    def __init__(self, config: TrainingConfig, device: DeviceName = "auto") -> None:
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
        """Raw anomaly scores, float64 (N,); always in eval mode and in float32."""
        module = self._fitted().eval()
        chunks = [
            module(torch.as_tensor(np.ascontiguousarray(samples[start : start + batch_size])).to(self.device))
            for start in range(0, len(samples), batch_size)
        ]
        return torch.cat(chunks).double().cpu().numpy() if chunks else np.empty(0)

    def run_loop(self, adversary: Adversary, fetch: Fetch, data: TrainingData, run: RunOptions) -> Trained:
        """Send an adversary through the shared loop and keep the module that its selected weights make."""
        c = self.config
        selection = c.selection or ("validation" if data.validation else self.default_selection)
        if (selection == "validation") != (data.validation is not None):
            raise InputError(f"--selection {selection}: validation belongs to --protocol thesis, and only to it")
        schedule = Schedule(c.epochs, c.batch_size, run.seed, selection, c.observe_every, self.dtype(), self.device)
        judged = data.validation or (made_up_validation(data.train) if selection == "cut-paste" else None)
        validate = self._validator(*judged) if judged else None
        trained = train(adversary, len(data.train), fetch, schedule, run.folder, validate, run.watch)
        self.load(trained.weights)
        return trained

    def dtype(self) -> torch.dtype:
        """The precision that training runs in."""
        return pick_precision(self.config.precision, self.device)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Make `module` from scoring weights."""
        module = self.build_module(weights)
        module.load_state_dict(dict(weights))
        self.module = module.to(self.device).eval()

    def _validator(self, samples: Rows, labels: NDArray[np.int64]) -> Callable[[Weights], float]:
        def auroc(weights: Weights) -> float:
            self.load(weights)
            return image_auroc(labels, self.score(samples))

        return auroc

    def attributed_module(self) -> nn.Module:
        """What attribution maps explain: `module`, or a cheaper stand-in for one that scores many views."""
        return self._fitted().eval()

    def _fitted(self) -> nn.Module:
        if self.module is None:
            raise InputError(f"this {self.name} detector is not fitted yet: call fit() or load a model first")
        return self.module
