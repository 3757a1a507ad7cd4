"""Regions of interest as people give them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from algan_ad.data.roi import read_region
from algan_ad.runtime.errors import InputError

PICTURE, SIZE = (400, 200), (40, 20)


def saved(path: Path, mask: np.ndarray) -> str:
    Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0))).save(path)
    return str(path)


def test_a_mask_of_the_size_of_the_pictures(tmp_path: Path) -> None:
    mask = np.zeros((200, 400), np.bool_)
    mask[50:150, 100:300] = True
    region = read_region(saved(tmp_path / "größe 1.png", mask), PICTURE, SIZE)
    np.testing.assert_array_equal(region.at(*SIZE), mask[::10, ::10])


def test_several_polygons_and_decimals() -> None:
    mask = read_region("0,0 0.25,0 0.25,1 0,1; 0.5,0 1,0 1,0.5 .5,.5", PICTURE, SIZE).at(*SIZE)
    wanted = np.zeros((20, 40), np.bool_)
    wanted[:, :10] = wanted[:10, 20:] = True
    np.testing.assert_array_equal(mask, wanted)


def test_a_mask_of_other_proportions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="200 x 200 pixels are not the proportions of the pictures, 400 x 200"):
        read_region(saved(tmp_path / "square.png", np.ones((200, 200))), PICTURE, SIZE)


def test_a_region_without_a_pixel_is_refused(tmp_path: Path) -> None:
    for given in (saved(tmp_path / "black.png", np.zeros((200, 400))), "0.5,0.5 0.5,0.5 0.5,0.5", "; "):
        with pytest.raises(InputError, match="marks nothing"):
            read_region(given, PICTURE, SIZE)


@pytest.mark.parametrize(
    "given", ["mask", "0.1,0.1 0.9,0.9", "1,1 5,1 3,3", "0,0 0,x 1,1", "0,0,0 1,1,1 0,1,1", "0 1 0.5"]
)
def test_what_is_neither_is_explained(given: str) -> None:
    with pytest.raises(InputError, match="expected an image file, or three or more corners"):
        read_region(given, PICTURE, SIZE)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"nowhere\.png.*no such file"):
        read_region("nowhere.png", PICTURE, SIZE)
