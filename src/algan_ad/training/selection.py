"""Selection of the weights that become the detector. Only protocol `thesis` looks at labels."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

Selection = Literal["made-up", "cut-paste", "average", "last", "validation"]
Weights = dict[str, Tensor]

#: Observed epochs that the rules by an AUROC average (docs/experiments/selection.md).
BEST: Mapping[Selection, int] = {"made-up": 8, "cut-paste": 1, "validation": 1}


class Selector:
    """Holder of the weights to keep among the scoring weights of all epochs, by a rule:

    `made-up`     the mean over the observed epochs, up to eight, that best distinguish good training images from copies
                  of them with made-up defects;
    `cut-paste`   the observed epoch that best distinguishes good training images from cut-and-pasted copies of them;
    `validation`  the observed epoch with the best AUROC on labelled validation data (thesis 5.3);
    `average`     the mean over the last `window` share of the epochs;
    `last`        the last epoch's.

    Attributes:
        patience: observed epochs in a row without a new one among the best that settle `made-up`; 0 = never.
    """

    def __init__(self, rule: Selection, epochs: int, window: float = 0.5, patience: int = 0) -> None:
        self.rule, self.window, self.patience = rule, window, patience
        self.expect(epochs)
        self.weights: Weights = {}
        self.n_averaged = 0
        self.best: list[tuple[float, int, Weights]] = []  # AUROC, epoch and weights, the best first
        self.epoch = self.in_vain = 0

    @property
    def settled(self) -> bool:
        """True once nothing moves any more; epochs that are offered later are passed over."""
        return self.rule == "made-up" and 0 < self.patience <= self.in_vain

    def expect(self, epochs: int, now: int = 1) -> None:
        """Take the number of epochs to be this, in epoch `now`; a mean that has begun is not put off."""
        self.first = max(now, epochs - max(1, round(self.window * epochs)) + 1)

    def offer(self, epoch: int, weights: Weights, auroc: float | None) -> None:
        """Keep the weights if the rule wants them. `auroc`: on labelled or made-up anomalies; None if unobserved."""
        if self.settled:
            return
        if self.rule in BEST:
            if auroc is not None:
                self._rank(epoch, weights, auroc)
        elif self.rule == "last":
            self.epoch, self.weights = epoch, weights
        elif epoch >= self.first:
            self.epoch = epoch
            self._average(weights)

    def _rank(self, epoch: int, weights: Weights, auroc: float) -> None:
        """Keep the epoch if it is among the best; of equal ones, the first."""
        ranked = sorted([*self.best, (auroc, epoch, weights)], key=lambda each: -each[0])[: BEST[self.rule]]
        self.in_vain += 1
        if any(each[1] == epoch for each in ranked):
            self.in_vain = 0
            self.best, self.epoch = ranked, ranked[0][1]
            self.weights = _mean([each for _, _, each in ranked], weights)

    def _average(self, weights: Weights) -> None:
        self.n_averaged += 1
        if not self.weights:
            self.weights = {name: tensor.clone() for name, tensor in weights.items()}
        for name, new in weights.items():
            mean = self.weights[name].to(new.device)  # a resumed run brings it on the CPU
            self.weights[name] = mean.lerp(new, 1 / self.n_averaged) if mean.is_floating_point() else new.clone()

    def state_dict(self) -> dict[str, Any]:
        return {
            "weights": {} if self.best else self.weights,  # those of the best stand beside them
            "n_averaged": self.n_averaged,
            "best": [list(each) for each in self.best],
            "epoch": self.epoch,
            "in_vain": self.in_vain,
            "first": self.first,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weights, self.n_averaged = state["weights"], int(state["n_averaged"])
        self.best = [(auroc, epoch, weights) for auroc, epoch, weights in state["best"]]
        if self.best:
            self.weights = _mean([each for _, _, each in self.best], self.best[0][2])
        self.epoch, self.in_vain, self.first = (int(state[name]) for name in ("epoch", "in_vain", "first"))

    def describe(self) -> str:
        if self.rule == "average":
            return f"mean of the weights of epochs {self.first} to {self.epoch}, chosen without labels"
        if self.rule == "last":
            return f"weights of the last epoch ({self.epoch}), chosen without labels"
        auroc = f"the best AUROC ({self.best[0][0]:.3f})" if self.best else "the best AUROC"
        if self.rule == "validation":
            return f"epoch {self.epoch}, {auroc} on the labelled validation half (protocol thesis)"
        if self.rule == "cut-paste":
            copies = "good training images against cut-and-pasted copies of them"
            return f"epoch {self.epoch}, {auroc} of {copies}, chosen without labels"
        epochs = ", ".join(str(epoch) for epoch in sorted(epoch for _, epoch, _ in self.best))
        highest = f" (up to {self.best[0][0]:.3f})" if self.best else ""
        copies = "good training images against copies of them with made-up defects"
        return f"mean of the weights of epochs {epochs}, of highest AUROC{highest} of {copies}, chosen without labels"


def _mean(several: Sequence[Weights], like: Weights) -> Weights:
    """Mean of each tensor, where the tensors of `like` are; what is no number with a fraction is that of the first."""
    found = {}
    for name, tensor in several[0].items():
        every = [weights[name].to(like[name].device) for weights in several]
        found[name] = torch.stack(every).mean(0) if len(every) > 1 and tensor.is_floating_point() else every[0]
    return found
