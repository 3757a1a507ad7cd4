"""A picture on a canvas and back; tiles that cover a canvas."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algan_ad.runtime.placement import Box, placed, tile_starts, tiled_length

sides = st.integers(1, 500)
sizes = st.tuples(sides, sides)


@given(picture=sizes, canvas=sizes)
def test_a_letterboxed_picture_is_the_largest_of_its_proportions_in_the_middle(
    picture: tuple[int, int], canvas: tuple[int, int]
) -> None:
    box = placed(picture, canvas, "letterbox")
    assert box.width == canvas[0] or box.height == canvas[1]
    scale = min(canvas[0] / picture[0], canvas[1] / picture[1])
    assert abs(box.width - picture[0] * scale) < 1
    assert abs(box.height - picture[1] * scale) < 1
    before, after = (box.left, box.top), (canvas[0] - box.left - box.width, canvas[1] - box.top - box.height)
    assert all(0 <= b <= a <= b + 1 for b, a in zip(before, after, strict=True))


@given(picture=sizes, canvas=sizes, share=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)))
def test_a_pixel_comes_back_from_the_canvas_to_its_place(
    picture: tuple[int, int], canvas: tuple[int, int], share: tuple[float, float]
) -> None:
    box = placed(picture, canvas, "letterbox")
    column, row = int(share[0] * box.width), int(share[1] * box.height)
    small = np.zeros((box.height, box.width))
    small[row, column] = 1
    laid = box.on(canvas, small)
    assert laid.shape == canvas[::-1]
    assert laid.sum() == 1
    np.testing.assert_array_equal(box.cut(laid), small)


def test_stretched_pictures_fill_the_canvas() -> None:
    assert placed((40, 10), (7, 9), "stretch") == Box(0, 0, 7, 9)


@given(side=st.integers(8, 300), more=st.integers(0, 2000))
def test_tiles_cover_all_and_overlap(side: int, more: int) -> None:
    length = side + more
    starts = tile_starts(length, side)
    assert starts[0] == 0
    assert starts[-1] == length - side
    assert all(0 < b - a <= side - side // 8 + 1 for a, b in pairwise(starts))


@pytest.mark.parametrize("n", range(1, 6))
def test_as_many_tiles_as_their_length_was_made_for(n: int) -> None:
    assert len(tile_starts(tiled_length(n, 224), 224)) == n
    assert len(tile_starts(tiled_length(n, 224) + 1, 224)) == n + 1
