"""The generator's past: buffered data x^ = {x^_n, x^_a} of section 4.3."""

import torch
from torch import Tensor


class Buffer:
    """Up to `capacity` generated samples, each with its tag (normal or anomalous latent).

    A push is appended while there is room; afterwards it overwrites slots drawn at random. A capacity of twice
    the batch gives the buffer of 5.1.1, "half of which is randomly replaced by newly generated data"; a capacity
    of twice the training data gives that of 4.1.
    """

    def __init__(self, capacity: int, sample: Tensor, generator: torch.Generator | None = None) -> None:
        """`sample` (any, *shape) gives the shape, dtype and device of the samples; `generator`: as in `Latents`."""
        self.samples = torch.zeros(capacity, *sample.shape[1:], dtype=sample.dtype, device=sample.device)
        self.anomalous = torch.zeros(capacity, dtype=torch.bool, device=sample.device)
        self.size, self.generator = 0, generator

    def push(self, samples: Tensor, anomalous: Tensor) -> None:
        """Store samples (n, *shape) and their tags, bool (n,), detached."""
        capacity = len(self.samples)
        room = min(capacity - self.size, len(samples))
        n_over = len(samples) - room
        fresh = torch.arange(self.size, self.size + room, device=samples.device)
        slots = torch.cat([fresh, torch.randperm(self.size, device=samples.device, generator=self.generator)[:n_over]])
        self.samples[slots] = samples.detach()
        self.anomalous[slots] = anomalous
        self.size += room

    def draw(self, n_normal: int, n_anomalous: int) -> tuple[Tensor, Tensor]:
        """Draw, with replacement, normal samples, then anomalous ones. Returns them (n, *shape) and tags, bool (n,)."""
        tags = self.anomalous[: self.size]
        picks = [self._pick(tags.logical_not(), n_normal), self._pick(tags, n_anomalous)]
        picked = torch.cat(picks)
        return self.samples[picked], self.anomalous[picked]

    def _pick(self, mask: Tensor, n: int) -> Tensor:
        candidates = mask.nonzero().flatten()
        if n == 0:
            return candidates[:0]
        return candidates[torch.randint(len(candidates), (n,), device=mask.device, generator=self.generator)]
