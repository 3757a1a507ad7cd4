"""The thesis, chapter 4: latents, objective, buffer, networks, Algorithm 1. Imports torch and nothing else.

Read beside the text: `latents.py` (4.3, 5.9), `objective.py` (eqs. 4.1 to 4.4), `buffer.py` (4.3),
`networks.py` (5.1.1), `algorithm.py` (Algorithm 1). `mixture.py` is ours: a discriminator for vectors, and noisy data.
"""

from algan_ad.algan.algorithm import ALGAN, Hyperparameters
from algan_ad.algan.buffer import Buffer
from algan_ad.algan.latents import Latents

__all__ = ["ALGAN", "Buffer", "Hyperparameters", "Latents"]
