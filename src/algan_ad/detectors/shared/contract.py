"""The contract of every method: fit on normal examples, score a batch, hand over the module that scores."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from algan_ad.data.recipe import Recipe
from algan_ad.runtime.errors import InputError
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.predictor import Maps, Rows, Scores
from algan_ad.runtime.progress import track
from algan_ad.runtime.schema import Schema
from algan_ad.training.budget import Budget
from algan_ad.training.device import DeviceName, pick_device, using_threads
from algan_ad.training.loop import RunFolder, Trained
from algan_ad.training.selection import Selection, Weights

NO_AUGMENTATION = Recipe()


@dataclass(frozen=True)
class TrainingData:
    """Normal examples to fit on, and other samples that a run may look at.

    train: uint8 images (N, S, S, 3), or float vectors (N, d). held_out: normals that are kept out of training and
    only monitored. validation: samples and labels (1 = anomalous), protocol thesis only.
    """

    train: Rows
    recipe: Recipe = NO_AUGMENTATION
    held_out: Rows | None = None
    validation: tuple[Rows, NDArray[np.int64]] | None = None


@dataclass(frozen=True)
class RunOptions:
    """The circumstances of a run; none of them is part of the method.

    selections: rules by which a method trained by epochs keeps weights, instead of the rule that its settings and the
    data name. The detector has those of the first after `fit`; those of the others are in `Trained.others`.
    """

    seed: int = 0
    device: DeviceName = "auto"
    folder: RunFolder | None = None
    quality: Callable[[Tensor], dict[str, float]] | None = None  # generated images (N, 3, S, S) -> monitors
    watch: Callable[[int, Weights], None] | None = None
    selections: tuple[Selection, ...] = ()
    budget: Budget | None = None


class Detector(ABC):
    """A method with its configuration; after `fit` or `load`, `module` scores.

    `module` maps a tensor, uint8 (N, S, S, 3) or float32 (N, d), to anomaly scores (N,), higher = more
    anomalous. It holds all that prediction needs, and its state dictionary is what a model folder stores. Scoring
    writes nothing to it, so that several threads may score at once.
    """

    name: ClassVar[str]
    Config: ClassVar[type[Schema]]
    input: Literal["image", "vector"]  # of a class, or of one detector if its settings decide
    # It judges positions: images may have any sides, and a fourth channel may mark pixels 0 that do not count
    # (features/marks.py).
    by_position: ClassVar[bool] = False
    keeps_proportions: ClassVar[bool] = False  # of oblong pictures, unless the user asks for another fit
    augments: ClassVar[bool] = False  # trains on images as the recipe varies them
    generates_images: ClassVar[bool] = False  # so that their quality can be monitored
    # The module also gives maps: `forward_with_maps`, uint8 (N, S, S, 3) -> scores (N,) and maps, float (N, S, S).
    draws_maps: ClassVar[bool] = False
    score_batch: ClassVar[int] = 32  # samples that are scored at once
    map_batch: ClassVar[int] = 8  # images whose maps are drawn at once
    not_exported: ClassVar[str] = ""  # the reason, of a method of which no ONNX graph is made
    # A graph computes all its outputs: maps that cost far more than the score stay out of it.
    exports_maps: ClassVar[bool] = True

    def __init__(self, config: Schema, device: DeviceName = "auto") -> None:
        self.config = config
        self.device = pick_device(device)
        self.threads: int | None = None  # threads of one operation while scoring; None = the physical cores
        self.module: nn.Module | None = None
        self.examples: dict[str, NDArray[np.uint8]] = {}  # generated images (n, S, S, 3) by kind, for people

    @abstractmethod
    def preprocessing(self, recipe: Recipe) -> Preprocessing | None:
        """The preprocessing of image files for this method; None for vectors."""

    @abstractmethod
    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        """Train on normal examples. Raises InputError for unusable data, TrainingDiverged when training fails."""

    @abstractmethod
    def build_module(self, tensors: Mapping[str, Tensor]) -> nn.Module:
        """An untrained scoring module of the shape that these tensors fit into."""

    def load(self, tensors: Mapping[str, NDArray[Any]]) -> Self:
        """Load a whole model, as `tensors` gives it. Raises InputError if it does not fit the settings."""
        weights = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
        try:
            self._build(weights)
        except (RuntimeError, KeyError, ValueError) as error:
            raise InputError(
                f"weights.safetensors does not fit config.json ({error}); fetch the model again"
            ) from error
        return self

    def use_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Score with the weights of an epoch while `fit` is running; tensors that they do not name stay."""
        if self.module is None:
            self._build(weights)
        else:
            self.module.load_state_dict({**self.module.state_dict(), **weights})

    def _build(self, weights: Mapping[str, Tensor]) -> None:
        module = self.build_module(weights)
        module.load_state_dict(dict(weights))
        self.module = module.to(self.device).eval()

    def tensors(self) -> dict[str, NDArray[Any]]:
        """The whole model, as `load` takes it."""
        return {name: tensor.detach().cpu().numpy() for name, tensor in self._fitted().state_dict().items()}

    @property
    def views(self) -> int:
        """Number of views of an image that one pass of the module looks at, such as rotations."""
        return 1

    @torch.no_grad()
    def score(self, samples: Rows, batch_size: int | None = None) -> Scores:
        """Raw anomaly scores, float64 (N,) of float32 precision; always in eval mode."""
        module, device = self.scoring_module()
        size = max(1, (batch_size or self.score_batch) // self.views)
        with using_threads(self.threads):
            return _as_scores([module(batch) for batch in _batches(samples, size, device, "scores")])

    def score_and_maps(self, images: Rows, batch_size: int | None = None) -> tuple[Scores, Maps]:
        """Scores as `score` gives them, and a map of each image, float32 (S, S), higher = more anomalous.

        The maps are the method's own, from the same pass, or else an attribution of the score. Raises InputError for
        a detector of vectors.
        """
        if self.draws_maps:
            return self._scores_with_maps(images, batch_size or self.map_batch)
        from algan_ad.detectors.shared.attribution import attribution_maps  # captum and torchvision, seconds to import

        with using_threads(self.threads):
            maps = attribution_maps(self, images)
        return self.score(images), maps

    @torch.no_grad()
    def _scores_with_maps(self, images: Rows, batch_size: int) -> tuple[Scores, Maps]:
        module: Any = self._fitted().eval()
        scores: list[Tensor] = []
        maps: Maps = []
        with using_threads(self.threads):
            for batch in _batches(images, batch_size, self.device, "scores and maps"):
                some, heats = module.forward_with_maps(batch)
                scores.append(some)
                maps.extend(heats.float().cpu().numpy())
        return _as_scores(scores), maps

    def scoring_module(self) -> tuple[nn.Module, torch.device]:
        """The module that scores, in eval mode, and its device."""
        return self._fitted().eval(), self.device

    def exported_module(self) -> nn.Module:
        """The module that a network is made of, which gives the scores of the one that scores."""
        return self.scoring_module()[0]

    def choices(self, protocol: str) -> dict[str, Any]:
        """Values that `auto` and None among the settings stand for; the plan of a run records them."""
        return {}

    def attributed_module(self) -> nn.Module:
        """The module that attribution maps explain: `module`, or a cheaper stand-in for one that scores many views."""
        return self._fitted().eval()

    def _fitted(self) -> nn.Module:
        if self.module is None:
            raise InputError(f"this {self.name} detector is not fitted yet: call fit() or load a model first")
        return self.module


#: The outcome of a method that is fitted once: there are no epochs to choose among.
FITTED_ONCE = Trained({}, "nothing to select: fitted once", epoch=0)


def _batches(samples: Rows, size: int, device: torch.device, label: str) -> Iterator[Tensor]:
    for start in track(range(0, len(samples), size), label):
        yield torch.from_numpy(np.array(samples[start : start + size], order="C")).to(device)


def _as_scores(chunks: Sequence[Tensor]) -> Scores:
    return torch.cat(list(chunks)).cpu().float().double().numpy() if chunks else np.empty(0)
