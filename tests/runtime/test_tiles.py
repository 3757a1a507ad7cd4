"""Large pictures in tiles: nothing is missed, and the map is in one piece."""

import numpy as np
import pytest

from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.predictor import Maps, Rows, Scores
from algan_ad.runtime.tiles import samples_of, whole

LARGE = Preprocessing(size=16, canvas=(40, 30), tiled=True)


class Brightness:
    """The brightest pixel of a square, and its red channel as a map."""

    def score(self, samples: Rows) -> Scores:
        return np.asarray(samples[:].max((1, 2, 3)), dtype=np.float64) if len(samples) else np.empty(0)

    def score_and_maps(self, samples: Rows) -> tuple[Scores, Maps]:
        return self.score(samples), list(samples[:][..., 0].astype(np.float32))


@pytest.fixture
def canvases() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 250, (11, 30, 40, 3), dtype=np.uint8)


def test_tiles_are_squares_of_their_canvas_in_order(canvases: np.ndarray) -> None:
    tiles = samples_of(canvases, LARGE)
    assert len(LARGE.corners) == 6
    assert len(tiles) == 66
    for number in (0, 7, 65):
        top, left = LARGE.corners[number % 6]
        np.testing.assert_array_equal(tiles[[number]][0], canvases[number // 6, top : top + 16, left : left + 16])
    np.testing.assert_array_equal(tiles[5:9], tiles[np.array([5, 6, 7, 8])])


@pytest.mark.parametrize("place", [(0, 0), (29, 39), (14, 17), (15, 0)])
def test_the_highest_tile_decides_wherever_it_is(canvases: np.ndarray, place: tuple[int, int]) -> None:
    canvases[3, place[0], place[1]] = 255
    scores = whole(Brightness(), LARGE).score(canvases)
    assert scores.shape == (11,)
    assert scores.argmax() == 3


def test_maps_of_tiles_are_stitched_without_a_seam(canvases: np.ndarray) -> None:
    scores, maps = whole(Brightness(), LARGE).score_and_maps(canvases)
    assert len(maps) == 11
    np.testing.assert_allclose(np.stack(maps), canvases[..., 0], rtol=1e-5)
    np.testing.assert_array_equal(scores, whole(Brightness(), LARGE).score(canvases))


def test_no_canvas_has_no_score() -> None:
    nothing = np.empty((0, 30, 40, 3), np.uint8)
    assert whole(Brightness(), LARGE).score(nothing).shape == (0,)
    assert whole(Brightness(), LARGE).score_and_maps(nothing)[0].shape == (0,)


def test_small_pictures_are_scored_as_they_are() -> None:
    scorer, images = Brightness(), np.zeros((2, 16, 16, 3), np.uint8)
    assert whole(scorer, Preprocessing(size=16)) is scorer
    assert samples_of(images, Preprocessing(size=16)) is images
