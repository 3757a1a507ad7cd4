"""Selection of the weights that become the detector. Only protocol `thesis` looks at labels."""

from typing import Any, Literal

from torch import Tensor

Selection = Literal["cut-paste", "average", "last", "validation"]


class Selector:
    """Holder of the weights to keep among the scoring weights of all epochs, by a rule:

    `average`     the mean of the scoring weights over the last `window` share of the epochs;
    `last`        the last epoch's;
    `cut-paste`   the observed epoch that best distinguishes good training images from cut-and-pasted copies of them;
    `validation`  the observed epoch with the best AUROC on labelled validation data (thesis 5.3).
    """

    def __init__(self, rule: Selection, epochs: int, window: float = 0.5) -> None:
        self.rule, self.window = rule, window
        self.expect(epochs)
        self.weights: dict[str, Tensor] = {}
        self.n_averaged = 0
        self.best: float | None = None
        self.epoch = 0

    def expect(self, epochs: int, now: int = 1) -> None:
        """Take the number of epochs to be this, in epoch `now`; a mean that has begun is not put off."""
        self.first = max(now, epochs - max(1, round(self.window * epochs)) + 1)

    def offer(self, epoch: int, weights: dict[str, Tensor], auroc: float | None) -> None:
        """Keep the weights if the rule wants them. `auroc`: on labelled or made-up anomalies; None if unobserved."""
        if not self._wants(epoch, auroc):
            return
        self.epoch = epoch
        if self.rule == "average":
            self._average(weights)
        else:
            self.weights, self.best = weights, auroc

    def _wants(self, epoch: int, auroc: float | None) -> bool:
        if self.rule == "average":
            return epoch >= self.first
        if self.rule == "last":
            return True
        return auroc is not None and (self.best is None or auroc > self.best)

    def _average(self, weights: dict[str, Tensor]) -> None:
        self.n_averaged += 1
        if not self.weights:
            self.weights = {name: tensor.clone() for name, tensor in weights.items()}
        for name, new in weights.items():
            mean = self.weights[name].to(new.device)  # a resumed run brings it on the CPU
            self.weights[name] = mean.lerp(new, 1 / self.n_averaged) if mean.is_floating_point() else new.clone()

    def state_dict(self) -> dict[str, Any]:
        return {
            "weights": self.weights,
            "n_averaged": self.n_averaged,
            "best": self.best,
            "epoch": self.epoch,
            "first": self.first,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.weights, self.n_averaged = state["weights"], int(state["n_averaged"])
        self.best, self.epoch, self.first = state["best"], int(state["epoch"]), int(state["first"])

    def describe(self) -> str:
        if self.rule == "average":
            return f"mean of the weights of epochs {self.first} to {self.epoch}, chosen without labels"
        if self.rule == "last":
            return f"weights of the last epoch ({self.epoch}), chosen without labels"
        if self.rule == "cut-paste":
            made_up = "good training images against cut-and-pasted copies of them"
            return f"epoch {self.epoch}, the best AUROC ({self.best:.3f}) of {made_up}, chosen without labels"
        return f"epoch {self.epoch}, the best AUROC ({self.best:.3f}) on the labelled validation half (protocol thesis)"
