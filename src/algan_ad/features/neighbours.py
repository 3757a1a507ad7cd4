"""Exact nearest neighbours in a memory bank: faiss on the CPU, one matrix product on an accelerator."""

import torch
from torch import Tensor

ROWS = 1024  # queries that an accelerator compares with the whole bank at once


def nearest(queries: Tensor, bank: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Euclidean distances (m, k), ascending, and rows of the bank, int64 (m, k).

    queries: float32 (m, d). bank: float32 (n, d), k <= n.

    The squared distances of the search come from |q|^2 + |b|^2 - 2 qb and lose digits where q and b are close;
    those returned are computed from q - b.
    """
    rows = (_by_faiss if bank.device.type == "cpu" else _by_product)(queries.detach(), bank.detach(), k)
    distances, order = (queries[:, None] - bank[rows]).norm(dim=2).sort(dim=1, stable=True)
    return distances, rows.gather(1, order)


def _by_faiss(queries: Tensor, bank: Tensor, k: int) -> Tensor:
    """Search the bank in place, with as many threads as torch uses."""
    import faiss  # takes half a second to import

    faiss.omp_set_num_threads(torch.get_num_threads())
    return torch.from_numpy(faiss.knn(queries.contiguous().numpy(), bank.contiguous().numpy(), k)[1])


def _by_product(queries: Tensor, bank: Tensor, k: int) -> Tensor:
    squares = bank.square().sum(1)
    parts = (torch.addmm(squares, some, bank.T, alpha=-2) for some in torch.split(queries, ROWS))
    return torch.cat([part.topk(k, largest=False).indices for part in parts])
