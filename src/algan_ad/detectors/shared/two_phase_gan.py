"""Shared parts of g2d, history and ognet: a GAN, then a network trained on images by its past (thesis 4.2.1)."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from algan_ad.detectors.shared.gan_adversary import GanAdversary
from algan_ad.detectors.shared.image_gan import ImageGan, ImageGanConfig
from algan_ad.detectors.shared.pixels import LAYOUT, to_range


class TwoPhaseConfig(ImageGanConfig):
    """Settings of a training in two phases, which takes at least two epochs."""

    epochs: int = Field(512, ge=2, description="passes over the training data, both phases together")
    z_dim: int = Field(100, ge=1, description="dimensions of the latents (thesis 5.1.1)")


class SavedGeneratorsConfig(TwoPhaseConfig):
    """Settings of a classifier of real images against images by several states of the generator."""

    gan_share: float = Field(
        0.5, gt=0, lt=1, description="share of the epochs for the GAN; others train the classifier"
    )
    n_saved: int = Field(10, ge=1, le=1000, description="states of the generator kept, evenly spaced over its training")

    @property
    def gan_epochs(self) -> int:
        """Epochs of phase one, at least one fewer than all."""
        return min(max(1, round(self.gan_share * self.epochs)), self.epochs - 1)

    @property
    def moments(self) -> list[int]:
        """The epochs of phase one after which the generator is kept.

        None is at the end of the phase, because the last state may have converged, and would not be immature.
        """
        return sorted({max(1, i * self.gan_epochs // (self.n_saved + 1)) for i in range(1, self.n_saved + 1)})


class PastStates(nn.Module):
    """Frozen copies of a generator after some of its epochs, in eval mode.

    There is a place for each state from the beginning, so that a checkpoint always has the same shape.
    """

    def __init__(self, generator: nn.Module, moments: Sequence[int]) -> None:
        super().__init__()
        self.moments = list(moments)
        self.states = nn.ModuleList(deepcopy(generator) for _ in moments).requires_grad_(False).eval()

    def keep(self, epoch: int, generator: nn.Module) -> None:
        """Copy a generator that has been trained for `epoch` epochs, if this is one of the moments."""
        if epoch in self.moments:
            self.states[self.moments.index(epoch)].load_state_dict(generator.state_dict())

    @torch.no_grad()
    def draw(self, z: Tensor, weights: Tensor) -> Tensor:
        """z (B, z_dim) -> images float (B, 3, S, S), each by a state drawn with weights (n_states,), in their order."""
        drawn = torch.multinomial(weights, len(z), replacement=True)
        parts = z.split(torch.bincount(drawn, minlength=len(weights)).tolist())
        return torch.cat([G(part) for G, part in zip(self.states, parts, strict=True) if len(part)]).float()


class TwoPhases(GanAdversary, ABC):
    """Training by `phase_one` in the first epochs, then by `phase_two`. Only the epoch decides: a run can resume."""

    def __init__(
        self, networks: Mapping[str, nn.Module], optimisers: Mapping[str, Optimizer], scoring: tuple[str, ...],
        moments: Sequence[int], first_epochs: int,
    ) -> None:  # fmt: skip
        """networks: by name, `generator` among them. optimisers: by the name of the network that they train."""
        self.G, self.optimisers, self.first_epochs = networks["generator"], dict(optimisers), first_epochs
        self.past, self.second = PastStates(self.G, moments), False
        steps = {f"{name}_optimiser": optimiser for name, optimiser in optimisers.items()}
        super().__init__({**networks, **steps, "past": self.past}, scoring)

    def begin_epoch(self, epoch: int) -> None:
        self.past.keep(epoch - 1, self.G)
        self.second = epoch > self.first_epochs

    def step(self, x: Tensor, j: int) -> dict[str, Tensor]:
        return self.phase_two(x) if self.second else self.phase_one(x, j)

    @abstractmethod
    def phase_one(self, x: Tensor, j: int) -> dict[str, Tensor]: ...

    @abstractmethod
    def phase_two(self, x: Tensor) -> dict[str, Tensor]: ...

    def update(self, name: str, loss: Tensor) -> Tensor:
        """Take one step of the network `name`. Returns the loss, to log."""
        self.optimisers[name].zero_grad()
        loss.backward()
        self.optimisers[name].step()
        return loss.detach()


class TwoPhaseGan(ImageGan):
    """A detector that keeps the last weights, because the network that scores is trained for that in phase two."""

    default_selection = "last"


class ClassifierScorer(nn.Module):
    """uint8 (N, S, S, 3) -> anomaly score (N,): the raw output of the classifier, high for the generator's past."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(to_range(images).contiguous(memory_format=LAYOUT)).flatten()  # type: ignore[no-any-return]
