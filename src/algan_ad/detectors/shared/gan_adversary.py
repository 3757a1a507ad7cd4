"""The parts of the loop's interface that the rivals share, and the loss and the step of their networks."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus


class GanAdversary:
    """An adversary with the parts of the loop's interface that are the same in every rival.

    parts: networks and optimisers by name, on their device. scoring: names of the networks that score; their
    state, prefixed with their name, is what the scoring module loads.
    """

    def __init__(self, parts: Mapping[str, nn.Module | torch.optim.Optimizer], scoring: tuple[str, ...]) -> None:
        self.parts, self.scoring = dict(parts), scoring

    def begin_epoch(self, epoch: int) -> None:
        """Nothing changes between epochs."""

    def observe(self) -> dict[str, float]:
        return {}

    def scoring_weights(self) -> dict[str, Tensor]:
        return {
            f"{name}.{key}": value.detach().clone()
            for name in self.scoring
            for key, value in self.parts[name].state_dict().items()
        }

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self.parts.items():
            part.load_state_dict(state[name])


def gan_loss(real: Tensor, fake: Tensor) -> Tensor:
    """The loss of a discriminator, -E[log D(x)] - E[log(1 - D(G(x)))], from logits (B,)."""
    return softplus(-real).mean() + softplus(fake).mean()


def descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one step, with gradients for the parameters of this optimiser only."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward(inputs=[p for group in optimiser.param_groups for p in group["params"]])
    optimiser.step()
