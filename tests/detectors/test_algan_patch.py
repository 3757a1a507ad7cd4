"""Beyond the contract: size, what is trained, positions."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny import TINY

from algan_ad.detectors.algan_patch import AlganPatch
from algan_ad.detectors.shared import algan_on_patches
from algan_ad.detectors.shared.algan_on_patches import sample
from algan_ad.detectors.shared.contract import RunOptions, TrainingData
from algan_ad.features.backbones import RANDOM, PyramidBackbone
from algan_ad.features.patches import levels


def texture(n: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(90, 160, (n, 64, 64, 3)).astype(np.uint8)


def fitted(n: int = 12, **changes: Any) -> AlganPatch:
    detector = AlganPatch(AlganPatch.Config(**{**TINY["algan-patch"], "image_size": 64, **changes}), "cpu")
    detector.fit(TrainingData(texture(n)), RunOptions(0, "cpu"))
    return detector


def _distance(rows: torch.Tensor, bank: torch.Tensor) -> torch.Tensor:
    return torch.cdist(rows, bank, compute_mode="donot_use_mm_for_euclid_dist").amin(1)


def test_the_model_does_not_grow_with_the_images() -> None:
    few, many = (fitted(n).tensors() for n in (6, 18))
    assert {name: tensor.shape for name, tensor in few.items()} == {name: t.shape for name, t in many.items()}


def test_prototypes_are_patches_and_training_moves_biases_alone() -> None:
    brief, long = fitted(epochs=1).tensors(), fitted(epochs=5).tensors()
    moved = {name for name in brief if not np.array_equal(brief[name], long[name])}
    assert moved == {"discriminator.level", "discriminator.levels.0.bias", "discriminator.levels.1.bias"}
    module = fitted().module
    assert module is not None
    for level, near in zip(module.conditioned(torch.from_numpy(texture(12))), module.discriminator.levels, strict=True):
        assert _distance(near.prototypes, level.flatten(0, 2)).max() < 1e-2


def test_a_spot_is_found_where_it_is() -> None:
    detector = fitted()
    spoilt = texture(1, seed=1)
    clean = detector.score(spoilt)[0]
    spoilt[0, 40:56, 8:24] = 0
    (score,), (heat,) = detector.score_and_maps(spoilt)
    assert score > clean
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 34 <= row <= 62
    assert 2 <= column <= 30


def test_score_is_the_largest_mean_of_three_by_three_positions() -> None:
    """At the border, of the positions that there are."""
    module = fitted().module
    assert module is not None
    images = torch.from_numpy(texture(2, seed=3))
    with torch.no_grad():
        found = module.positions(images)
        around = [slice(max(0, i - 1), i + 2) for i in range(found.shape[1])]
        means = [found[:, rows, columns].mean((1, 2)) for rows in around for columns in around]
        torch.testing.assert_close(module(images), torch.stack(means).amax(0))


def test_a_position_judged_in_the_map_is_the_patch_judged_by_d() -> None:
    """With one level there is nothing to bring to another grid."""
    module = fitted(layers=("features.3",), places=0).module
    assert module is not None
    images = torch.from_numpy(texture(2, seed=3))
    with torch.no_grad():
        (x,) = module.conditioned(images)
        torch.testing.assert_close(-module.discriminator(x.flatten(0, 2)), module.positions(images).flatten())


def test_patches_are_sampled_evenly_from_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = PyramidBackbone("squeezenet1_1", ["features.3", "features.6"], RANDOM)
    images, generator = texture(4), torch.Generator()
    fine, coarse = levels(backbone, torch.from_numpy(images))
    everything = sample(backbone, images, generator)
    assert [len(rows) for rows in everything] == [fine[:, 0].numel(), coarse[:, 0].numel(), fine[:, 0].numel()]
    torch.testing.assert_close(everything[0], fine.permute(0, 2, 3, 1).flatten(0, 2))
    monkeypatch.setattr(algan_on_patches, "CANDIDATES", 20)
    some = sample(backbone, images, generator)
    assert [len(rows) for rows in some] == [20, 20, 20]
    for i in range(4):  # five of each image
        among = _distance(some[0][5 * i : 5 * i + 5], fine[i].flatten(1).T)
        assert among.max() < 1e-4


def test_the_place_of_a_patch_counts() -> None:
    """Images with a dark half: the dark patches are normal, except in the light half."""
    train, test = texture(12), texture(1, seed=1)
    train[:, :, :32] //= 4
    test[:, :, :32] //= 4
    odd = test.copy()
    odd[0, :32, 32:] = test[0, :32, :32]
    found = {}
    for places in (0.0, 0.25):
        detector = AlganPatch(AlganPatch.Config(**{**TINY["algan-patch"], "image_size": 64, "places": places}), "cpu")
        detector.fit(TrainingData(train), RunOptions(0, "cpu"))
        found[places] = detector.score(odd)[0] - detector.score(test)[0]
    assert found[0.25] > found[0.0] + 1
