"""The buffer: tags stay with their samples, half of it is replaced, nothing keeps a graph alive."""

import torch

from algan_ad.algan import Buffer


def batch(first: int, n: int = 16, n_normal: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples that carry their number; anomalous ones are negative."""
    tag = torch.arange(n) >= n_normal
    samples = torch.arange(first, first + n).float()[:, None]
    return torch.where(tag[:, None], -samples, samples), tag


def filled(pushes: int) -> Buffer:
    buffer = Buffer(32, torch.zeros(1, 1))
    for i in range(pushes):
        buffer.push(*batch(1 + 16 * i))
    return buffer


def test_fills_up_and_then_replaces_half() -> None:
    torch.manual_seed(0)
    buffer = filled(2)
    assert buffer.size == 32
    before = buffer.samples.clone()
    buffer.push(*batch(1000))
    assert (buffer.samples.abs() >= 1000).sum() == 16
    assert torch.equal(buffer.samples[buffer.samples.abs() < 1000], before[(buffer.samples.abs() < 1000)])


def test_tags_stay_with_their_samples() -> None:
    torch.manual_seed(0)
    buffer = filled(50)
    assert torch.equal(buffer.samples.flatten() < 0, buffer.anomalous)
    samples, tag = buffer.draw(12, 4)
    assert tag.tolist() == [False] * 12 + [True] * 4
    assert torch.equal(samples.flatten() < 0, tag)


def test_draws_with_replacement_reach_every_sample() -> None:
    torch.manual_seed(0)
    buffer = filled(2)
    drawn = {x.item() for _ in range(100) for x in buffer.draw(12, 4)[0]}
    assert drawn == {x.item() for x in buffer.samples}


def test_samples_are_detached() -> None:
    buffer = Buffer(4, torch.zeros(1, 1))
    buffer.push(torch.ones(4, 1, requires_grad=True) * 2, torch.zeros(4, dtype=torch.bool))
    assert not buffer.draw(4, 0)[0].requires_grad


def test_a_push_larger_than_the_room_left_is_split() -> None:
    torch.manual_seed(0)
    buffer = Buffer(20, torch.zeros(1, 1))
    buffer.push(*batch(1))
    buffer.push(*batch(100))
    assert buffer.size == 20
    assert (buffer.samples.abs() >= 100).sum() == 16
