import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from algan_ad.features.neighbours import _by_product, nearest


@pytest.mark.parametrize(("m", "k"), [(3, 1), (3, 7), (40, 1), (40, 7)])  # faiss goes another way from 20 queries on
def test_neighbours_are_those_of_scikit_learn(m: int, k: int) -> None:
    rng = np.random.default_rng(0)
    bank, queries = rng.normal(size=(200, 9)).astype(np.float32), rng.normal(size=(m, 9)).astype(np.float32)
    expected, rows = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(bank).kneighbors(queries)
    distances, found = nearest(torch.from_numpy(queries), torch.from_numpy(bank), k)
    np.testing.assert_array_equal(found.numpy(), rows)
    np.testing.assert_allclose(distances.numpy(), expected, rtol=1e-5)
    # An accelerator's way, here on the CPU.
    np.testing.assert_array_equal(
        _by_product(torch.from_numpy(queries), torch.from_numpy(bank), k).sort().values, np.sort(rows)
    )


def test_small_distances_between_long_vectors_keep_their_digits() -> None:
    """|q|^2 + |b|^2 - 2 qb, about 1e8 each in float32, would give 0, 8 or -8 for this distance of 1e-2."""
    bank = torch.full((30, 100), 1000.0)
    queries = bank.clone()
    queries[:, 0] += 1 / 128
    torch.testing.assert_close(nearest(queries, bank, 1)[0], torch.full((30, 1), 1 / 128))
