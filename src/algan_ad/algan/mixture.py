"""A discriminator that covers several modes: a mixture of prototypes. Ours, beside the thesis's layers (5.1.1)."""

import torch
from torch import Tensor, nn

SHARPNESS = 20.0  # logits per squared width: so sharp that the nearest prototypes decide, as the data's support asks
MOST_OWN = 0.5  # of a prototype's own scale: the geometric mean of the common one and its own
SPREAD = 0.2  # standard deviation of the logarithms of squared widths, at most
OUTSIDE = 0.05  # share of the rows that the untrained boundary leaves out
SAME = 1e-6  # of the total variance: rows nearer than this are one place
ROWS = 4096  # rows whose distances are computed at once


class MixtureDiscriminator(nn.Module):
    """Vector (B, d) -> logit (B,): level + logsumexp_i(b_i - max(|x - p_i|^2, r_i^2) / s_i^2), in units of SHARPNESS.

    Prototypes p_i are normal rows; their widths s_i and reaches r_i follow from the rows (`place`). Training moves
    the biases b_i and the level only: widths and prototypes that learn drift (docs/experiments/vectors.md).

    The reach r_i is the distance from p_i to the nearest other row, as in LOF's reachability distance (Breunig et
    al., 2000, Definition 3): no row is nearer to its own prototype than to its neighbour, so that the rows that
    made the network are judged like new ones.
    """

    prototypes: Tensor
    precision: Tensor
    reach: Tensor

    def __init__(self, dim: int, size: int) -> None:
        super().__init__()
        self.register_buffer("prototypes", torch.zeros(size, dim))
        self.register_buffer("precision", torch.ones(size))  # 1 / s_i^2
        self.register_buffer("reach", torch.zeros(size))  # r_i^2
        self.bias = nn.Parameter(torch.zeros(size))
        self.level = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        distances = squared_distances(x, self.prototypes).maximum(self.reach) * self.precision  # (B, K)
        nearness = torch.logsumexp(SHARPNESS * (self.bias - distances), 1)
        return SHARPNESS * self.level + nearness

    @property
    def radius(self) -> float:
        """Median distance of a prototype to the nearest other row: the unit of length around the data."""
        return float(self.reach.median().sqrt())


@torch.no_grad()
def place(rows: Tensor, chosen: Tensor) -> MixtureDiscriminator:
    """An untrained mixture on the `chosen` (K,) of the rows (n, d), n >= 2; in the precision of the rows.

    s_i^2 is the common scale times the g-th power of the ratio of the prototype's own scale to it; scales are squared
    distances to the nearest prototype elsewhere. g is a half, or less if widths would differ too much: in many
    dimensions distances differ little, and a row that is far from all others should not count as near to none; in
    few dimensions a sparse region itself shows an anomaly. The level is such that nineteen rows in twenty lie inside,
    with a logit above 0.
    """
    prototypes = rows[chosen]
    mixture = MixtureDiscriminator(rows.shape[1], len(chosen)).to(rows)
    same = SAME * float(rows.var(0).sum())
    reach, scale = torch.empty_like(mixture.reach), torch.empty_like(mixture.reach)
    for start in range(0, len(chosen), ROWS):
        part = slice(start, start + ROWS)
        among = squared_distances(prototypes[part], rows)
        among[torch.arange(len(among)), chosen[part]] = torch.inf
        reach[part] = among.amin(1)
        elsewhere = squared_distances(prototypes[part], prototypes)
        scale[part] = torch.where(elsewhere > same, elsewhere, torch.inf).amin(1)
    scale = torch.where(scale.isfinite() & (scale > 0), scale, 1.0)  # all rows in one place
    log_scale = scale.log()
    relative = log_scale - log_scale.median()
    own = min(MOST_OWN, SPREAD / max(float(relative.std(correction=0)), SPREAD))
    mixture.prototypes.copy_(prototypes)
    mixture.reach.copy_(reach)
    mixture.precision.copy_((-own * relative - log_scale.median()).exp())
    logits = torch.cat([mixture(part) for part in rows[:: 1 + len(rows) // ROWS].split(ROWS)])
    mixture.level.copy_(-logits.quantile(OUTSIDE) / SHARPNESS)
    return mixture


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared Euclidean distances (n, m) between rows (n, d) and (m, d)."""
    return torch.addmm(b.square().sum(1), a, b.T, alpha=-2).add(a.square().sum(1, keepdim=True)).clamp_min(0)


class Noise:
    """Real data (B, d) moved in a direction drawn at random, by a length uniform on (0, `reach`): noisy data, x~.

    It stops the decay of eq. 4.3: once the generator has closed in on the data, no other kind of pseudo-anomaly
    surrounds it.
    """

    def __init__(self, reach: float, generator: torch.Generator) -> None:
        self.reach, self.generator = reach, generator

    def __call__(self, x: Tensor) -> Tensor:
        direction = torch.randn(x.shape, device=x.device, generator=self.generator)
        length = self.reach * torch.rand(len(x), 1, device=x.device, generator=self.generator)
        return x + length * nn.functional.normalize(direction)
