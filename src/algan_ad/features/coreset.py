"""Greedy k-centre subsampling of a memory bank (Roth et al., 2022, section 3.2, Algorithm 1)."""

import torch
from torch import Tensor

PROJECTED = 128  # dimensions after the random projection (4.1)
CANDIDATES = 1024  # farthest points that a pass over all points settles among themselves
ROWS = 8192  # points whose distances are computed at once


def greedy_coreset(features: Tensor, size: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Rows of `features` (n, d, on the CPU) to keep, int64 (size,) in the order of their choice, size <= n.

    The distances are those after a random projection to 128 dimensions, which keeps them up to a small error
    (Johnson and Lindenstrauss, 1984); the first row is drawn at random.
    """
    points = features - features.mean(0)  # smaller numbers, the same distances
    if points.shape[1] > PROJECTED:
        projection = torch.randn(points.shape[1], PROJECTED, generator=generator) / PROJECTED**0.5
        points = points @ projection
    first = int(torch.randint(len(points), (), generator=generator))
    return farthest_points(points.to(device), size, first).cpu()


def farthest_points(points: Tensor, size: int, start: int) -> Tensor:
    """Indices (size,): each is the point of (n, d) farthest from all before it; the first is `start`.

    The choice is that of the plain algorithm, which passes over all points for every one chosen. Here a pass
    serves many: distances to the chosen points only fall, so while the farthest of the CANDIDATES is still
    farther than any other point was at the last pass, it is the farthest of all.
    """
    squares = points.square().sum(1)
    chosen = [torch.tensor([start], device=points.device)]
    distances = torch.full_like(squares, torch.inf)  # squared, to the nearest chosen point
    n_chosen = 0
    while True:
        n_chosen += len(chosen[-1])
        _approach(distances, points, squares, chosen[-1])
        if n_chosen >= size:
            return torch.cat(chosen)
        reach, candidates = distances.topk(min(CANDIDATES, len(points)))
        chosen.append(candidates[_settle(points[candidates], reach, size - n_chosen, len(points))])


def _approach(distances: Tensor, points: Tensor, squares: Tensor, new: Tensor) -> None:
    """Lower the distances of all points for newly chosen ones; the chosen points get -1."""
    matrix, offsets = points[new].T, squares[new]
    for start in range(0, len(points), ROWS):
        part = slice(start, start + ROWS)
        found = torch.addmm(offsets, points[part], matrix, alpha=-2).amin(1).add_(squares[part]).clamp_(min=0)
        torch.minimum(distances[part], found, out=distances[part])
    distances[new] = -1


def _settle(candidates: Tensor, reach: Tensor, wanted: int, n_points: int) -> list[int]:
    """Positions of the candidates (c, d) that come next, at least one; `reach`: squared distances, descending."""
    elsewhere = float(reach[-1]) if len(reach) < n_points else -1.0  # no other point is farther
    squares = candidates.square().sum(1)
    reach = reach.clone()
    picked: list[int] = []
    while len(picked) < wanted:
        farthest, i = reach.max(0)
        if picked and float(farthest) <= elsewhere:
            break
        picked.append(int(i))
        found = torch.addmv(squares, candidates, candidates[i], alpha=-2).add_(squares[i]).clamp_(min=0)
        torch.minimum(reach, found, out=reach)
        reach[i] = -1
    return picked
