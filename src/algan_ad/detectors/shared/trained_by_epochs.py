"""Methods trained epoch by epoch: their settings, and their way through the shared loop."""

import copy
import time
from dataclasses import replace
from itertools import chain
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from algan_ad.data.cutpaste import cut_paste
from algan_ad.data.made_up import KINDS, make_up
from algan_ad.detectors.shared.contract import Detector, RunOptions, TrainingData
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.images import Pixels
from algan_ad.runtime.predictor import Rows
from algan_ad.runtime.schema import Schema
from algan_ad.training.adversary import Adversary
from algan_ad.training.device import Precision, pick_precision
from algan_ad.training.loop import Fetch, Schedule, Trained, Validate, train
from algan_ad.training.selection import Selection, Weights

CPU = torch.device("cpu")  # other devices may lack float64
SAVING, N_TIMED = 3.0, 8  # seconds that writing a model takes at most, and samples that the time of a score is of
N_CUT_PASTED = 256  # good images that selection `cut-paste` looks at, and as many altered ones
N_OF_A_KIND = 128  # good images that selection `made-up` looks at, and as many with defects of each kind


class TrainingConfig(Schema):
    """Settings of every method trained by epochs. Those that are None follow from the protocol or the data."""

    epochs: int = Field(512, ge=1, description="passes over the training data")
    batch_size: int = Field(16, ge=2, description="samples a batch (5.1.1)")
    selection: Selection | None = Field(
        None,
        description="rule for the weights that are kept: made-up, cut-paste, average or last, all without labels; "
        "validation, with labels, under protocol thesis; None = by method and protocol",
    )
    observe_every: int = Field(8, ge=1, description="epochs between two looks at the monitors (5.3)")
    patience: int = Field(
        8, ge=0, description="looks in a row without a better epoch that end a training of selection made-up; 0 = never"
    )
    precision: Precision = Field("auto", description="auto: bfloat16 if the processor has it, else float32")


def cut_and_pasted(images: Rows) -> tuple[Rows, NDArray[np.int64]]:
    """Good training images and cut-and-pasted copies of them, labelled 0 and 1: no held-out image, no anomaly."""
    good = _some(images, N_CUT_PASTED, "cut-paste")
    return np.concatenate([good, cut_paste(good)]), np.repeat([0, 1], len(good))


def _some(images: Rows, n: int, selection: Selection) -> Pixels:
    if not len(images) or np.ndim(images[[0]]) != 4:
        raise InputError(Option("selection", selection), " is for images; vectors take average or last")
    return np.asarray(images[np.linspace(0, len(images) - 1, min(n, len(images)), dtype=np.int64)])


class TrainedDetector(Detector):
    """A detector that is trained in the shared loop."""

    config: TrainingConfig
    default_selection: ClassVar[Selection] = "average"  # without labels
    augments = True
    _precise: tuple[nn.Module, list[int], nn.Module] | None = None  # the module in float64, until a weight changes

    def choices(self, protocol: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.config.selection is None:
            found["selection"] = "validation" if protocol == "thesis" else self.default_selection
        if self.config.precision == "auto":
            found["precision"] = str(self.dtype()).removeprefix("torch.")
        return found

    def scoring_module(self) -> tuple[nn.Module, torch.device]:
        """The module that scores. Vectors are scored in float64 and rounded, so that other rows change no bit."""
        module, device = super().scoring_module()
        if self.input == "image":
            return module, device
        changes = [tensor._version for tensor in chain(module.parameters(), module.buffers())]
        if self._precise is None or self._precise[0] is not module or self._precise[1] != changes:
            self._precise = module, changes, copy.deepcopy(module).to(CPU, torch.float64)
        return self._precise[2], CPU

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_precise": None}

    def run_loop(
        self, adversary: Adversary, fetch: Fetch, data: TrainingData, run: RunOptions,
        n_samples: int | None = None, generators: tuple[torch.Generator, ...] = (),
    ) -> Trained:  # fmt: skip
        """Train an adversary in the shared loop, and keep the module with the selected weights.

        `n_samples`: samples in an epoch, if that is not a pass over the data. `generators`: as in `Schedule`.
        """
        c = self.config
        first, *rest = run.selections or (self._selection(data),)
        schedule = Schedule(
            c.epochs, c.batch_size, run.seed, first, c.observe_every, c.patience, self.dtype(), self.device, generators,
            run.budget, lambda weights: self._seconds_after(weights, data),
        )  # fmt: skip
        others = {selection: self._judge(selection, data) for selection in rest}
        judge = self._judge(first, data)
        n = n_samples or len(data.train)
        trained = train(adversary, n, fetch, schedule, run.folder, judge, run.watch, others)
        whole = tuple(map(self._whole, trained.others))
        self.use_weights(trained.weights)
        return replace(self._whole(trained), others=whole) if whole else trained

    def _seconds_after(self, weights: Weights, data: TrainingData) -> float:
        """Time that scoring the held-out samples and writing the model will take, measured on a few of them."""
        if data.held_out is None or not len(data.held_out):
            return SAVING
        self.use_weights(weights)
        some = data.held_out[: min(N_TIMED, len(data.held_out))]
        start = time.monotonic()
        self.score(some)
        if self.draws_maps:  # whose highest values are measured, too
            self.score_and_maps(some)
        return SAVING + (time.monotonic() - start) / len(some) * len(data.held_out)

    def switch(self, trained: Trained) -> None:
        """Score with the weights of another one of several selections of the last fit."""
        module = self._fitted()
        module.load_state_dict({**module.state_dict(), **trained.weights})

    def _whole(self, trained: Trained) -> Trained:
        """The result with all tensors of the module, including those that follow from the training data."""
        self.use_weights(trained.weights)
        tensors = {name: tensor.detach().cpu().clone() for name, tensor in self._fitted().state_dict().items()}
        return replace(trained, weights=tensors)

    def _selection(self, data: TrainingData) -> Selection:
        """The rule that the settings and the data name. Raises InputError if they contradict each other."""
        selection = self.config.selection or ("validation" if data.validation else self.default_selection)
        if selection == "validation" and data.validation is None:
            raise InputError(Option("selection", selection), ": is for ", Option("protocol", "thesis"), " only")
        if selection != "validation" and data.validation is not None:
            raise InputError(
                Option("selection", selection), ": with ", Option("protocol", "thesis"), " labels select; leave it out"
            )
        return selection

    def dtype(self) -> torch.dtype:
        """The precision that training runs in."""
        return pick_precision(self.config.precision, self.device)

    def _judge(self, selection: Selection, data: TrainingData) -> Validate | None:
        """A function from weights to the AUROC that a rule needs; None for a rule that needs none."""
        if selection == "made-up":
            return self._mean_over_kinds(_some(data.train, N_OF_A_KIND, selection))
        if selection == "cut-paste":
            return self._validator(*cut_and_pasted(data.train))
        if selection == "validation":
            assert data.validation is not None
            return self._validator(*data.validation)
        return None

    def _mean_over_kinds(self, good: Pixels) -> Validate:
        """The mean over the kinds of made-up defects of the AUROC against the good images that were altered."""
        altered = [make_up(good, kind)[0] for kind in KINDS]
        labels = np.repeat([0, 1], len(good))

        def auroc(weights: Weights) -> float:
            self.use_weights(weights)
            ours = self.score(good)
            return float(np.mean([image_auroc(labels, np.concatenate([ours, self.score(each)])) for each in altered]))

        return auroc

    def _validator(self, samples: Rows, labels: NDArray[np.int64]) -> Validate:
        def auroc(weights: Weights) -> float:
            self.use_weights(weights)
            return image_auroc(labels, self.score(samples))

        return auroc
