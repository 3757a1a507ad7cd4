"""Cut-and-pasted copies: one patch of the right size, of the image itself, the same for the same seed."""

import numpy as np

from algan_ad.data.cutpaste import AREA, ASPECT, cut_paste


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
