"""The part of a GAN method that the shared loop calls."""

from typing import Any, Protocol

from torch import Tensor


class Adversary(Protocol):
    """Networks, optimisers and whatever else a method carries from batch to batch.

    All randomness comes from torch's global state, which the loop seeds at the start of each epoch.
    """

    def begin_epoch(self, epoch: int) -> None:
        """Prepare for the batches of `epoch`, counted from 1."""

    def step(self, x: Tensor, j: int) -> dict[str, Tensor]:
        """Carry out every update for batch j; x is (B, ...). Returns scalars to log; a NaN among them ends the run."""

    def state_dict(self) -> dict[str, Any]:
        """Nested dictionaries and lists of tensors and plain values: all that a resumed run needs."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up a state that `state_dict` gave."""

    def scoring_weights(self) -> dict[str, Tensor]:
        """The weights of the network that scores, as its scoring module loads them."""

    def observe(self) -> dict[str, float]:
        """Quantities to monitor (5.8), none of which touches an anomaly."""
