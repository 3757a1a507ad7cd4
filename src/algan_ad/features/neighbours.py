"""Exact nearest neighbours in a memory bank, by faiss."""

import torch
from torch import Tensor


def nearest(queries: Tensor, bank: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """queries (m, d), bank (n, d), float32, k <= n -> Euclidean distances (m, k), ascending, and rows of the bank.

    faiss searches the bank where it lies, with as many threads as torch uses. Its squared distances come from
    |q|^2 + |b|^2 - 2 qb and lose digits where q and b are close; those returned are computed from q - b.
    """
    import faiss  # half a second to import

    faiss.omp_set_num_threads(torch.get_num_threads())
    q, b = queries.detach().contiguous().cpu().numpy(), bank.detach().contiguous().cpu().numpy()
    rows = torch.from_numpy(faiss.knn(q, b, k)[1]).to(queries.device)
    distances, order = (queries[:, None] - bank[rows]).norm(dim=2).sort(dim=1, stable=True)
    return distances, rows.gather(1, order)
