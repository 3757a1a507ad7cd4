import numpy as np
import pytest
import torch
from holed import fitted, images, peaks_in_the_hole

from algan_ad.detectors import spade
from algan_ad.detectors.spade import SpadeConfig, SpadeScorer, as_rows
from algan_ad.features.backbones import RANDOM, Backbone, PyramidBackbone
from algan_ad.features.maps import anomaly_map, concatenated
from algan_ad.runtime.errors import InputError


def test_score_is_the_mean_distance_to_the_nearest_images() -> None:
    detector, x = fitted("spade"), images(3, 9)
    backbone = Backbone("squeezenet1_1", "features.6", RANDOM)
    train, test = backbone(torch.from_numpy(images(16, 0))), backbone(torch.from_numpy(x))
    expected = torch.cdist(test.double(), train.double()).sort(1).values[:, :5].mean(1)
    np.testing.assert_allclose(detector.score(x), expected, rtol=1e-3)


def test_a_position_is_compared_with_all_positions_of_the_nearest_images() -> None:
    detector, x = fitted("spade"), images(1, 9)
    pyramid = PyramidBackbone("squeezenet1_1", ["features.3", "features.6"], RANDOM)
    levels, gallery = pyramid(torch.from_numpy(x)), pyramid(torch.from_numpy(images(16, 0)))
    deep = torch.cdist(levels[1].mean((2, 3)), gallery[1].mean((2, 3)))[0]
    rows = deep.argsort()[:5]
    queries = as_rows(concatenated(levels, "bilinear"))
    kept = as_rows(concatenated([level[rows] for level in gallery], "bilinear"))
    side = levels[0].shape[2]
    expected = anomaly_map(torch.cdist(queries, kept).amin(1).reshape(1, side, side), 32)
    np.testing.assert_allclose(detector.score_and_maps(x)[1], expected, rtol=1e-3)


def test_maps_are_the_same_without_memory_for_features(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    roomy = fitted("spade")
    expected = np.stack(roomy.score_and_maps(images(3, 4))[1])
    monkeypatch.setattr(spade, "KEPT_BYTES", 0)
    narrow = fitted("spade")
    np.testing.assert_array_equal(np.stack(narrow.score_and_maps(images(3, 4))[1]), expected)
    assert isinstance(roomy.module, SpadeScorer)
    assert isinstance(narrow.module, SpadeScorer)
    assert len(roomy.module.kept) > len(narrow.module.kept) == 0


def test_holed_images_score_higher_and_show_where() -> None:
    detector = fitted("spade")
    assert detector.score(images(8, 1)).max() < detector.score(images(8, 2, hole=True)).min()
    assert peaks_in_the_hole(detector)


def test_fewer_images_than_neighbours() -> None:
    assert SpadeConfig().neighbours == 50
    x = images(2, 9)
    np.testing.assert_array_equal(
        fitted("spade", n=4, neighbours=50).score(x), fitted("spade", n=4, neighbours=4).score(x)
    )


def test_an_unknown_layer_is_told_by_either_option() -> None:
    with pytest.raises(InputError, match="--layers or --layer nowhere: not in squeezenet1_1"):
        fitted("spade", layer="nowhere")
