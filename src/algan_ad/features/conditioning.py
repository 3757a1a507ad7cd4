"""Whitening in front of the discriminator: feature vectors concentrated to a known scale.

The pseudo-anomalies of an untrained generator must surround the normal data, so the data's own scale and shape
decide whether ALGAN works on vectors (measured: docs/experiments/vectors.md).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

#: Directions with less than this share of the mean variance are treated as having it.
FLOOR = 1e-6


class Whitening(nn.Module):
    """float (N, d) -> float (N, d): (x - mean) @ matrix.

    ZCA whitening: matrix = scale * covariance^(-1/2), which keeps the axes as close to the original ones as
    possible. Built directly it changes nothing: `fit_whitening` or a state dictionary fills its buffers.
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("matrix", torch.eye(dim))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) @ self.matrix


def fit_whitening(samples: NDArray[np.floating], scale: float) -> Whitening:
    """Fit to normal samples (n, d), n >= 2, also for n < d and constant columns.

    The covariance is Ledoit and Wolf's (2004, A well-conditioned estimator for large-dimensional covariance
    matrices): well conditioned for n < d. Without any variance the data is only centred and scaled.
    """
    from sklearn.covariance import LedoitWolf  # a second to import, and prediction does without

    dim = samples.shape[1]
    whitening = Whitening(dim)
    estimate = LedoitWolf().fit(np.asarray(samples, dtype=np.float64))
    variances, axes = np.linalg.eigh(estimate.covariance_)
    mean_variance = variances.mean()
    if mean_variance <= 0:
        variances, mean_variance = np.ones(dim), 1.0
    inverse_deviations = 1 / np.sqrt(np.maximum(variances, FLOOR * mean_variance))
    whitening.mean.copy_(torch.from_numpy(estimate.location_))
    whitening.matrix.copy_(torch.from_numpy(scale * (axes * inverse_deviations) @ axes.T))
    return whitening
