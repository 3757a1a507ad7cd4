"""The generator's past: buffered data x^ = {x^_n, x^_a} of section 4.3."""

import torch
from torch import Tensor

from algan_ad.algan.latents import CPU


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on a device. CUDA takes a copy at once, and does not wait for the work that it has."""
    return tensor.to(device, non_blocking=device.type == "cuda")  # MPS might read memory that is in use again


class Buffer:
    """Up to `capacity` generated samples, each with its tag (normal or anomalous latent).

    The tags, and the positions drawn by them, are on the CPU, so that no draw waits for an accelerator; it waits where
    the generator is there.

    A push is appended while there is room; afterwards it overwrites slots drawn at random. A capacity of twice
    the batch gives the buffer of 5.1.1, "half of which is randomly replaced by newly generated data"; a capacity
    of twice the training data gives that of 4.1.
    """

    def __init__(self, capacity: int, sample: Tensor, generator: torch.Generator | None = None) -> None:
        """`sample` (any, *shape) gives the shape, dtype and device of the samples; `generator`: of the positions."""
        self.samples = torch.zeros(capacity, *sample.shape[1:], dtype=sample.dtype, device=sample.device)
        self.anomalous = torch.zeros(capacity, dtype=torch.bool)
        self.size, self.generator = 0, generator
        self._source = CPU if generator is None else generator.device

    def push(self, samples: Tensor, anomalous: Tensor) -> None:
        """Store samples (n, *shape), detached, and their tags, bool (n,) on the CPU."""
        capacity = len(self.samples)
        room = min(capacity - self.size, len(samples))
        n_over = len(samples) - room
        fresh = torch.arange(self.size, self.size + room)
        old = torch.randperm(self.size, device=self._source, generator=self.generator)[:n_over]
        slots = torch.cat([fresh, old.to(CPU)])
        self.samples[moved(slots, samples.device)] = samples.detach()
        self.anomalous[slots] = anomalous
        self.size += room

    def draw(self, n_normal: int, n_anomalous: int) -> tuple[Tensor, Tensor]:
        """Draw, with replacement, normal samples, then anomalous ones.

        Returns them (n, *shape) and their tags, bool (n,) on the CPU.
        """
        tags = self.anomalous[: self.size]
        picked = torch.cat([self._pick(tags.logical_not(), n_normal), self._pick(tags, n_anomalous)])
        return self.samples[moved(picked, self.samples.device)], self.anomalous[picked]

    def _pick(self, mask: Tensor, n: int) -> Tensor:
        candidates = mask.nonzero().flatten()
        if n == 0:
            return candidates[:0]
        drawn = torch.randint(len(candidates), (n,), device=self._source, generator=self.generator)
        return candidates[drawn.to(CPU)]
