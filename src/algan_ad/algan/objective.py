"""The objectives, equations 4.1 to 4.4, written as losses to minimise, on logits.

With D = sigmoid(logit):  log D = -softplus(-logit)  and  log(1 - D) = -softplus(logit).
"""

from torch import Tensor
from torch.nn.functional import softplus


def discriminator_loss(
    real: Tensor,  # (B,)  logits of x
    fake: Tensor,  # (F,)  logits of x'
    fake_anomalous: Tensor,  # (F,)  bool, true for x'_a
    buffered: Tensor | None,  # (K,)  logits of x^, None in the first epoch
    buffered_anomalous: Tensor | None,  # (K,)  bool, true for x^_a
    alpha: float,
    xi: float,
) -> Tensor:
    """Eq. 4.3 with its sign turned. Without a buffer (Algorithm 1, line 11) generated data has the weight xi = 1."""
    if buffered is None or buffered_anomalous is None:
        return softplus(-real).mean() + _by_kind(fake, fake_anomalous, alpha)
    return (
        softplus(-real).mean()
        + xi * _by_kind(fake, fake_anomalous, alpha)
        + (1 - xi) * _by_kind(buffered, buffered_anomalous, alpha)
    )


def noise_loss(noisy: Tensor) -> Tensor:
    """E[-log(1 - D(x~))], logits (B,) of noisy data: the form of eq. 4.3 for a kind that the thesis does not have."""
    return softplus(noisy).mean()


def _by_kind(logits: Tensor, anomalous: Tensor, alpha: float) -> Tensor:
    """alpha E_n[-log(1 - D)] + (1 - alpha) E_a[-log(1 - D)]; the weight of a kind without samples is zero."""
    loss = softplus(logits)
    weight = (~anomalous) * (alpha / (~anomalous).sum().clamp_min(1))
    weight = weight + anomalous * ((1 - alpha) / anomalous.sum().clamp_min(1))
    return (weight * loss).sum()


def generator_loss(fake: Tensor, saturating: bool = False) -> Tensor:
    """Eq. 4.2 when `saturating`; else the non-saturating form of Goodfellow et al. (2014), -log D(G(z_n))."""
    return -softplus(fake).mean() if saturating else softplus(-fake).mean()
