"""Figures of pictures: what moves which of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFilter

from algan_ad.data.demo_part import make_part
from algan_ad.runtime.images import Pixels
from algan_ad.service.drift.pictures import FIGURES, SAMPLE, figures


@pytest.fixture(scope="module")
def part() -> Pixels:
    return make_part((5, 0, 0), 256)[0]


def changed(before: Pixels, after: Pixels, by: float = 0.03) -> set[str]:
    """The figures that differ by more than a share."""
    former = figures(before)
    return {name for name, value in figures(after).items() if abs(value / former[name] - 1) > by}


def test_a_weaker_lamp_moves_the_brightness_alone(part: Pixels) -> None:
    darker = (part * 0.85 + 0.5).astype(np.uint8)
    assert changed(part, darker) == {"brightness"}
    assert figures(darker)["brightness"] == pytest.approx(0.85 * figures(part)["brightness"], rel=0.01)


def test_a_lens_out_of_focus_moves_the_sharpness(part: Pixels) -> None:
    blurred = np.asarray(Image.fromarray(part).filter(ImageFilter.GaussianBlur(1)))
    assert changed(part, blurred) == {"sharpness"}
    assert figures(blurred)["sharpness"] < figures(part)["sharpness"]


def test_a_yellowed_lamp_moves_the_blue(part: Pixels) -> None:
    yellow = (part * np.array([1.02, 1.02, 0.9])).astype(np.uint8)
    assert changed(part, yellow) >= {"blue"}
    assert figures(yellow)["blue"] < figures(part)["blue"]


def test_grey_pictures_have_one_colour() -> None:
    greys = (np.full((4, 4, 3), value, np.uint8) for value in range(1, 256))
    assert {(figures(grey)["red"], figures(grey)["blue"]) for grey in greys} == {(0.333333, 0.333333)}


def test_stray_light_moves_the_contrast(part: Pixels) -> None:
    assert changed(part, np.minimum(part, 225) + np.uint8(30)) >= {"contrast", "brightness"}


def test_another_region_of_interest_moves_the_size(part: Pixels) -> None:
    found = figures(part[:200])
    assert (found["width"], found["height"]) == (256, 200)


def test_a_large_picture_has_the_figures_of_a_small_one(part: Pixels) -> None:
    tiled = np.tile(part, (5, 7, 1))
    assert tiled.shape[0] * tiled.shape[1] > 16 * SAMPLE
    assert changed(part, tiled, 0.01) == {"width", "height"}


@given(image=arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
def test_the_figures_of_any_picture_are_finite(image: Pixels) -> None:
    found = figures(image)
    assert tuple(found) == FIGURES
    assert np.isfinite(list(found.values())).all()
    assert found["brightness"] == pytest.approx(image.mean(), abs=0.01)
