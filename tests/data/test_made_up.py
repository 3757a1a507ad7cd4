import numpy as np
import pytest
from numpy.typing import NDArray

from algan_ad.data.made_up import KINDS, LARGE_ENOUGH, VISIBLE, make_up


def good(n: int = 4) -> NDArray[np.uint8]:
    """Stripes of noise about a middle grey, which differ from image to image."""
    rng = np.random.default_rng(0)
    return (rng.normal(128, 20, (n, 1, 96, 1)) + rng.normal(0, 8, (n, 96, 96, 3))).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_defects_show_where_their_masks_say_and_nowhere_else(kind: str) -> None:
    images = good()
    altered, masks = make_up(images, kind)
    change = np.abs(altered.astype(int) - images).max(-1)
    assert altered.dtype == np.uint8
    np.testing.assert_array_equal(masks, change >= VISIBLE)
    assert (masks.sum((1, 2)) >= LARGE_ENOUGH).all()
    assert (masks.mean((1, 2)) < 0.25).all()


def test_the_seed_decides_and_the_images_stay() -> None:
    images, before = good(), good()
    for kind in KINDS:
        np.testing.assert_array_equal(make_up(images, kind)[0], make_up(images, kind, seed=0)[0])
        assert not np.array_equal(make_up(images, kind)[0], make_up(images, kind, seed=1)[0])
    np.testing.assert_array_equal(images, before)


def test_kinds_do_what_they_are_called() -> None:
    images = good()
    crack, masks = make_up(images, "crack")
    assert (crack[masks].astype(int) - images[masks]).mean() < 0  # darker
    wiped, masks = make_up(images, "wiped")
    assert wiped[masks].std() < images[masks].std()  # smoother
