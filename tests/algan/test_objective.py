"""Equations 4.1 to 4.4 against sums worked out by hand, log-likelihoods and all."""

from math import exp, log

import pytest
import torch

from algan_ad.algan.objective import discriminator_loss, generator_loss


def log_d(logit: float) -> float:
    return log(1 / (1 + exp(-logit)))


def log_not_d(logit: float) -> float:
    return log(1 - 1 / (1 + exp(-logit)))


REAL, FAKE, BUFFERED = [0.3, -1.2], [0.5, -0.7, 2.0], [1.5, -2.5]
FAKE_TAG, BUFFERED_TAG = [False, False, True], [False, True]


def by_hand(alpha: float, xi: float, buffered: bool) -> float:
    real = sum(map(log_d, REAL)) / 2
    fake_n = (log_not_d(0.5) + log_not_d(-0.7)) / 2
    fake_a = log_not_d(2.0)
    if not buffered:
        return -(real + alpha * fake_n + (1 - alpha) * fake_a)
    return -(
        real
        + alpha * (xi * fake_n + (1 - xi) * log_not_d(1.5))
        + (1 - alpha) * (xi * fake_a + (1 - xi) * log_not_d(-2.5))
    )


@pytest.mark.parametrize("alpha", [0.25, 0.75, 1.0])
@pytest.mark.parametrize("xi", [0.25, 0.75, 1.0])
def test_equation_4_3(alpha: float, xi: float) -> None:
    loss = discriminator_loss(
        torch.tensor(REAL), torch.tensor(FAKE), torch.tensor(FAKE_TAG),
        torch.tensor(BUFFERED), torch.tensor(BUFFERED_TAG), alpha, xi,
    )  # fmt: skip
    assert loss.item() == pytest.approx(by_hand(alpha, xi, buffered=True), rel=1e-6)


def test_before_there_is_a_buffer_the_fakes_weigh_one() -> None:
    loss = discriminator_loss(
        torch.tensor(REAL), torch.tensor(FAKE), torch.tensor(FAKE_TAG), None, None, alpha=0.75, xi=0.6
    )
    assert loss.item() == pytest.approx(by_hand(0.75, 0.6, buffered=False), rel=1e-6)


def test_equation_4_1_is_4_3_with_fake_normal_data_only() -> None:
    xi, normal = 0.75, torch.zeros(3, dtype=torch.bool)
    loss = discriminator_loss(
        torch.tensor(REAL), torch.tensor(FAKE), normal, torch.tensor(BUFFERED), normal[:2], alpha=1.0, xi=xi
    )
    expected = -(
        sum(map(log_d, REAL)) / 2 + xi * sum(map(log_not_d, FAKE)) / 3 + (1 - xi) * sum(map(log_not_d, BUFFERED)) / 2
    )
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_generator_losses() -> None:
    logits = torch.tensor([0.4, -1.1])
    assert generator_loss(logits, saturating=True).item() == pytest.approx((log_not_d(0.4) + log_not_d(-1.1)) / 2)
    assert generator_loss(logits).item() == pytest.approx(-(log_d(0.4) + log_d(-1.1)) / 2)


def test_losses_survive_large_logits() -> None:
    large, tag = torch.tensor([300.0, -300.0]), torch.tensor([False, True])
    loss = discriminator_loss(large, large, tag, large, tag, 0.75, 0.75)
    assert torch.isfinite(loss)
    assert torch.isfinite(generator_loss(large, saturating=True))
