"""A Gaussian of the features at every position of a map (PaDiM: Defard et al., 2021; thesis eq. 3.14)."""

from typing import Self

import torch
from torch import Tensor, nn

from algan_ad.features.conditioning import Whitening

POSITIONS = 64  # positions whose matrices are factorised at once


class PositionGaussians(nn.Module):
    """Features (N, H, W, d) -> squared Mahalanobis distances of each position to its own Gaussian, (N, H, W).

    mean: float (P, d) of the positions, row by row. factor: (P, d, d), as `Gaussians.inverse_factor`.
    """

    mean: Tensor
    factor: Tensor

    def __init__(self, mean: Tensor, factor: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("factor", factor)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(1, 2).transpose(0, 1) - self.mean[:, None]  # (P, N, d)
        return torch.bmm(rows, self.factor.mT).square().sum(2).T.reshape(x.shape[:3])


class Gaussians:
    """Mean and covariance of many positions at once, from batches (Chan, Golub and LeVeque, 1983).

    One covariance (P, d, d) is held and updated in place, because it takes by far the most memory.
    """

    def __init__(self) -> None:
        self.n = 0
        self.mean = self.scatter = torch.empty(0)

    def add(self, rows: Tensor) -> None:
        """rows: (P, B, d), B samples of each position."""
        n_positions, n_new, d = rows.shape
        if not self.n:
            self.mean, self.scatter = rows.new_zeros(n_positions, d), rows.new_zeros(n_positions, d, d)
        mean = rows.mean(1)
        shift = mean - self.mean
        between = (self.n * n_new / (self.n + n_new)) ** 0.5 * shift  # as one more sample
        deviations = torch.cat([rows - mean[:, None], between[:, None]], 1)
        self.scatter.baddbmm_(deviations.transpose(1, 2), deviations)
        self.mean += n_new / (self.n + n_new) * shift
        self.n += n_new

    def conditioned(self, whitening: Whitening) -> Self:
        """The Gaussians of whitened samples, which overwrite those of the samples."""
        self.mean = whitening(self.mean)
        for part in torch.split(self.scatter, POSITIONS):
            part.copy_(whitening.matrix.T @ part @ whitening.matrix)
        return self

    def inverse_factor(self, epsilon: float, common: float = 0.0) -> Tensor:
        """Factor L^-1 (P, d, d) of covariance + epsilon I = L L^T; it overwrites the gathered sums.

        The mean covariance of all positions counts as `common` d samples more at each: with few samples a covariance of
        its own is singular or nearly so.
        """
        d = self.scatter.shape[1]
        eye = torch.eye(d, device=self.scatter.device)
        scatter, n = common * d * self.scatter.mean(0) / (self.n - 1), self.n - 1 + common * d
        for part in torch.split(self.scatter, POSITIONS):
            factor = torch.linalg.cholesky((part + scatter) / n + epsilon * eye)
            part.copy_(torch.linalg.solve_triangular(factor, eye.expand_as(part), upper=False))
        return self.scatter
