"""Bets on the rank of a value among those of a reference: what a test gains when the bet is right.

A reference of n values has n + 1 gaps, numbered from 0, below all values, to n, above them. A bet pays g(gap), with
mean 1 over the gaps: the density of the relative rank u that it expects after a change. The power bets e u^(e-1) are
those of Vovk, Nouretdinov & Gammerman 2003 (Testing exchangeability on-line, section 4).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Bet:
    """A bet that a share of the values rises, or falls, into the outer ranks u < edge, with density ~ u^(power - 1)."""

    rises: bool
    share: float
    edge: float = 1
    power: float = 1

    def pays(self, n: int) -> NDArray[np.float64]:
        """The pay of each gap of n values, float64 (n + 1,): the mean over the gap, so that it is finite at u = 0."""
        outer = np.minimum(np.arange(n + 2) / (n + 1) / self.edge, 1) ** self.power
        falling = (n + 1) * np.diff(outer)
        return 1 - self.share + self.share * (falling[::-1] if self.rises else falling)


#: On scores: all change, or some become high.
OF_SCORES = (
    Bet(True, 1, power=0.5), Bet(False, 1, power=0.5), Bet(True, 0.05, power=0.3), Bet(True, 0.2, power=0.3),
)  # fmt: skip
#: On pictures: most change, by much or by little. Their pay is bounded, and they lose when a few per cent of the
#: pictures are extreme, as those of bad parts may be.
OF_PICTURES = (
    Bet(True, 0.7, edge=0.1), Bet(False, 0.7, edge=0.1), Bet(True, 0.4, edge=0.5), Bet(False, 0.4, edge=0.5),
)  # fmt: skip


@lru_cache(maxsize=64)
def table(bets: tuple[Bet, ...], n: int) -> NDArray[np.float64]:
    """The pay of each gap for each bet, float64 (n + 1, number of bets); read only."""
    pays = np.stack([bet.pays(n) for bet in bets], axis=1)
    pays.flags.writeable = False
    return pays
