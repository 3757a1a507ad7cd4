"""Shared parts of the traditional methods (thesis 3.1.3): scikit-learn's estimators behind the contract.

An estimator is never stored. The module keeps the training rows and a seed, and the estimator is fitted again, to the
same result, when a model is loaded.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from algan_ad.detectors.shared.contract import FITTED_ONCE, RunOptions, TrainingData
from algan_ad.detectors.shared.feature_pass import OptionalBackbone, VectorDetector
from algan_ad.features.backbones import RANDOM, Backbone
from algan_ad.runtime.errors import InputError, Option
from algan_ad.runtime.seeding import seed_from
from algan_ad.training.loop import Trained

Matrix = NDArray[np.float64]  # (n, d)
ScoreRows = Callable[[Matrix], Matrix]  # (n, d) -> (n,), higher = more anomalous
Fit = Callable[[Matrix, int], ScoreRows]  # training rows and a seed

STEP = 0.1  # step of the differences that replace a gradient, in standard deviations of a feature


class ClassicalConfig(OptionalBackbone):
    """Settings of every traditional method, which takes vectors or the pooled features of a frozen network."""

    standardise: bool | None = Field(
        None,
        description="scale each feature to mean 0 and deviation 1 on the training data; None = only for vectors",
    )


class ClassicalScorer(nn.Module):
    """float (N, d), or uint8 (N, S, S, 3) with a backbone -> anomaly score, float32 (N,), computed in float64.

    rows: training rows float32 (n, d). seed: seed of the estimator's random choices.
    """

    rows: Tensor
    seed: Tensor

    def __init__(self, rows: Tensor, seed: int, fit: Fit, standardise: bool, backbone: Backbone | None) -> None:
        super().__init__()
        self.fit, self.standardise = fit, standardise
        self.register_buffer("rows", rows)
        self.register_buffer("seed", torch.tensor(seed))
        self.backbone = backbone
        self._score: ScoreRows | None = None

    def forward(self, x: Tensor) -> Tensor:
        features = x if self.backbone is None else self.backbone(x)
        return _Scored.apply(features, self)  # type: ignore[no-any-return]

    def score_rows(self, x: Tensor) -> Tensor:
        """Rows (N, d) -> scores float32 (N,), without a gradient."""
        assert self._score is not None  # `fit_estimator` comes first
        if not len(x):  # scikit-learn refuses an empty array
            return x.new_zeros(0, dtype=torch.float32)
        scores = self._score(x.detach().cpu().double().numpy())
        return torch.from_numpy(scores).float().to(x.device)

    def fit_estimator(self) -> None:
        """Fit the estimator to the rows. Raises InputError for rows that it cannot be fitted to."""
        from sklearn.preprocessing import StandardScaler

        rows = self.rows.cpu().double().numpy()
        scaler = StandardScaler(with_mean=self.standardise, with_std=self.standardise).fit(rows)
        score = self.fit(scaler.transform(rows), int(self.seed))
        self._score = lambda x: score(scaler.transform(x))


class _Scored(torch.autograd.Function):
    """An estimator's scores, with a gradient by central differences, so that they can be attributed to pixels."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scorer: ClassicalScorer) -> Tensor:
        ctx.save_for_backward(x)
        ctx.scorer = scorer
        return scorer.score_rows(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        deviation = ctx.scorer.rows.to(x).std(0, correction=0)
        steps = STEP * torch.where(deviation > 0, deviation, 1.0)  # (d,)
        moved = torch.cat([x[:, None] + steps.diag(), x[:, None] - steps.diag()], 1)  # (N, 2 d, d)
        up, down = ctx.scorer.score_rows(moved.flatten(0, 1)).reshape(len(x), 2, -1).unbind(1)
        return grad[:, None] * (up - down) / (2 * steps), None


class ClassicalDetector(VectorDetector):
    """A traditional method: a subclass gives its settings and `scorer`."""

    not_exported = "scikit-learn's estimator scores, not a network of torch"
    config: ClassicalConfig
    module: ClassicalScorer | None

    @abstractmethod
    def scorer(self, rows: Matrix, seed: int) -> ScoreRows:
        """An estimator fitted to training rows, as a function of new rows; `seed` is its `random_state`."""

    @property
    def standardises(self) -> bool:
        """True if features are standardised: by default the columns of a table, because their units differ."""
        return self.config.backbone is None if self.config.standardise is None else self.config.standardise

    def choices(self, protocol: str) -> dict[str, Any]:
        return {"standardise": self.standardises} if self.config.standardise is None else {}

    def fit(self, data: TrainingData, run: RunOptions) -> Trained:
        backbone = self.network(self.config.backbone_weights)
        rows = self.rows(backbone, data.train)
        seed = seed_from(run.seed, self.name) % 2**32  # scikit-learn takes 32 bits
        self.module = self._module(rows, seed, backbone).to(self.device).eval()
        self.module.fit_estimator()
        return FITTED_ONCE

    def load(self, tensors: Mapping[str, NDArray[Any]]) -> Self:
        super().load(tensors)
        assert self.module is not None
        self.module.fit_estimator()
        return self

    def build_module(self, tensors: Mapping[str, Tensor]) -> ClassicalScorer:
        n, d = tensors["rows"].shape
        return self._module(torch.zeros(n, d), 0, self.network(RANDOM))  # the tensors hold its weights

    def _module(self, rows: Tensor, seed: int, backbone: Backbone | None) -> ClassicalScorer:
        return ClassicalScorer(rows, seed, self.scorer, self.standardises, backbone)


def refuse_above(option: str, value: int, n: int) -> None:
    """Raise InputError for more neighbours, clusters or components than the `n` that the training data allows."""
    if value > n:
        raise InputError(Option(option, value), f": the training data allows at most {n}; choose a smaller number")
