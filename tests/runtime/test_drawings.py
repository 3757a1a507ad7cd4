"""The colours of a map."""

import io

import numpy as np
import pytest
from PIL import Image

from algan_ad.runtime.drawings import LINE, overlay


def test_a_map_has_the_colours_of_inferno() -> None:
    mpl = pytest.importorskip("matplotlib")
    heat = np.linspace(0, 1, 256, dtype=np.float32)[None]
    shown = np.asarray(Image.open(io.BytesIO(overlay(np.zeros((1, 256, 3), np.uint8), heat, 1.0))), np.float64)
    expected = mpl.colormaps["inferno"](heat)[..., :3] * 255 * 0.75 * heat[..., None]
    assert np.abs(shown - expected).max() < 7


def test_nothing_is_drawn_where_the_map_is_zero() -> None:
    image = np.full((5, 4, 3), 99, np.uint8)
    shown = np.asarray(Image.open(io.BytesIO(overlay(image, np.zeros((2, 2), np.float32), 0.0))))
    np.testing.assert_array_equal(shown, image)


def test_a_line_surrounds_what_lies_above_the_level() -> None:
    heat = np.zeros((6, 7), np.float32)
    heat[1:5, 2:6] = 2
    image = np.full((6, 7, 3), 99, np.uint8)
    shown = np.asarray(Image.open(io.BytesIO(overlay(image, heat, 4.0, 1.0))))
    line = (shown == LINE).all(-1)
    expected = heat > 1
    expected[2:4, 3:5] = False
    np.testing.assert_array_equal(line, expected)
    assert not (np.asarray(Image.open(io.BytesIO(overlay(image, heat, 4.0, 3.0)))) == LINE).all(-1).any()
