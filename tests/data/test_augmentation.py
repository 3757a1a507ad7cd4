import pytest
import torch

from algan_ad.data.augmentation import Augment
from algan_ad.data.recipe import Recipe

BOTH = Recipe(horizontal_flip=True, vertical_flip=True)
ALL = BOTH.model_copy(update={"rotation_degrees": 180.0})


def test_empty_recipe_returns_the_batch_itself():
    images = torch.rand(3, 3, 8, 8)
    assert Augment(Recipe(grayscale=True, centre_crop=True))(images) is images


@pytest.mark.parametrize("training", [True, False])
def test_flips_are_exact_and_drawn_per_image(training):
    torch.manual_seed(0)
    image = torch.rand(3, 6, 5)
    varied = Augment(BOTH).train(training)(image.expand(200, -1, -1, -1))
    outcomes = [image, image.flip(-1), image.flip(-2), image.flip(-1, -2)]
    counts = [sum(torch.equal(each, outcome) for each in varied) for outcome in outcomes]
    assert sum(counts) == 200
    assert min(counts) > 25  # 50 expected


def test_only_the_flip_asked_for():
    images = torch.rand(64, 3, 4, 4)
    torch.manual_seed(1)
    varied = Augment(Recipe(vertical_flip=True))(images)
    flipped = [not torch.equal(a, b) for a, b in zip(images, varied, strict=True)]
    assert 10 < sum(flipped) < 54
    assert all(torch.equal(v, i.flip(-2)) for i, v, f in zip(images, varied, flipped, strict=True) if f)


def test_rotation_fills_from_the_border():
    images = torch.full((16, 3, 20, 20), 0.5)
    torch.testing.assert_close(Augment(Recipe(rotation_degrees=180.0))(images), images)


def test_rotation_stays_within_its_range():
    """A dot on the right edge, seen from the centre, shows the angle of each image."""
    torch.manual_seed(0)
    images = torch.zeros(64, 1, 65, 65)
    images[:, :, 30:35, 58:63] = 1
    varied = Augment(Recipe(rotation_degrees=30.0))(images)
    axis = torch.arange(65.0) - 32
    mass = varied.sum((1, 2, 3))
    x, y = (varied.sum((1, 2)) @ axis) / mass, (varied.sum((1, 3)) @ axis) / mass
    angles = torch.rad2deg(torch.atan2(y, x))
    assert angles.abs().max() < 31
    assert angles.max() > 20
    assert angles.min() < -20
    assert len(angles.round().unique()) > 20  # each image has its own
    torch.testing.assert_close(torch.hypot(x, y), torch.full((64,), 28.0), atol=0.3, rtol=0)


def test_the_global_generator_drives_it():
    images = torch.rand(4, 3, 8, 8)
    augment = Augment(ALL)
    torch.manual_seed(7)
    first = augment(images)
    torch.manual_seed(7)
    torch.testing.assert_close(augment(images), first, rtol=0, atol=0)
    assert not torch.equal(augment(images), first)


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (5, 5, 8, 12)])
def test_shape_range_and_gradient(shape):
    images = torch.rand(shape, requires_grad=True)
    varied = Augment(ALL)(images)
    assert varied.shape == shape
    assert varied.min() >= 0
    assert varied.max() <= 1
    varied.sum().backward()
    assert images.grad is not None
    assert not list(Augment(ALL).parameters())
