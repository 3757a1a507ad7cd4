"""Seeding of all randomness from one seed, and protection of the caller's own random state."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from algan_ad.runtime.seeding import seed_from

_GLOBAL_STATE = threading.RLock()


def seed_torch(seed: int, *names: object) -> None:
    """Seed torch's global state on every device.

    The loop calls it with (seed, epoch): an epoch's randomness depends on nothing before it, so that a resumed
    run needs no saved random state to go on bit for bit.
    """
    torch.manual_seed(seed_from(seed, *names))


@contextmanager
def private_randomness() -> Iterator[None]:
    """Restore the global random states of torch and NumPy afterwards.

    One thread at a time may enter, because the states are those of the whole process.
    """
    with _GLOBAL_STATE, torch.random.fork_rng():
        state = np.random.get_state()
        try:
            yield
        finally:
            np.random.set_state(state)
