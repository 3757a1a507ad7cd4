"""Large pictures in overlapping square tiles of the side that a method takes, and their maps in one piece."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from algan_ad.runtime.images import Preprocessing

if TYPE_CHECKING:
    from algan_ad.runtime.predictor import Maps, Rows, Scorer, Scores

STITCHED = 8  # canvases whose maps of tiles are held at once


@dataclass(frozen=True)
class Tiles:
    """The tiles of canvases (N, H, W, C) as samples (N T, S, S, C): those of a canvas one after the other."""

    canvases: "Rows"
    side: int
    corners: tuple[tuple[int, int], ...]  # top and left of each of the T tiles

    def __len__(self) -> int:
        return len(self.canvases) * len(self.corners)

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        wanted = np.arange(len(self))[index]
        owners, numbers = np.divmod(wanted, len(self.corners))
        needed, places = np.unique(owners, return_inverse=True)
        canvases = self.canvases[needed]
        return np.stack([self._cut(canvases[i], *self.corners[n]) for i, n in zip(places, numbers, strict=True)])

    def _cut(self, canvas: NDArray[np.uint8], top: int, left: int) -> NDArray[np.uint8]:
        return canvas[top : top + self.side, left : left + self.side]


def samples_of(canvases: "Rows", preprocessing: Preprocessing) -> "Rows":
    """What a method takes of canvases: the tiles, or the canvases themselves where one tile is all."""
    corners = preprocessing.corners
    return canvases if len(corners) == 1 else Tiles(canvases, preprocessing.size, corners)


def whole(scorer: "Scorer", preprocessing: Preprocessing | None) -> "Scorer":
    """A scorer of canvases, from one of tiles."""
    return scorer if preprocessing is None or len(preprocessing.corners) == 1 else TilingScorer(scorer, preprocessing)


@dataclass(frozen=True)
class TilingScorer:
    """A scorer of canvases (N, H, W, C): the highest score of its tiles is that of a canvas."""

    scorer: "Scorer"
    preprocessing: Preprocessing

    def score(self, samples: "Rows") -> "Scores":
        return self._highest(self.scorer.score(samples_of(samples, self.preprocessing)))

    def score_and_maps(self, samples: "Rows") -> "tuple[Scores, Maps]":
        """The scores, and maps (H, W): where tiles overlap, those count more whose middle is nearer."""
        parts = [self._part(samples[start : start + STITCHED]) for start in range(0, len(samples), STITCHED)]
        scores = [scores for scores, _ in parts]
        return np.concatenate(scores) if scores else np.empty(0), [each for _, maps in parts for each in maps]

    def _part(self, canvases: NDArray[np.uint8]) -> "tuple[Scores, Maps]":
        scores, maps = self.scorer.score_and_maps(samples_of(canvases, self.preprocessing))
        return self._highest(scores), list(self._stitched(maps))

    def _highest(self, scores: "Scores") -> "Scores":
        highest: Scores = scores.reshape(-1, len(self.preprocessing.corners)).max(1)
        return highest

    def _stitched(self, maps: "Maps") -> Iterator[NDArray[np.float32]]:
        height, width, _ = self.preprocessing.shape
        side, corners = self.preprocessing.size, self.preprocessing.corners
        rising = np.minimum(np.arange(1, side + 1), np.arange(side, 0, -1))
        weight = np.outer(rising, rising).astype(np.float32)
        for first in range(0, len(maps), len(corners)):
            total, weights = np.zeros((2, height, width), np.float32)
            for (top, left), heat in zip(corners, maps[first : first + len(corners)], strict=True):
                place = (slice(top, top + side), slice(left, left + side))
                total[place] += weight * heat
                weights[place] += weight
            yield total / weights
