"""The price of an int8 network: what its scores lose against those of the trained model, and the most that they may."""

from collections.abc import Iterator
from typing import Final

from pydantic import Field

from algan_ad.runtime.schema import Schema

LEAST_SPEARMAN: Final = 0.95
MOST_SHIFT: Final = 0.5
MOST_FLIPS: Final = 0.05  # of the samples
MOST_LOSS: Final = 0.01  # of AUROC


class Quantisation(Schema):
    """An int8 network against the trained model, on good images that were not trained on and an altered copy of each.

    The unit of a shift is the standard deviation of the held-out scores, or the distance of a score from their mean
    where that is larger.
    """

    n: int = Field(description="images, good and altered together")
    spearman: float = Field(description="rank correlation of the scores of both")
    largest_shift: float = Field(description="largest difference of a score, in standard deviations")
    flips: int = Field(description="images that are decided otherwise, each by its own threshold")
    auroc: float = Field(description="of the int8 network, good images against altered ones")
    auroc_before: float = Field(description="of the trained model, likewise")

    def explain(self) -> str:
        """One sentence, for people."""
        return (
            f"int8, on {self.n} images, half of them altered: rank correlation {self.spearman:.4f}, largest shift of a "
            f"score {self.largest_shift:.2g} standard deviations, {self.flips} decisions differ, AUROC against made-up "
            f"defects {self.auroc:.4f} (before: {self.auroc_before:.4f})"
        )

    def excesses(self) -> Iterator[str]:
        """The bounds that are broken, in words."""
        if not self.spearman >= LEAST_SPEARMAN:
            yield f"a rank correlation of {LEAST_SPEARMAN} at least"
        if not self.largest_shift <= MOST_SHIFT:
            yield f"a shift of {MOST_SHIFT} at most"
        if self.flips > MOST_FLIPS * self.n:
            yield f"{MOST_FLIPS:.0%} other decisions at most"
        if self.auroc < self.auroc_before - MOST_LOSS:
            yield f"{MOST_LOSS} less AUROC at most"
