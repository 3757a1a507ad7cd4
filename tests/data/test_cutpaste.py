"""Cut-and-pasted copies: one patch of the right size, of the image itself, the same for the same seed."""

import numpy as np

from algan_ad.data.cutpaste import AREA, ASPECT, JITTER, cut_paste, cut_paste_scar


def images(n: int = 40, side: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def test_one_patch_within_its_bounds() -> None:
    good = images()
    for before, after in zip(good, cut_paste(good), strict=True):
        rows, columns = np.nonzero((before != after).any(axis=2))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert 0.8 * AREA[0] < height * width / 64**2 < 1.2 * AREA[1]  # sides are whole pixels
        assert 0.7 * ASPECT[0] < height / width < 1.3 * ASPECT[1]


def test_the_seed_decides_and_the_originals_stay() -> None:
    good = images(4)
    before = good.copy()
    assert np.array_equal(cut_paste(good, 1), cut_paste(good, 1))
    assert not np.array_equal(cut_paste(good, 1), cut_paste(good, 2))
    assert np.array_equal(good, before)
    assert cut_paste(good).dtype == np.uint8


def test_scars_are_thin_and_of_the_image_itself() -> None:
    """At 256 pixels: 2 to 16 wide, 10 to 25 long, turned by up to 45 degrees."""
    good = images(60, side=256)
    flat = np.full_like(good, 100)
    sides = []
    for before, after in zip(flat, cut_paste_scar(flat), strict=True):
        changed = (before != after).any(axis=2)
        rows, columns = np.nonzero(changed)
        assert 0.8 * 2 * 10 <= changed.sum() <= 1.1 * 16 * 25
        sides.append(max(np.ptp(rows), np.ptp(columns)) + 1)
        assert np.abs(after.astype(int) - before).max() <= 1 + 255 * JITTER + 100 * JITTER
    assert 8 <= min(sides) < max(sides) <= np.hypot(16, 25) + 2
    assert not np.array_equal(cut_paste_scar(good, 1), cut_paste_scar(good, 2))
    assert np.array_equal(cut_paste_scar(good, 1), cut_paste_scar(good, 1))


def test_small_images_get_scars_too() -> None:
    good = images(20, side=32)
    assert ((good != cut_paste_scar(good)).any((1, 2, 3))).all()
