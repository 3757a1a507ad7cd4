import pytest
import torch

from algan_ad.features.rotations import Rotations


def image(height: int = 8, width: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, height, width, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("count", [0, 1])
def test_off_leaves_the_images_alone(count: int) -> None:
    images = image()
    assert Rotations(count)(images) is images


def test_quarter_turns_are_exact() -> None:
    images = image()
    turned = Rotations(4)(images).reshape(2, 4, 8, 8, 3)
    for k in range(4):
        torch.testing.assert_close(turned[:, k], torch.rot90(images, k, (1, 2)).float(), atol=1e-2, rtol=0)


def test_what_comes_in_from_outside_continues_the_edge() -> None:
    images = torch.full((1, 16, 16, 3), 77, dtype=torch.uint8)
    torch.testing.assert_close(Rotations(24)(images), torch.full((24, 16, 16, 3), 77.0))


def test_oblong_images_are_not_sheared() -> None:
    # A bar along the long side stands upright after a quarter turn, cut to the height of the image.
    images = torch.zeros(1, 8, 16, 3, dtype=torch.uint8)
    images[:, 3:5] = 200
    turned = Rotations(4)(images)[1, :, :, 0]
    torch.testing.assert_close(turned[:, 7:9], torch.full((8, 2), 200.0), atol=1e-2, rtol=0)
    assert turned[:, :6].max() < 1
    assert turned[:, 10:].max() < 1


def test_rotations_of_one_image_lie_together() -> None:
    images = image()
    one_by_one = torch.cat([Rotations(3)(images[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(Rotations(3)(images), one_by_one)
