import math

import pytest
import torch

from algan_ad.algan.mixture import SHARPNESS, SPREAD, Noise, place, squared_distances
from algan_ad.algan.networks import VectorGenerator


def rows(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_logit_is_the_formula() -> None:
    x, new = rows(30, 3), rows(5, 3, 1)
    mixture = place(x, torch.arange(0, 30, 2))
    p, r = mixture.prototypes, mixture.reach
    expected = [
        SHARPNESS * mixture.level.item()
        + math.log(
            sum(
                math.exp(-SHARPNESS * max((y - p[i]).square().sum().item(), r[i].item()) * mixture.precision[i].item())
                for i in range(15)
            )
        )
        for y in new
    ]
    torch.testing.assert_close(mixture(new), torch.tensor(expected, dtype=torch.float64))


def test_reach_is_the_distance_to_the_nearest_other_row() -> None:
    x = rows(40, 3)
    mixture = place(x, torch.arange(10))
    distances = squared_distances(x, x).fill_diagonal_(torch.inf)
    torch.testing.assert_close(mixture.reach, distances[:10].amin(1))


def test_a_row_is_judged_as_if_it_were_no_prototype() -> None:
    """Wherever widths are alike; its own prototype then counts as much as its nearest neighbour."""
    x = rows(50, 8)
    with_all, without = place(x, torch.arange(50)), place(x, torch.arange(1, 50))
    for mixture in (with_all, without):
        mixture.precision.fill_(100.0)
        mixture.level.data.zero_()
    assert with_all(x[:1]).item() - without(x[:1]).item() <= math.log(2) + 1e-6


def test_widths_differ_by_half_their_own_scale_or_less() -> None:
    tight, wild = torch.cat([rows(50, 4), 1.2 * rows(50, 4) + 50]), torch.cat([rows(50, 2), 1e3 * rows(50, 2)])
    for x in (tight, wild):
        log_width = -place(x, torch.arange(100)).precision.log()
        assert log_width.std(correction=0) <= SPREAD + 1e-6
        assert log_width.std() > 0.05


def test_most_rows_lie_inside_and_far_ones_do_not() -> None:
    x = rows(200, 4)
    mixture = place(x, torch.arange(200))
    assert (mixture(x) > 0).double().mean().item() == pytest.approx(0.95, abs=0.011)
    assert (mixture(x + 100) < 0).all()


def test_rows_in_one_place() -> None:
    mixture = place(torch.ones(5, 2), torch.arange(5))
    assert mixture(torch.ones(1, 2)).isfinite().all()
    assert mixture(torch.zeros(1, 2)) < mixture(torch.ones(1, 2))


def test_noise_has_the_wanted_length() -> None:
    x = torch.zeros(4000, 6)
    lengths = Noise(3.0, torch.Generator().manual_seed(0))(x).norm(dim=1)
    assert lengths.max() <= 3.0
    assert lengths.mean().item() == pytest.approx(1.5, abs=0.05)


def test_drawn_weights_are_distributed_as_those_of_torch() -> None:
    before = torch.get_rng_state()
    drawn = VectorGenerator.drawn(20, 10, 64, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)
    usual = VectorGenerator(20, 10, 64)
    for (name, a), (_, b) in zip(drawn.state_dict().items(), usual.state_dict().items(), strict=True):
        assert a.shape == b.shape, name
        if a.numel() > 1000:
            assert a.std().item() == pytest.approx(b.std().item(), rel=0.1), name
        elif "running" in name or "num" in name:
            assert torch.equal(a, b), name
