"""Latent variables: section 4.3 for the normal family, section 5.9 and Fig. 5.8 for the two others."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

CPU = torch.device("cpu")
LatentFamily = Literal["normal", "truncated-normal", "uniform"]

#: Truncation of Table 5.14: anomalous values between -th and +th are left out.
TRUNCATION = {"truncated-normal": 2.0, "uniform": 1.0}


@dataclass(frozen=True)
class Latents:
    """Normal latents z_n and anomalous latents z_a, drawn from `generator` or else torch's global random state.

    | family             | z_n       | z_a                                   | Fig. 5.8 |
    |--------------------|-----------|---------------------------------------|----------|
    | `normal`           | N(0, 1)   | N(0, sigma^2)                         | (a)      |
    | `truncated-normal` | N(0, 1)   | N(0, sigma^2) without [-2, 2]         | (b)      |
    | `uniform`          | U(-1, 1)  | U(-2, 2) without [-1, 1]; no sigma    | (c)      |
    """

    dim: int = 100
    sigma: float = 4.0
    family: LatentFamily = "normal"
    device: torch.device = CPU
    generator: torch.Generator | None = None  # on the device

    def normal(self, n: int) -> Tensor:
        """Normal latents z_n, float32 (n, dim)."""
        if self.family == "uniform":
            return self._uniform(n) * 2 - 1
        return self._standard_normal(n)

    def anomalous(self, n: int) -> Tensor:
        """Anomalous latents z_a, float32 (n, dim)."""
        if self.family == "normal":
            return self.sigma * self._standard_normal(n)
        th = TRUNCATION[self.family]
        sign: Tensor = torch.randint(0, 2, (n, self.dim), device=self.device, generator=self.generator) * 2 - 1
        if self.family == "uniform":
            return (th + self._uniform(n)) * sign
        # |z| by the inverse of the normal distribution's upper tail, which keeps float32 accurate far out.
        tail = math.erfc(th / self.sigma / math.sqrt(2)) / 2
        u = (1 - self._uniform(n)) * tail  # (0, tail]
        size: Tensor = -self.sigma * torch.special.ndtri(u)
        return size.clamp_min(th) * sign

    def mixed(self, n: int, alpha: float) -> tuple[Tensor, Tensor]:
        """Latents z_d of Algorithm 1, line 3: a share alpha of normal latents, then the anomalous ones.

        Returns z (n, dim) and the tag, bool (n,), true where anomalous.
        """
        n_normal = round(alpha * n)
        z = torch.cat([self.normal(n_normal), self.anomalous(n - n_normal)])
        return z, torch.arange(n, device=self.device) >= n_normal

    def _uniform(self, n: int) -> Tensor:
        return torch.rand(n, self.dim, device=self.device, generator=self.generator)

    def _standard_normal(self, n: int) -> Tensor:
        return torch.randn(n, self.dim, device=self.device, generator=self.generator)
