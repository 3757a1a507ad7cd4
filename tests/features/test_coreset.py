import pytest
import torch
from torch import Tensor

from algan_ad.features import coreset
from algan_ad.features.coreset import farthest_points, greedy_coreset

CPU = torch.device("cpu")


def plain(points: Tensor, size: int, start: int) -> list[int]:
    """Algorithm 1, literally: one pass over all points for each that is chosen."""
    chosen = [start]
    while len(chosen) < size:
        chosen.append(int(torch.cdist(points, points[chosen]).amin(1).argmax()))
    return chosen


def cloud(n: int, d: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, generator=generator).double() @ torch.randn(3, d, generator=generator).double()


@pytest.mark.parametrize("candidates", [1, 2, 20, 1000])
def test_choice_is_that_of_the_plain_algorithm(candidates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coreset, "CANDIDATES", candidates)
    monkeypatch.setattr(coreset, "ROWS", 64)
    points = cloud(300, 5)
    assert farthest_points(points, 60, 7).tolist() == plain(points, 60, 7)


def test_one_pass_serves_many(monkeypatch: pytest.MonkeyPatch) -> None:
    passes, approach = [], coreset._approach
    monkeypatch.setattr(coreset, "_approach", lambda *given: passes.append(approach(*given)))
    farthest_points(cloud(5000, 8).float(), 500, 0)
    assert len(passes) < 25


def test_by_hand() -> None:
    points = torch.tensor([[0.0], [1.0], [10.0], [6.0]])
    assert farthest_points(points, 4, 0).tolist() == [0, 2, 3, 1]


def test_equal_points_are_chosen_once_each() -> None:
    points = torch.cat([torch.full((30, 4), 3.3), cloud(5, 4).float()])
    assert sorted(farthest_points(points, 35, 2).tolist()) == list(range(35))


def test_projection_keeps_the_rare_cluster() -> None:
    """Two patches in a thousand are unlike the rest: a random hundredth would mostly miss them."""
    features = cloud(1000, 300).float() / 100
    features[[77, 500]] += 5
    kept = greedy_coreset(features, 10, torch.Generator().manual_seed(0), CPU)
    assert {77, 500} & set(kept.tolist())
    assert len(set(kept.tolist())) == 10
    again = greedy_coreset(features, 10, torch.Generator().manual_seed(0), CPU)
    assert torch.equal(kept, again)
    assert not torch.equal(kept, greedy_coreset(features, 10, torch.Generator().manual_seed(1), CPU))
