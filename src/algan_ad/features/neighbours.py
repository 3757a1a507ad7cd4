"""Exact nearest neighbours in a memory bank: faiss on the CPU, one matrix product on accelerators and in exports."""

import torch
from torch import Tensor

ROWS = 1024  # queries that an accelerator compares with the whole bank at once


def nearest(queries: Tensor, bank: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Euclidean distances (m, k), ascending, and rows of the bank, int64 (m, k).

    queries: float32 (m, d). bank: float32 (n, d), k <= n.

    The squared distances of the search come from |q|^2 + |b|^2 - 2 qb and lose digits where q and b are close;
    those returned are computed from q - b.
    """
    exporting = torch.compiler.is_exporting()
    search = _at_once if exporting else _by_faiss if bank.device.type == "cpu" else _by_product
    rows = search(queries.detach(), bank.detach(), k)
    found = (queries[:, None] - bank[rows]).norm(dim=2)
    # ONNX has no stable sort.
    distances, order = found.topk(k, largest=False) if exporting else found.sort(dim=1, stable=True)
    return distances, rows.gather(1, order)


def _by_faiss(queries: Tensor, bank: Tensor, k: int) -> Tensor:
    """Search the bank in place, with as many threads as torch uses."""
    import faiss  # takes half a second to import

    faiss.omp_set_num_threads(torch.get_num_threads())
    return torch.from_numpy(faiss.knn(queries.contiguous().numpy(), bank.contiguous().numpy(), k)[1])


def _by_product(queries: Tensor, bank: Tensor, k: int) -> Tensor:
    return torch.cat([_at_once(some, bank, k) for some in torch.split(queries, ROWS)])


def _at_once(queries: Tensor, bank: Tensor, k: int) -> Tensor:
    """In one product. The number of queries is open in an exported graph, so that they cannot be split there."""
    return torch.addmm(bank.square().sum(1), queries, bank.T, alpha=-2).topk(k, largest=False).indices
