"""Whitening in front of the discriminator, which gives feature vectors a known scale.

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
    """Affine map float (N, d) -> float (N, d): (x - mean) @ matrix.

    ZCA whitening: matrix = scale * covariance^(-1/2), which keeps the axes as close to the original ones as
    possible. A new object changes nothing: `fit_whitening` or a state dictionary fills its buffers.
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
    """Fit a `Whitening` to normal samples (n, d), n >= 2, also for n < d and constant columns.

    The covariance is Ledoit and Wolf's (2004, A well-conditioned estimator for large-dimensional covariance
    matrices): well conditioned for n < d. Without any variance the data is only centred and scaled.
    """
    from sklearn.covariance import LedoitWolf  # takes a second to import, and prediction does without

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


#: Power of the covariance that partial whitening divides by; 0 leaves distances as they are, 1/2 whitens.
POWER = 0.25
#: Columns that carry the variance: with fewer, the units of a few decide every distance, so each column gets its own.
FEW = 16
#: Rows that the covariance within modes is estimated from, and those among them whose neighbours are looked up.
SAMPLE, CENTRES = 8192, 2048
BLOCK = 256  # centres whose distances to all rows are held at once


def fit_partial_whitening(
    samples: NDArray[np.floating], generator: np.random.Generator, power: float = POWER
) -> Whitening:
    """Fit a whitening to a power within modes of normal samples (n, d), n >= 2; total variance 1 afterwards.

    Columns are standardised first unless they share a unit, as the outputs of a network do (`columns_that_carry`).
    The covariance is that of a sample about its d nearest neighbours, or about all others if there are no more. For
    modes far apart it is the covariance within a mode, which the distance between modes would drown; for n <= d it is
    the plain covariance. There are as many neighbours as columns, because a covariance of d columns needs that many
    differences. It is shrunk as Ledoit and Wolf (2004) shrink the covariance.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage  # takes a second to import, and prediction does without

    rows = np.asarray(samples, dtype=np.float64)
    n, dim = rows.shape
    mean, deviations = rows.mean(0), rows.std(0)
    standardises = columns_that_carry(deviations**2) < FEW
    factors = 1 / np.where(deviations > 0, deviations, 1) if standardises else np.ones(dim)
    rows = rows - mean
    rows *= factors
    if n > SAMPLE:
        rows = rows[generator.choice(n, SAMPLE, replace=False)]
    covariance, share = _within_modes(rows, generator), ledoit_wolf_shrinkage(rows, assume_centered=False)
    mean_variance = np.trace(covariance) / dim or 1.0
    variances, axes = np.linalg.eigh((1 - share) * covariance + share * mean_variance * np.eye(dim))
    matrix = axes * np.maximum(variances, FLOOR * mean_variance) ** -power
    total = (rows @ matrix).var(0).sum()
    whitening = Whitening(dim)
    whitening.mean.copy_(torch.from_numpy(mean))
    whitening.matrix.copy_(torch.from_numpy(factors[:, None] * matrix / np.sqrt(total or 1.0)))
    return whitening


def fit_patch_whitening(samples: NDArray[np.floating], generator: np.random.Generator) -> Whitening:
    """Fit a whitening within modes of patches (n, d), n >= 2, standardised first; total variance d afterwards.

    Levels of unlike scales then weigh by their number of features. The power is 1/2: on made-up defects that was a
    little better than 1/4 and 3/8 (docs/experiments/algan-patch.md).
    """
    mean, deviations = samples.mean(0, dtype=np.float64), samples.std(0, dtype=np.float64)
    factors = 1 / np.where(deviations > 0, deviations, 1)
    standardised = samples - mean
    standardised *= factors
    whitening = fit_partial_whitening(standardised, generator, power=0.5)
    whitening.mean.copy_(torch.from_numpy(mean))
    whitening.matrix.mul_(torch.from_numpy(factors[:, None] * len(mean) ** 0.5))
    return whitening


def columns_that_carry(variances: NDArray[np.float64]) -> float:
    """Exponential of the entropy of the columns' shares of variance: d if all vary alike, 1 if one has all of it."""
    shares = variances[variances > 0] / (variances.sum() or 1.0)
    return float(np.exp(-(shares * np.log(shares)).sum()))


def _within_modes(rows: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Half the mean outer product of the differences between a row and its d nearest neighbours, (d, d)."""
    n, dim = rows.shape
    if dim >= n - 1:
        return np.asarray(np.cov(rows.T, bias=True)).reshape(dim, dim)
    centres = generator.choice(n, min(n, CENTRES), replace=False)
    near = rows[centres]
    squares, linked, times = (rows**2).sum(1), np.empty_like(near), np.zeros(n)
    for start in range(0, len(near), BLOCK):
        some = slice(start, start + BLOCK)
        distances = (near[some] ** 2).sum(1)[:, None] + squares - 2 * near[some] @ rows.T
        distances[np.arange(len(distances)), centres[some]] = -1  # itself, which adds nothing
        neighbours = np.argpartition(distances, dim, axis=1)[:, : dim + 1]
        links = np.zeros_like(distances)
        np.put_along_axis(links, neighbours, 1.0, axis=1)
        linked[some] = links @ rows
        times += links.sum(0)
    # sum_ij links_ij (a_i - b_j)(a_i - b_j)^T without a difference being stored
    cross = near.T @ linked
    outer = (near.T * (dim + 1.0)) @ near + (rows.T * times) @ rows - cross - cross.T
    return np.asarray(outer / (2 * len(centres) * dim))
