"""Masks keep the area of a defect when they are resized, and lose none of them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from algan_ad.data.layouts import Item
from algan_ad.data.masks import MaskFile
from algan_ad.runtime.images import Preprocessing
from algan_ad.runtime.regions import Region
from algan_ad.workflows.masks import Mask, read_mask, resized

SIZE = Preprocessing(size=224)


def drawn(tmp_path: Path, values: np.ndarray, preprocessing: Preprocessing = SIZE) -> Mask:
    path = tmp_path / "mask.png"
    Image.fromarray(values.astype(np.uint8)).save(path)
    truth = read_mask(Item(tmp_path / "part.png", 1, "scratch", (MaskFile(path),)), preprocessing)
    assert truth is not None
    return truth.of(truth.marked)


@pytest.mark.parametrize("value", [255, 1])
@pytest.mark.parametrize("column", [500, 502, 503])  # 503 lies across the border of two small pixels
def test_a_scratch_one_pixel_wide_stays_one_pixel_wide(tmp_path: Path, value: int, column: int) -> None:
    values = np.zeros((1024, 1024))
    values[100:900, column] = value
    mask = drawn(tmp_path, values)
    assert mask.sum(1).max() == 1
    assert mask.any(1).sum() == pytest.approx(800 * 224 / 1024, abs=1)


def test_a_diagonal_scratch_stays_in_one_piece(tmp_path: Path) -> None:
    mask = drawn(tmp_path, np.eye(1024) * 255)
    assert mask.sum() <= 2 * 224
    assert ndimage.label(mask, np.ones((3, 3)))[1] == 1


@pytest.mark.parametrize("shape", [(1024, 1024), (300, 400), (120, 500), (100, 90)])
def test_thick_regions_keep_their_area(tmp_path: Path, shape: tuple[int, int]) -> None:
    y, x = np.mgrid[: shape[0], : shape[1]] / np.reshape(shape, (2, 1, 1))
    values = np.where((y - 0.4) ** 2 + (x - 0.6) ** 2 < 0.2**2, 255, 0)
    assert drawn(tmp_path, values).mean() == pytest.approx((values > 0).mean(), rel=0.01)


def test_faint_noise_around_a_thin_defect_is_no_class(tmp_path: Path) -> None:
    """Some masks were JPEG files once. A resized scratch is grey, and was then taken for the number of a class."""
    values = np.random.default_rng(0).integers(0, 4, (1024, 1024))
    values[100:900, 500] = 255
    assert drawn(tmp_path, values).sum() < 300


def test_the_cut_is_that_of_the_images() -> None:
    cut = Preprocessing(size=64, resize=96)
    mask = np.zeros((192, 192), np.bool_)
    mask[40:90, 60:130] = True
    mask[100, 10:180] = True  # thin
    pixels = np.repeat(np.where(mask, np.uint8(255), np.uint8(0))[..., None], 3, -1)
    image = cut.apply(pixels)[..., 0]
    small = resized(mask, cut)
    np.testing.assert_array_equal(small[:32], image[:32] >= 128)
    np.testing.assert_array_equal(small[34], np.ones(64))
    assert not small[35:].any()


@pytest.mark.parametrize("shape", [(300, 400), (120, 500), (400, 90)])
def test_marks_lie_where_the_letterboxed_picture_shows_the_defect(shape: tuple[int, int]) -> None:
    preprocessing = Preprocessing(size=128, fit="letterbox")
    mask = np.zeros(shape, np.bool_)
    mask[shape[0] // 4 : shape[0] // 2, : shape[1] // 3] = True  # reaches the edge, which the padding repeats
    picture = np.repeat(np.where(mask, np.uint8(255), np.uint8(0))[..., None], 3, -1)
    shown = preprocessing.apply(picture)[..., 0] >= 128
    np.testing.assert_array_equal(resized(mask, preprocessing), shown & preprocessing.counts((shape[1], shape[0])))


def test_a_thin_scratch_survives_the_letterbox() -> None:
    mask = np.zeros((900, 1800), np.bool_)
    mask[100:800, 701] = True
    small = resized(mask, Preprocessing(size=128, fit="letterbox"))
    assert small.sum(1).max() == 1
    assert small.any(1).sum() == pytest.approx(700 * 128 / 1800, abs=1)


def test_defects_outside_the_region_are_not_looked_for(tmp_path: Path) -> None:
    inside = np.zeros((40, 80), np.bool_)
    inside[10:30, 20:60] = True
    values = np.zeros((40, 80))
    values[5:15, 15:30] = 255
    preprocessing = Preprocessing(size=80, fit="letterbox", region=Region.of(inside))
    mask = drawn(tmp_path, values, preprocessing)
    assert mask.shape == (20, 40)
    np.testing.assert_array_equal(mask, (values > 0)[10:30, 20:60])
