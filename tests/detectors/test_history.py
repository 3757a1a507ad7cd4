import math

import numpy as np
import pytest
import torch
from noise import bands
from torch import Tensor, nn

from algan_ad.algan.networks import ImageDiscriminator
from algan_ad.detectors.history import (
    History,
    HistoryAdversary,
    HistoryConfig,
    gradient_penalty,
    total_variation_loss,
)
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.evaluation.metrics import image_auroc
from algan_ad.training.seeding import seed_torch

SMALL = {"epochs": 6, "batch_size": 8, "image_size": 32, "width": 4, "z_dim": 8}
CPU = torch.device("cpu")


class Linear(nn.Module):
    """A critic whose gradient is its weights everywhere."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, x: Tensor) -> Tensor:
        return self.slope * x[:, 0, 0, 0]


def test_gradient_penalty_by_hand() -> None:
    """A slope of 3 costs (3 - 1)^2, and the penalty has a slope of its own: 2 (3 - 1)."""
    critic = Linear(3.0)
    penalty = gradient_penalty(critic, torch.randn(4, 3, 2, 2), torch.randn(4, 3, 2, 2))
    assert penalty.item() == pytest.approx(4.0)
    penalty.backward()
    assert critic.slope.grad is not None
    assert critic.slope.grad.item() == pytest.approx(4.0)
    assert gradient_penalty(Linear(1.0), torch.randn(4, 3, 2, 2), torch.randn(4, 3, 2, 2)).item() == pytest.approx(0)


def test_gradient_penalty_is_taken_between_real_and_fake() -> None:
    """f(u) = u^2 / 2 has slope u: with real 0 and fake 2, u is even in [0, 2], and E (u - 1)^2 = 1/3."""

    class Square(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, 0, 0, 0].square() / 2

    torch.manual_seed(0)
    penalty = gradient_penalty(Square(), torch.zeros(20_000, 1, 1, 1), torch.full((20_000, 1, 1, 1), 2.0))
    assert penalty.item() == pytest.approx(1 / 3, abs=0.01)


def test_total_variation_loss_by_hand() -> None:
    """Within the bound minus the gap; beyond it, the mean square of the excess, times its weight."""
    assert total_variation_loss(torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 1.0]), 10.0).item() == -1.5
    # -3 and 2 exceed by 2 and 1 among four: (4 + 1) / 4
    assert total_variation_loss(torch.tensor([-3.0, 0.0]), torch.tensor([2.0, 1.0]), 10.0).item() == -3 + 10 * 5 / 4


def test_total_variation_loss_attains_the_distance() -> None:
    """Data on {0, 1}, past on {1, 2}, evenly: distance 1/2, so that the least loss is -2 * 1/2, except for softness."""
    a = torch.zeros(3, requires_grad=True)
    optimiser = torch.optim.Adam([a], 0.05)
    for _ in range(300):
        optimiser.zero_grad()
        loss = total_variation_loss(a[[0, 1]], a[[1, 2]], 1000.0)
        loss.backward()
        optimiser.step()
    assert loss.item() == pytest.approx(-1.0, abs=0.02)
    assert a[0] < 0 < a[2]  # what only the data holds is low, what only the past holds is high


def test_early_states_weigh_more() -> None:
    adversary = HistoryAdversary(HistoryConfig(**SMALL | {"epochs": 8, "n_saved": 3, "decay": 2.0}), CPU)
    assert adversary.past.moments == [1, 2, 3]
    assert adversary.weights.tolist() == pytest.approx([math.exp(-0.5), math.exp(-1.0), math.exp(-1.5)])


def test_one_step_of_the_generator_to_five_of_the_critic() -> None:
    seed_torch(0)
    adversary = HistoryAdversary(HistoryConfig(**SMALL), CPU)
    adversary.begin_epoch(1)
    x = torch.rand(8, 3, 32, 32) * 2 - 1

    def moved(network: str, j: int) -> bool:
        weight = next(adversary.parts[network].parameters())
        before = weight.clone()
        adversary.step(x, j)
        return not torch.equal(weight, before)

    assert [moved("generator", j) for j in range(7)] == [True, False, False, False, False, True, False]
    assert moved("critic", 7)
    assert not moved("classifier", 8)


def test_neither_critic_nor_detector_mixes_the_images_of_a_batch() -> None:
    adversary = HistoryAdversary(HistoryConfig(**SMALL), CPU)
    for network in (adversary.critic, adversary.A):
        assert isinstance(network, ImageDiscriminator)
        assert not any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())


def test_what_looks_immature_scores_higher() -> None:
    detector = History(HistoryConfig(**SMALL | {"epochs": 16, "lr": 2e-3}), "cpu")
    detector.fit(TrainingData(bands(32, 0)), RunOptions(0, "cpu"))
    noise = np.random.default_rng(1).integers(90, 160, (16, 32, 32, 3), dtype=np.uint8)  # grey, as G begins
    scores = detector.score(np.concatenate([bands(16, 2), noise]))
    assert image_auroc(np.repeat([0, 1], 16), scores) == 1
