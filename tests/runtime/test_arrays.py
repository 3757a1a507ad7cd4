"""Arrays of images: what is taken as it is, what is brought to one shape, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from algan_ad.runtime.arrays import as_batch
from algan_ad.runtime.errors import InputError

RGB = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)


def test_a_batch_is_taken_as_it_is() -> None:
    batch = np.zeros((2, 4, 5, 3), np.uint8)
    assert as_batch(batch) is batch
    assert as_batch(np.zeros((0, 4, 5, 3), np.uint8)).shape == (0, 4, 5, 3)


def test_one_image_and_grey_images() -> None:
    np.testing.assert_array_equal(as_batch(RGB), RGB[None])
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.testing.assert_array_equal(as_batch(values), np.stack([values] * 3, -1))
    np.testing.assert_array_equal(as_batch([RGB, RGB]), np.stack([RGB, RGB]))
    np.testing.assert_array_equal(as_batch(Image.fromarray(RGB)), RGB[None])


@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool, np.uint16])
def test_other_values_are_refused(dtype: type) -> None:
    with pytest.raises(InputError, match=r"expected uint8 values 0\.\.255, found"):
        as_batch(np.zeros((2, 4, 5, 3), dtype))


@pytest.mark.parametrize(
    "shape", [(), (3,), (4, 5), (2, 4, 5, 1), (2, 4, 5, 4), (2, 3, 4, 5), (1, 1, 4, 5, 3), (1, 0, 5, 3)]
)
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"expected the shape \(N, H, W, 3\)"):
        as_batch(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("thing", ["a.png", None, [RGB, RGB[:1]], {}])
def test_other_things_are_refused(thing: object) -> None:
    with pytest.raises(InputError, match="images: expected"):
        as_batch(thing)
