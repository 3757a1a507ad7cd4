"""One seed in, all randomness out."""

import hashlib

import torch


def seed_from(seed: int, *names: object) -> int:
    """A 63-bit seed that depends on every argument and on nothing else."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seed_torch(seed: int, *names: object) -> None:
    """Seed torch's global state on every device.

    The loop calls it with (seed, epoch): an epoch's randomness depends on nothing before it, so that a resumed
    run needs no saved random state to go on bit for bit.
    """
    torch.manual_seed(seed_from(seed, *names))
