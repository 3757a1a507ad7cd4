"""Beyond the contract: no pre-trained network, and maps that show the place."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny import TINY

from algan_ad.detectors.algan_wavelet import AlganWavelet
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.features import backbones


def texture(n: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(90, 160, (n, 64, 64, 3)).astype(np.uint8)


def fitted(**changes: Any) -> AlganWavelet:
    detector = AlganWavelet(AlganWavelet.Config(**{**TINY["algan-wavelet"], "image_size": 64, **changes}), "cpu")
    detector.fit(TrainingData(texture(12)), RunOptions(0, "cpu"))
    return detector


def test_no_network_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backbones, "make_network", None)
    tensors = fitted().tensors()
    loaded = AlganWavelet(AlganWavelet.Config(**{**TINY["algan-wavelet"], "image_size": 64}), "cpu").load(tensors)
    np.testing.assert_array_equal(loaded.score(texture(3, 1)), fitted().score(texture(3, 1)))


def test_a_smooth_spot_is_found_where_it_is() -> None:
    """The spot has the brightness of the texture, so that the wavelets have to find it."""
    detector, spoilt = fitted(), texture(1, seed=1)
    clean = detector.score(spoilt)[0]
    spoilt[0, 36:60, 4:28] = 125
    (score,), (heat,) = detector.score_and_maps(spoilt)
    assert score > clean
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 34 <= row <= 62
    assert 2 <= column <= 30
