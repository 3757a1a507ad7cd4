import pytest
import torch
from torch import Tensor

from algan_ad.algan.mixture import SHARPNESS
from algan_ad.algan.patch_mixture import PatchDiscriminator, Prototypes, place_patches


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_nearness_is_the_formula() -> None:
    near = Prototypes(5, 3)
    near.load_state_dict({"prototypes": drawn(5, 3), "precision": drawn(5, seed=1).exp(), "bias": drawn(5, seed=2)})
    x = drawn(2, 4, 4, 3, seed=3)
    squares = (x[..., None, :] - near.prototypes).square().sum(-1)  # (2, 4, 4, 5)
    torch.testing.assert_close(near(x), (near.bias - near.precision * squares).amax(-1))


def test_the_logit_adds_the_levels() -> None:
    D, _ = place_patches([drawn(6, 3), drawn(4, 2, seed=1)], drawn(20, 5, seed=2))
    x = drawn(7, 5, seed=3)
    expected = D.level + D.levels[0](x[:, :3]) + D.levels[1](x[:, 3:])
    torch.testing.assert_close(D(x), SHARPNESS * expected)
    torch.testing.assert_close(D.logit([D.levels[0](x[:, :3]), D.levels[1](x[:, 3:])]), D(x))


def test_one_row_in_twenty_lies_outside_at_first() -> None:
    rows = drawn(1000, 4)
    D, _ = place_patches([rows[:50, :2], rows[:50, 2:]], rows)
    assert (D(rows) < 0).sum() == 50


def test_the_radius_is_that_of_the_prototypes() -> None:
    """On a line at distances 1, 1, 3 of each other, and on one at 2: 1 + 4."""
    first, second = torch.tensor([[0.0], [1.0], [2.0], [5.0]]), torch.tensor([[0.0], [2.0]])
    assert place_patches([first, second], torch.zeros(2, 2))[1] ** 2 == pytest.approx(1 + 4)


def test_lone_prototypes_are_wider() -> None:
    """By their own distance to the nearest, or less where these differ much."""
    angles = torch.arange(0, 6.28, 0.1)
    crowd = torch.stack([angles.cos(), angles.sin()], 1)
    D, _ = place_patches([torch.cat([crowd, torch.tensor([[3.0, 0.0]])])], crowd)
    assert D.levels[0].precision[-1] < 0.99 * D.levels[0].precision[:-1].min()


@pytest.mark.parametrize("prototypes", [torch.ones(3, 2), torch.ones(1, 2)])
def test_prototypes_in_one_place(prototypes: Tensor) -> None:
    D, radius = place_patches([prototypes], torch.ones(4, 2))
    assert radius == 1
    assert torch.isfinite(D(drawn(5, 2))).all()


def test_training_moves_biases_and_level_alone() -> None:
    D = PatchDiscriminator([(5, 3), (4, 2)])
    assert {name for name, _ in D.named_parameters()} == {"level", "levels.0.bias", "levels.1.bias"}
