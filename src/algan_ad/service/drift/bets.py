"""Bets on the rank of a value among those of a reference: what a test gains when the bet is right.

A reference of n values has n + 1 gaps, numbered from 0, below all values, to n, above them. A bet pays g(gap), with
mean 1 over the gaps. Power bets (Vovk, Nouretdinov & Gammerman 2003, Testing exchangeability on-line, section 4) pay e
u^(e-1) at the relative rank u.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Bet:
    """A bet that values rise, or fall.

    power: e, in (0, 1); the smaller, the more extreme the values that it pays for.
    share: of the parts that are expected to change. Bets on all parts lose when few do, and the other way round.
    """

    rises: bool
    power: float
    share: float = 1

    def pays(self, n: int) -> NDArray[np.float64]:
        """The pay of each gap of n values, float64 (n + 1,): the mean over the gap, so that it is finite at u = 0."""
        falling = (n + 1) * np.diff((np.arange(n + 2) / (n + 1)) ** self.power)
        return 1 - self.share + self.share * (falling[::-1] if self.rises else falling)


def both_ways(*powers: float) -> tuple[Bet, ...]:
    """Bets on a change of all parts, for each power one on a rise and one on a fall."""
    return tuple(Bet(rises, power) for power in powers for rises in (True, False))


#: On scores: all change, by little or by much, or a few become high.
OF_SCORES = (*both_ways(0.2, 0.5, 0.8), Bet(True, 0.1, 0.02), Bet(True, 0.1, 0.1))
#: On pictures: most change. These bets lose when a few per cent of the pictures are extreme, as those of bad parts are.
OF_PICTURES = both_ways(0.2, 0.5)


@lru_cache(maxsize=64)
def table(bets: tuple[Bet, ...], n: int) -> NDArray[np.float64]:
    """The pay of each gap for each bet, float64 (n + 1, number of bets); read only."""
    pays = np.stack([bet.pays(n) for bet in bets], axis=1)
    pays.flags.writeable = False
    return pays
