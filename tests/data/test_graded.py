import numpy as np
import pytest
from numpy.typing import NDArray

from algan_ad.data.graded import KINDS, Canvas
from algan_ad.data.outline import COARSE, find_part


def object_on_plain(height: int = 300, width: int = 200) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A noisy disc on a plain dark background, and where it is."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((height, width))
    disc = np.hypot(rows - height / 2, columns - width / 2) < 80
    image = np.full((height, width, 3), 20.0) + disc[..., None] * 120 + rng.normal(0, 4, (height, width, 3))
    return image.clip(0, 255).astype(np.uint8), disc


def texture(height: int = 90, width: int = 130) -> NDArray[np.uint8]:
    return np.random.default_rng(1).normal(128, 25, (height, width, 3)).clip(0, 255).astype(np.uint8)


def test_a_part_on_a_plain_background_is_found_and_a_texture_is_all_part() -> None:
    image, disc = object_on_plain(2 * COARSE, 2 * COARSE)
    found = find_part(image)
    assert found.shape == (COARSE, COARSE)
    assert (found != disc[::2, ::2]).mean() < 0.01
    assert find_part(texture()).all()
    assert find_part(np.full((40, 40, 3), 99, np.uint8)).all()  # nothing stands out


@pytest.mark.parametrize("kind", KINDS)
def test_defects_lie_on_the_part_and_masks_are_what_changed(kind: str) -> None:
    image, disc = object_on_plain()
    before, canvas = image.copy(), Canvas(image, find_part(image))
    grown = np.hypot(*(np.indices(disc.shape) - np.array(disc.shape).reshape(2, 1, 1) / 2)) < 83
    for i, size in enumerate((3, 12, 50, 400)):
        altered, mask = canvas.draw(kind, size, 60, np.random.default_rng(i), texture())
        assert altered.dtype == np.uint8
        np.testing.assert_array_equal(mask, (altered != before).any(-1))
        assert mask.any()
        assert not (mask & ~grown).any()
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("kind", KINDS)
def test_size_and_contrast_are_those_asked_for(kind: str) -> None:
    plate = np.full((200, 240, 3), 128, np.uint8)
    canvas = Canvas(plate, find_part(plate))
    for i, (size, contrast) in enumerate([(16, 40), (40, 10), (64, 100)]):
        altered, mask = canvas.draw(kind, size, contrast, np.random.default_rng(i), plate)
        places = np.argwhere(mask)
        extent = np.linalg.norm(places[:, None] - places, axis=-1).max() + 1
        assert 0.6 * size <= extent <= size + 3
        assert 0.8 * contrast <= np.abs(altered.astype(int) - plate).max() <= contrast + 1


def test_contrast_is_kept_where_the_image_is_dark_or_light() -> None:
    for level in (5, 250):
        plate = np.full((80, 80, 3), level, np.uint8)
        for kind in set(KINDS) - {"dent"}:  # one half of which cannot show
            for seed in range(4):
                altered, _ = Canvas(plate, find_part(plate)).draw(kind, 20, 60, np.random.default_rng(seed), plate)
                assert np.abs(altered.astype(int) - plate).max() >= 40, (kind, level)


def test_the_generator_decides() -> None:
    image = texture()
    canvas = Canvas(image, find_part(image))
    for kind in KINDS:
        first, again, other = (canvas.draw(kind, 20, 60, np.random.default_rng(s), image)[0] for s in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)
