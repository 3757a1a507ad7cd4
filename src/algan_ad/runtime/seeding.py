"""Seeds for every kind of random choice, from the one that the user gives."""

import hashlib


def seed_from(seed: int, *names: object) -> int:
    """A 63-bit seed that depends on every argument and on nothing else."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
